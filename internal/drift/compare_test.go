package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCompare makes one change to a small document in each case.
func TestCompare(t *testing.T) {
	t.Parallel()
	const (
		sessionRef = `{"$ref": "#/components/schemas/client_session"}`
		session    = `{"type": "object", "required": ["token"], "properties": {"token": {"type": "string"}, "name": {"type": "string", "nullable": true}}}`
		deleted    = `{"type": "object", "properties": {"event_type": {"type": "string", "enum": ["client_session.deleted"]}, "id": {"type": "string"}}}`
		request    = `{"type": "object", "properties": {"key": {"type": "string"}}}`
		create     = `{"post": {
			"requestBody": {"content": {"application/json": {"schema": ` + request + `}}},
			"responses": {"200": {"content": {"application/json": {"schema": {"type": "object", "properties": {"client_session": ` + sessionRef + `}}}}}}
		}}`
		document = `{
			"components": {
				"schemas": {"client_session": ` + session + `, "event": {"oneOf": [` + deleted + `]}},
				"securitySchemes": {"unused": {"type": "http", "scheme": "bearer"}}
			},
			"paths": {"/client_sessions/create": ` + create + `, "/devices/list": {}}
		}`

		post         = `{"post": {`
		token        = `"token": {"type": "string"`
		fromResponse = " from the response with the `200` status"
		toResponse   = " to the response with the `200` status"
		tokenNull    = "POST /client_sessions/create: the response property `client_session/token` became nullable for the status `200`"
		otherwise    = "POST /client_sessions/create: changed in another way"
	)
	for _, tt := range []struct {
		name    string
		replace []string // parts of the document, each before what it becomes
		want    []string
	}{
		{name: "nothing"},

		{
			"path",
			[]string{`"/devices/list"`, `"/client_sessions/extend": ` + create + `, "/devices/list"`},
			[]string{"POST /client_sessions/extend: endpoint added"},
		},
		{"path elsewhere", []string{`"/devices/list"`, `"/devices/get"`}, nil},
		{
			"method",
			[]string{post, `{"put": {`},
			[]string{"POST /client_sessions/create: api removed without deprecation", "PUT /client_sessions/create: endpoint added"},
		},
		{"deprecated operation", []string{post, post + `"deprecated": true, `}, []string{"POST /client_sessions/create: endpoint deprecated"}},
		{"envelope", []string{post, post + `"x-response-key": "session", `}, []string{otherwise}},
		{"words", []string{post, post + `"description": "New words", "x-title": "More", "tags": ["new"], `}, nil},
		{
			"field with the name of a keyword",
			[]string{`"key": {`, `"description": {"type": "string"}, "properties": {"type": "string"}, "x-tags": {"type": "string"}, "key": {`},
			[]string{
				"POST /client_sessions/create: added the new optional request property `description`",
				"POST /client_sessions/create: added the new optional request property `properties`",
				"POST /client_sessions/create: added the new optional request property `x-tags`",
			},
		},

		{
			"type",
			[]string{`"key": {"type": "string"`, `"key": {"type": "integer"`},
			[]string{"POST /client_sessions/create: the `key` request property `type` changed from `string` to `integer`"},
		},
		{
			"two types",
			[]string{token, `"token": {"type": ["string", "integer"]`},
			[]string{"POST /client_sessions/create: the `client_session/token` response's property `type` was widened from `string` to `string, integer` for status `200`"},
		},
		{
			"required in the request",
			[]string{request, `{"required": ["key"], ` + request[1:]},
			[]string{"POST /client_sessions/create: the request property `key` became required"},
		},
		{
			"optional in the response",
			[]string{`"required": ["token"], `, ``},
			[]string{"POST /client_sessions/create: the response property `client_session/token` became optional for the status `200`"},
		},
		{
			"deprecated field",
			[]string{token, token + `, "deprecated": true`},
			[]string{"POST /client_sessions/create: response property `client_session/token` deprecated"},
		},
		{"nullable", []string{token, token + `, "nullable": true`}, []string{tokenNull}},
		{"nullable by its type", []string{token, `"token": {"type": ["string", "null"]`}, []string{tokenNull}},
		{"nullable by oneOf", []string{token, `"token": {"oneOf": [{"type": "string"}, {"type": "null"}]`}, []string{tokenNull}},
		{"nullable in another way", []string{`"name": {"type": "string", "nullable": true}`, `"name": {"type": ["null", "string"]}`}, nil},
		{"nullable in a third way", []string{`"name": {"type": "string", "nullable": true}`, `"name": {"anyOf": [{"type": "null"}, {"type": "string"}]}`}, nil},
		{"neither nullable nor deprecated", []string{token, token + `, "nullable": false, "deprecated": false`}, nil},
		{"other keyword", []string{request, `{"additionalProperties": false, ` + request[1:]}, []string{otherwise}},

		{
			"schema under another name",
			[]string{sessionRef, `{"$ref": "#/components/schemas/session"}`, `"client_session": ` + session, `"session": ` + session},
			[]string{"removed the schema `client_session`"},
		},
		{
			"schema behind references and allOf",
			[]string{session, `{"$ref": "#/components/schemas/a"}, "a": {"allOf": [{"$ref": "#/components/schemas/b"}]}, "b": ` + session},
			nil,
		},
		{"schema in place", []string{sessionRef, session}, []string{"removed the schema `client_session`"}},
		{
			"reference to something that is no schema of a name",
			[]string{token, `"token": {"$ref": "#/components/schemas/event/oneOf/0/properties/id"`},
			nil,
		},
		{
			"keywords beside a reference",
			[]string{`"name": {"type": "string", "nullable": true}`, `"name": {"$ref": "#/components/schemas/a", "nullable": true, "deprecated": true}`, `"event": {`, `"a": {"type": "string"}, "event": {`},
			[]string{"POST /client_sessions/create: response property `client_session/name` deprecated"},
		},
		{
			"reference in an allOf that may be null",
			[]string{`"name": {"type": "string", "nullable": true}`, `"name": {"allOf": [{"$ref": "#/components/schemas/a"}], "nullable": true}`, `"event": {`, `"a": {"type": "string"}, "event": {`},
			nil,
		},
		{
			"schema that refers to itself and may be null",
			[]string{`"name": {"type": "string", "nullable": true}`, `"parent": {"oneOf": [` + sessionRef + `, {"type": "null"}]}`},
			[]string{
				"POST /client_sessions/create: added the optional property `client_session/parent`" + toResponse,
				"POST /client_sessions/create: removed the optional property `client_session/name`" + fromResponse,
			},
		},
		{
			"schema that refers to itself",
			[]string{`"name": {"type": "string", "nullable": true}`, `"parent": ` + sessionRef},
			[]string{
				"POST /client_sessions/create: added the optional property `client_session/parent`" + toResponse,
				"POST /client_sessions/create: removed the optional property `client_session/name`" + fromResponse,
			},
		},

		{
			"field of the event",
			[]string{`"id": {`, `"uuid": {`},
			[]string{
				"event client_session.deleted: added the optional property `uuid`" + toResponse,
				"event client_session.deleted: removed the optional property `id`" + fromResponse,
			},
		},
		{
			"event gone",
			[]string{`client_session.deleted`, `client_session.ended`},
			[]string{"event client_session.deleted: api path removed without deprecation"},
		},
		{
			"event with another type",
			[]string{`"enum": ["client_session.deleted"]`, `"enum": ["client_session.deleted", "client_session.ended"]`},
			[]string{"event client_session.deleted: added the new `client_session.ended` enum value to the `event_type` response property for the response status `200`"},
		},
		{
			"event with a constant",
			[]string{`"enum": ["client_session.deleted"]`, `"const": "client_session.deleted"`},
			[]string{
				"event client_session.deleted: removed the `client_session.deleted` enum value from the `event_type` response property for the response status `200`",
				"event client_session.deleted: the `event_type` response property const value `client_session.deleted` was added for the status `200`",
			},
		},
		{
			"event behind references",
			[]string{
				`{"oneOf": [` + deleted + `]}`,
				`{"anyOf": [{"$ref": "#/components/schemas/a"}]}, "a": {"oneOf": [{"$ref": "#/components/schemas/b"}]}, "b": ` + deleted,
			},
			nil,
		},
		{
			"event in parts",
			[]string{deleted, `{"allOf": [
				{"type": "object", "properties": {"id": {"type": "string"}}},
				{"type": "object", "properties": {"event_type": {"type": "string", "enum": ["client_session.deleted"]}}}
			]}`},
			nil,
		},

		{"security scheme of nothing here", []string{`"bearer"`, `"basic"`}, nil},
		{
			"security scheme",
			[]string{post, post + `"security": [{"unused": []}], `},
			[]string{
				"POST /client_sessions/create: the endpoint no longer allows anonymous access and now only accepts `unused`",
				"the component security scheme `unused` was added",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for i := 0; i < len(tt.replace); i += 2 {
				require.Contains(t, document, tt.replace[i])
			}
			changes, err := compare(parse(t, document), parse(t, strings.NewReplacer(tt.replace...).Replace(document)))
			require.NoError(t, err)
			assert.Equal(t, tt.want, changes)
		})
	}
}

// TestEveryKeyword removes each keyword and each name from a schema in turn.
func TestEveryKeyword(t *testing.T) {
	t.Parallel()
	was := read(t, "1.721.0")
	was.Source, was.Cut, was.SecuritySchemes = "", "", nil
	text, err := json.Marshal(was)
	require.NoError(t, err)
	for n := 0; ; n++ {
		var is schema
		count := 0
		require.NoError(t, json.Unmarshal(text, &is))
		removed := remove([]any{is.Paths, is.Schemas}, n, &count)
		if removed == "" {
			assert.Greater(t, n, 100)
			break
		}
		changes, err := compare(was, is)
		if err == nil { // a schema that others refer to is gone
			assert.NotEmpty(t, changes, removed)
		}
	}
}

// remove deletes entry number n and returns its location.
func remove(value any, n int, count *int) string {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if *count == n {
				delete(value, key)
				return key
			}
			*count++
			if removed := remove(value[key], n, count); removed != "" {
				return key + "." + removed
			}
		}
	case []any:
		for _, item := range value {
			if removed := remove(item, n, count); removed != "" {
				return removed
			}
		}
	}
	return ""
}

// parse parses a document and cuts it.
func parse(t *testing.T, document string) schema {
	t.Helper()
	var decoded map[string]any
	require.NoError(t, json.Unmarshal([]byte(document), &decoded))
	s, err := cut(decoded, "1.0.0")
	require.NoError(t, err)
	return s
}
