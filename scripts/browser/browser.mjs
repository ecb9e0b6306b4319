// The browser, one page at a time, and what goes over its network.

import { chromium } from 'playwright-core'

let browser
let context
let page
let network // CDP session of page
let artifacts

/** What was answered to the page since it was opened or this was cleared. */
export const requests = []

const history = [] // what became of every request since the page was opened

/** What must not happen on any page, whatever else it does. */
export const blunders = []

export async function launch({ executable, folder }) {
  artifacts = folder
  browser = await chromium.launch({
    executablePath: executable,
    args: [
      '--disable-gpu',
      '--disable-quic',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1', // loopback only
    ],
  })
  return browser.version()
}

export async function close() {
  await browser?.close()
}

/**
 * Opens a page in place of the last. It has the storage of the pages before it,
 * unless it is fresh, and with clock a clock that can be put forward. It is open
 * once it has what is ready.
 */
export async function open(url, { fresh = false, clock = false, ready = 'html[data-ready]' } = {}) {
  await page?.close()
  if (fresh || !context) {
    await context?.close()
    context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
    context.setDefaultTimeout(30_000)
  }
  page = await context.newPage()
  if (clock) await page.clock.install()
  network = await context.newCDPSession(page)
  await network.send('Network.enable')
  network.on('Fetch.requestPaused', withhold)
  requests.length = history.length = 0
  withheld = []
  intercepting = false
  held = undefined
  page.on('pageerror', (error) => blunders.push(`uncaught: ${error.stack}`))
  page.on('console', (message) => {
    // The browser logs every refused request, and some are wanted.
    if (message.text().includes('Content Security Policy')) blunders.push(message.text())
  })
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url())
    if (protocol !== 'blob:' && hostname !== '127.0.0.1') blunders.push(`${hostname} was called`)
  })
  page.on('response', record)
  page.on('requestfailed', (request) => tell(request, request.failure().errorText))
  await page.goto(url)
  await page.waitForSelector(ready)
  return page
}

// Sessions and ids of uploads say nothing here.
function tell(request, outcome) {
  const { pathname, protocol, searchParams } = new URL(request.url())
  if (protocol === 'blob:') return
  const part = searchParams.has('partNumber') ? `?partNumber=${searchParams.get('partNumber')}` : ''
  history.push(`${request.method()} ${pathname.replace(/[^/]{60,}/g, '…')}${part} ${outcome}`)
}

/** The last requests of the page and their ends, once: they explain what went wrong. */
export const lastRequests = () => history.splice(0).slice(-50)

function record(response) {
  tell(response.request(), response.status())
  const { pathname, searchParams } = new URL(response.url())
  requests.push({
    method: response.request().method(),
    path: pathname,
    part: Number(searchParams.get('partNumber')),
    status: response.status(),
  })
}

/** Parts that were stored since the page was opened: their numbers, in order. */
export const storedParts = () =>
  requests.filter((r) => r.method === 'PUT' && r.part && r.status === 200).map((r) => r.part).sort((a, b) => a - b)

/** Limits what the page sends; 0 is no limit. */
export async function throttle(bytesPerSecond) {
  await network.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: bytesPerSecond || -1,
  })
}

/** Limits it so that nothing comes to its end. What is being sent already may. */
export const crawl = () => throttle(5_000)

let intercepting = false
let withheld = [] // answers, not come yet
let held // { method, url, requests }

/**
 * Has answers that are given not reach the page. Each of the list is a method and
 * a pattern of URLs, and happens once: the connection is reset, or it stays away.
 * Returns how many of the last list have not come.
 */
export async function intercept(answers) {
  const left = withheld.length
  withheld = [...answers]
  intercepting = answers.length > 0 // what stays away does so to the end
  await watch()
  return left
}

/** Resolves when all answers have come that are to be kept from the page. */
export async function intercepted() {
  while (withheld.length) await page.waitForTimeout(20)
}

/** Holds requests of a method, to URLs of a pattern, before they are sent, until they are released. */
export async function hold({ method, url }) {
  held = { method, url: new RegExp(url), requests: [] }
  await watch()
}

/** Resolves when a request is held. */
export async function holding() {
  while (!held.requests.length) await page.waitForTimeout(20)
}

/** Sends what is held, unless the page gave it up. */
export async function release() {
  const { requests = [] } = held ?? {}
  held = undefined
  await Promise.all(requests.map((requestId) => resume('Fetch.continueRequest', { requestId })))
  await watch()
}

// Has the browser ask what becomes of requests, if anything can.
async function watch() {
  const patterns = []
  if (held) patterns.push({ requestStage: 'Request' })
  if (intercepting) patterns.push({ requestStage: 'Response' })
  if (patterns.length) await network.send('Fetch.enable', { patterns })
  else await network.send('Fetch.disable')
}

const resume = (verb, args) => network.send(verb, args).catch(() => {}) // the page may be gone

async function withhold({ requestId, request, responseStatusCode, responseErrorReason }) {
  if (responseStatusCode === undefined && responseErrorReason === undefined) {
    if (held?.method === request.method && held.url.test(request.url)) return held.requests.push(requestId)
    return resume('Fetch.continueRequest', { requestId })
  }
  const at = withheld.findIndex(({ method, url }) => request.method === method && new RegExp(url).test(request.url))
  const [found] = at < 0 ? [] : withheld.splice(at, 1)
  if (found?.stays) return
  if (found) await resume('Fetch.failRequest', { requestId, errorReason: 'ConnectionReset' })
  else await resume('Fetch.continueRequest', { requestId })
}

export async function closePage() {
  await page.close()
  page = undefined
}

/** Takes a picture of the whole page. */
export async function shoot({ name }) {
  if (page) await page.screenshot({ path: `${artifacts}/${name}.png`, fullPage: true, animations: 'disabled' })
}
