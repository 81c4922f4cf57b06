// Fetches Seam's OpenAPI document from npm. Usage: node fetch.mjs <version> <file> <cut>
//
// It writes the document with its version to <file>, and the part about client sessions to
// <cut>. It runs the code of the npm package, so run it where no secrets are.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const [version, file, cut] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'openapi'))
process.on('exit', () => rmSync(folder, { recursive: true }))
execFileSync('npm', ['pack', `@seamapi/types@${version}`, '--silent', '--ignore-scripts'], { cwd: folder })
execFileSync('sh', ['-c', 'tar -xzf *.tgz'], { cwd: folder })
copyFileSync(join(folder, 'package/lib/seam/connect/openapi.js'), join(folder, 'openapi.mjs'))
const source = JSON.parse(readFileSync(join(folder, 'package/package.json'), 'utf8')).version
const document = (await import(join(folder, 'openapi.mjs'))).default
writeFileSync(file, JSON.stringify({ version: source, document }))

const schemas = {}
const named = ['properties', 'responses', 'content', 'headers']
const strip = (value, names) => {
  if (Array.isArray(value)) return value.map((item) => strip(item))
  if (value === null || typeof value !== 'object') return value
  const name = !names && value.$ref?.replace('#/components/schemas/', '')
  if (name && !(name in schemas)) {
    schemas[name] = null // a schema may refer to itself
    schemas[name] = strip(document.components.schemas[name])
  }
  const kept = Object.entries(value).filter(([key]) => names || key === 'x-response-key' ||
    !(key.startsWith('x-') || ['description', 'summary', 'tags', 'operationId'].includes(key)))
  return Object.fromEntries(kept.map(([key, child]) => [key, strip(child, !names && named.includes(key))]))
}
const paths = Object.fromEntries(Object.entries(document.paths)
  .filter(([path]) => path.startsWith('/client_sessions/')).map(([path, item]) => [path, strip(item)]))
const deleted = document.components.schemas.event.oneOf.find((event) =>
  event.properties.event_type.enum.includes('client_session.deleted'))
schemas.client_session_deleted_event = strip(deleted)
const sorted = (value) => value === null || typeof value !== 'object' || Array.isArray(value)
  ? value : Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]))
const result = {
  source: `@seamapi/types ${source}`,
  cut: 'by make schema, from the OpenAPI document in the npm package: the paths under /client_sessions/, the schemas that they refer to and the event client_session.deleted, without descriptions and the like',
  paths: sorted(paths),
  schemas: sorted(schemas),
  securitySchemes: sorted(strip(document.components.securitySchemes, true)),
}
writeFileSync(cut, JSON.stringify(result, null, 2) + '\n')
