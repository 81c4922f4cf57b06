// Reads {now, cases} from stdin, has the vendor's library verify or sign each case
// at that Unix time, and writes a list of what came of it.
import { readFileSync } from 'node:fs'

import { SeamWebhook } from '@seamapi/webhook'
import { Webhook } from 'svix'

const { now, cases } = JSON.parse(readFileSync(0, 'utf8'))
Date.now = () => now * 1000

const run = ({ sign, secret, id, timestamp, payload, headers }) => {
  try {
    if (sign) return { signature: new Webhook(secret).sign(id, new Date(timestamp * 1000), payload) }
    return { event: new SeamWebhook(secret).verify(payload, headers) }
  } catch (error) {
    return { error: error.constructor.name }
  }
}

console.log(JSON.stringify(cases.map(run)))
