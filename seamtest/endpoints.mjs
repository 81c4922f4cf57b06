// Writes the documented endpoints, deprecated ones too, of a file of api/internal/gen/fetch.mjs to stdout, one a
// line: what seamtest checks of a request. `make schema` runs it.
import { readFileSync } from 'node:fs'

const { document } = JSON.parse(readFileSync(process.argv[2]))

const kept = [
  'type', 'nullable', 'enum', 'pattern', 'minLength', 'maxLength', 'minItems', 'maxItems', 'minimum', 'maximum',
  'exclusiveMinimum', 'required', 'items', 'properties', 'additionalProperties', 'oneOf', 'allOf',
]
const schemes = ['api_key', 'client_session', 'pat_with_workspace', 'publishable_key']

// compact copies a schema with the keywords that are kept, and those keys of names.
const compact = (value, names) => {
  if (Array.isArray(value)) return value.map((item) => compact(item))
  if (value === null || typeof value !== 'object') return value
  if (value.$ref) throw new Error(`a request refers to ${value.$ref}`)
  const copy = {}
  for (const key of Object.keys(value).sort()) {
    const child = value[key]
    const keeps = names || kept.includes(key) || (key === 'format' && child === 'date-time')
    if (keeps && child !== false) copy[key] = compact(child, !names && key === 'properties')
  }
  return copy
}

const lines = []
for (const path of Object.keys(document.paths).sort()) {
  const { post, ...others } = document.paths[path]
  if (!post || post['x-undocumented']) continue
  lines.push(`${JSON.stringify(path)}: ${JSON.stringify({
    methods: Object.keys({ ...others, post }).map((method) => method.toUpperCase()).sort(),
    security: post.security.flatMap(Object.keys).filter((name) => schemes.includes(name)).sort(),
    params: compact(post.requestBody?.content['application/json'].schema ?? { type: 'object' }),
  })}`)
}
console.log(`{\n${lines.join(',\n')}\n}`)
