// node segment.js URL KEY CALLS: calls of @segment/analytics-node, each a name and its argument
import { Analytics } from '@segment/analytics-node'

const [host, writeKey, calls] = process.argv.slice(2)
const analytics = new Analytics({ writeKey, host, flushAt: 4, maxRetries: 0 })
analytics.on('error', (error) => { console.error(error); process.exitCode = 1 })
for (const [name, message] of JSON.parse(calls)) {
  analytics[name]({ ...message, timestamp: new Date(message.timestamp) })
}
await analytics.closeAndFlush()
