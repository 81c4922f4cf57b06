export default {
  components: {
    schemas: {
      client_session: {
        description: 'For people.',
        properties: {
          client_session_id: { description: 'For people.', format: 'uuid', type: 'string' },
          connect_webview_ids: { description: 'For people.', items: { format: 'uuid', type: 'string' }, type: 'array' },
          connected_account_ids: { description: 'For people.', items: { format: 'uuid', type: 'string' }, type: 'array' },
          created_at: { description: 'For people.', format: 'date-time', type: 'string' },
          customer_id: { description: 'For people.', format: 'uuid', type: 'string' },
          device_count: { description: 'For people.', format: 'float', type: 'number' },
          expires_at: { description: 'For people.', format: 'date-time', type: 'string' },
          token: { description: 'For people.', type: 'string' },
          user_identifier_key: { description: 'For people.', nullable: true, type: 'string' },
          user_identity_id: { description: 'For people.', format: 'uuid', type: 'string' },
          user_identity_ids: {
            deprecated: true,
            description: 'For people.',
            items: { format: 'uuid', type: 'string' },
            type: 'array',
            'x-deprecated': 'Use `user_identity_id` instead.'
          },
          workspace_id: { description: 'For people.', format: 'uuid', type: 'string' }
        },
        required: [
          'client_session_id',
          'workspace_id',
          'created_at',
          'expires_at',
          'token',
          'user_identifier_key',
          'device_count',
          'connected_account_ids',
          'connect_webview_ids',
          'user_identity_ids'
        ],
        type: 'object',
        'x-route-path': '/client_sessions'
      },
      event: {
        description: 'For people.',
        discriminator: { propertyName: 'event_type' },
        oneOf: [
          {
            description: 'For people.',
            properties: {
              device_id: { description: 'For people.', format: 'uuid', type: 'string' },
              event_type: { enum: [ 'device.connected' ], type: 'string' }
            },
            required: [ 'device_id', 'event_type' ],
            type: 'object',
            'x-route-path': '/devices'
          },
          {
            description: 'For people.',
            properties: {
              client_session_id: { description: 'For people.', format: 'uuid', type: 'string' },
              created_at: { description: 'For people.', format: 'date-time', type: 'string' },
              event_id: { description: 'For people.', format: 'uuid', type: 'string' },
              event_type: { enum: [ 'client_session.deleted' ], type: 'string' },
              occurred_at: { description: 'For people.', format: 'date-time', type: 'string' },
              workspace_id: { description: 'For people.', format: 'uuid', type: 'string' }
            },
            required: [
              'event_id',
              'workspace_id',
              'created_at',
              'occurred_at',
              'client_session_id',
              'event_type'
            ],
            type: 'object',
            'x-route-path': '/client_sessions'
          }
        ],
        'x-route-path': '/events'
      }
    },
    securitySchemes: {
      api_key: { bearerFormat: 'API Key', scheme: 'bearer', type: 'http' },
      publishable_key: { in: 'header', name: 'seam-publishable-key', type: 'apiKey' }
    }
  },
  info: { title: 'Seam Connect', version: '1.0.0' },
  openapi: '3.0.0',
  paths: {
    '/client_sessions/create': {
      post: {
        description: 'For people.',
        operationId: 'clientSessionsCreatePost',
        requestBody: {
          content: {
            'application/json': {
              schema: {
                properties: {
                  connect_webview_ids: { description: 'For people.', items: { type: 'string' }, type: 'array' },
                  connected_account_ids: { description: 'For people.', items: { type: 'string' }, type: 'array' },
                  customer_id: { description: 'For people.', type: 'string' },
                  customer_key: { description: 'For people.', type: 'string' },
                  expires_at: { description: 'For people.', format: 'date-time', type: 'string' },
                  user_identifier_key: { description: 'For people.', minLength: 1, type: 'string' },
                  user_identity_id: { description: 'For people.', format: 'uuid', type: 'string' },
                  user_identity_ids: {
                    deprecated: true,
                    description: 'For people.',
                    items: { format: 'uuid', type: 'string' },
                    maxItems: 1,
                    minItems: 1,
                    type: 'array',
                    'x-deprecated': 'Use `user_identity_id` instead.'
                  }
                },
                type: 'object'
              }
            }
          }
        },
        responses: {
          '200': {
            content: {
              'application/json': {
                schema: {
                  properties: {
                    client_session: { '$ref': '#/components/schemas/client_session' },
                    ok: { type: 'boolean' }
                  },
                  required: [ 'client_session', 'ok' ],
                  type: 'object'
                }
              }
            },
            description: 'For people.'
          },
          '400': { description: 'For people.' },
          '401': { description: 'For people.' }
        },
        security: [ { publishable_key: [] }, { api_key: [] } ],
        summary: '/client_sessions/create',
        tags: [ '/client_sessions' ],
        'x-fern-sdk-group-name': [ 'client_sessions' ],
        'x-fern-sdk-method-name': 'create',
        'x-fern-sdk-return-value': 'client_session',
        'x-response-key': 'client_session',
        'x-title': 'Create a Client Session'
      }
    },
    '/client_sessions/list': {
      post: {
        description: 'For people.',
        operationId: 'clientSessionsListPost',
        requestBody: {
          content: {
            'application/json': {
              schema: {
                properties: {
                  client_session_id: { description: 'For people.', type: 'string' },
                  connect_webview_id: { description: 'For people.', type: 'string' },
                  user_identifier_key: { description: 'For people.', type: 'string' },
                  user_identity_id: { description: 'For people.', type: 'string' },
                  without_user_identifier_key: { description: 'For people.', type: 'boolean' }
                },
                type: 'object'
              }
            }
          }
        },
        responses: {
          '200': {
            content: {
              'application/json': {
                schema: {
                  properties: {
                    client_sessions: { items: { '$ref': '#/components/schemas/client_session' }, type: 'array' },
                    ok: { type: 'boolean' }
                  },
                  required: [ 'client_sessions', 'ok' ],
                  type: 'object'
                }
              }
            },
            description: 'For people.'
          },
          '400': { description: 'For people.' },
          '401': { description: 'For people.' }
        },
        security: [ { api_key: [] } ],
        summary: '/client_sessions/list',
        tags: [ '/client_sessions' ],
        'x-fern-sdk-group-name': [ 'client_sessions' ],
        'x-fern-sdk-method-name': 'list',
        'x-fern-sdk-return-value': 'client_sessions',
        'x-response-key': 'client_sessions',
        'x-title': 'List Client Sessions'
      }
    },
    '/workspaces/reset_sandbox': {
      post: { responses: { '200': { description: 'For people.' } } }
    }
  }
}
