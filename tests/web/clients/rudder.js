// node rudder.js URL KEY CALLS: calls of @rudderstack/rudder-sdk-node, each a name and its argument
import RudderAnalytics from '@rudderstack/rudder-sdk-node'

const [dataPlaneUrl, writeKey, calls] = process.argv.slice(2)
const analytics = new RudderAnalytics(writeKey, { dataPlaneUrl, flushAt: 100, flushInterval: 60000, gzip: true })
const sent = JSON.parse(calls).map(([name, message]) => new Promise((done, fail) => {
  const timestamp = new Date(message.timestamp)
  analytics[name]({ ...message, timestamp }, (error) => (error ? fail(error) : done()))
}))
await analytics.flush()
await Promise.all(sent)
process.exit(0)
