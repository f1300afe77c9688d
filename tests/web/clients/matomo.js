// node matomo.js URL SITE CALLS: each call is the parameters of one request, or a list of those of a bulk
import MatomoTracker from 'matomo-tracker'

const [url, site, calls] = process.argv.slice(2)
const tracker = new MatomoTracker(site, `${url}/matomo.php`)
tracker.on('error', (error) => { console.error(error); process.exitCode = 1 })
for (const call of JSON.parse(calls)) {
  if (Array.isArray(call)) {
    await new Promise((done) => { tracker.trackBulk(call, (answer) => { console.log(answer); done() }) })
  } else {
    tracker.track(call)
  }
}
