// node mixpanel.js PORT TOKEN CALLS: calls of mixpanel, each a dotted name and its arguments
import Mixpanel from 'mixpanel'

const [port, token, calls] = process.argv.slice(2)
const mixpanel = Mixpanel.init(token, { host: '127.0.0.1', port: Number(port), protocol: 'http', key: 'an-api-key' })
for (const [name, ...words] of JSON.parse(calls)) {
  const path = name.split('.')
  const owner = path.slice(0, -1).reduce((found, part) => found[part], mixpanel)
  await new Promise((done, fail) => {
    owner[path.at(-1)](...words, (error) => {
      const errors = Array.isArray(error) ? error.filter(Boolean) : [error].filter(Boolean)
      errors.length ? fail(errors[0]) : done()
    })
  })
}
process.exit(0)
