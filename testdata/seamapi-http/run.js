// Reads a call a line from stdin, {credential, operation, params}, makes it with the
// vendor's SDK, and writes what came of it in a line: {value} or {error}.
import { createInterface } from 'node:readline'

import { SeamHttp } from '@seamapi/http'

const connect = ({ publishableKey, userIdentifierKey, ...options }) =>
  publishableKey == null
    ? new SeamHttp(options)
    : SeamHttp.fromPublishableKey(publishableKey, userIdentifierKey, options)

const run = async ({ credential, operation, params }) => {
  try {
    const seam = await connect(credential)
    const [resource, method] = operation.includes('.') ? operation.split('.') : ['clientSessions', operation]
    return { value: await seam[resource][method](params) }
  } catch (error) {
    const { name, message, statusCode, requestId, validationErrors } = error
    const type = error.cause?.response?.data?.error?.type // the SDK calls every 401 unauthorized
    return { error: { name, message, statusCode, requestId, validationErrors, type } }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await run(JSON.parse(line))))
}
