// The package in Chromium, on a page of an origin of its own.
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { chromium } from 'playwright-core'

const { APP, CHROMIUM, GOOD, GOOD_TOKEN, STRANGER, STRANGER_TOKEN, BARE, BARE_TOKEN } = process.env
const good = { endpoint: GOOD, token: GOOD_TOKEN }

let browser
let page
let logged

before(async () => {
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--disable-gpu', '--disable-background-networking', '--disable-component-update', '--no-first-run', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
  })
})
after(() => browser?.close())
beforeEach(async () => {
  await page?.context().close()
  page = await (await browser.newContext()).newPage()
  logged = []
  page.on('console', (message) => logged.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => logged.push(`uncaught: ${error.message}`))
  await page.goto(`${APP}/`)
})

// Uploads bytes on the page, and tells what became of them.
const upload = (options) =>
  page.evaluate(async ({ endpoint, token, size = 1000, name = 'a.png', ...more }) => {
    const { Upload } = await import('/ossupload/ossupload.js')
    const file = new File([new Uint8Array(size).map((_, i) => i * 31)], name, { type: 'image/png' })
    const faults = new Set()
    const requests = []
    const one = (window.upload = new Upload(file, {
      endpoint,
      getToken: () => token,
      storage: null,
      onProgress: ({ fault }) => fault && faults.add(fault.message),
      onRequest: (r) => requests.push(r),
      ...more,
    }))
    const told = { faults: [], requests }
    try {
      told.receipt = await one.start()
    } catch ({ code, message }) {
      Object.assign(told, { code, message })
    }
    return { ...told, faults: [...faults] }
  }, options)

const quiet = () => assert.deepEqual(logged, [])

for (const method of ['put', 'form', 'multipart']) {
  test(`${method}, from another origin`, async () => {
    const { receipt, message, faults, requests } = await upload({ ...good, method, size: 300_000, partSize: 102_400 })
    assert.equal(message, undefined)
    assert.match(receipt.eventId, /./)
    assert.equal(receipt.size, 300_000)
    assert.deepEqual(faults, [])
    assert.equal(requests.filter((r) => r.target === 'storage').length, method === 'multipart' ? 3 : 1)
    assert.ok(requests.every((r) => r.status === 200 && !r.route.includes('ignature')))
    quiet()
  })
}

test('many files, of which one is refused', async () => {
  const outcomes = await page.evaluate(async ({ endpoint, token }) => {
    const { uploadAll } = await import('/ossupload/ossupload.js')
    const files = Array.from({ length: 5 }, (_, i) => new File([`file ${i}`], i === 2 ? 'x.html' : `${i}.png`, { type: i === 2 ? 'text/html' : 'image/png' }))
    const all = await uploadAll(files, { endpoint, getToken: () => token, concurrency: 2 })
    return all.map((o) => o.receipt?.filename ?? o.error.code)
  }, good)
  assert.deepEqual(outcomes, ['0.png', '1.png', 'invalid_request', '3.png', '4.png'])
})

describe('mistakes', () => {
  test('the functions do not know the page', async () => {
    const { code, message, requests } = await upload({ endpoint: STRANGER, token: STRANGER_TOKEN })
    assert.equal(code, 'cors')
    assert.match(message, new RegExp(`${new URL(STRANGER).host} answers, and not to ${APP}.*CORS_ORIGINS`))
    assert.equal(requests.length, 2)
  })

  for (const method of ['put', 'form', 'multipart']) {
    test(`the bucket has no CORS rule, ${method}`, async () => {
      const { code, message, requests } = await upload({ endpoint: BARE, token: BARE_TOKEN, method })
      assert.equal(code, 'cors')
      assert.match(message, new RegExp(`CORS rule does not let ${APP} send P.*scripts/bucket`))
      assert.equal(requests.filter((r) => r.target === 'storage').length, 2)
    })
  }

  test('the token is of somebody else', async () => {
    const { code, message } = await upload({ ...good, token: STRANGER_TOKEN })
    assert.equal(code, 'unauthenticated')
    assert.match(message, /signature/)
  })

  test('nothing listens there', async () => {
    const { code, message } = await upload({ endpoint: 'http://127.0.0.1:9', retries: 1 })
    assert.equal(code, 'network')
    assert.match(message, /127\.0\.0\.1:9 cannot be reached/)
  })

  test('the endpoint is a web site', async () => {
    const { code, message, requests } = await upload({ endpoint: APP })
    assert.equal(code, 'bad_answer')
    assert.match(message, /POST \/presign was answered 40\d, and not by the functions.*endpoint/)
    assert.equal(requests.length, 1) // it is not tried again
  })

  test('a header is changed on its way', async () => {
    await page.route(/x-oss-signature/, (route) => route.continue({ headers: { ...route.request().headers(), 'content-type': 'text/plain' } }))
    const { code, message } = await upload(good)
    assert.equal(code, 'storage_refused')
    assert.match(message, /the header content-type arrived as "text\/plain" and was granted as "image\/png"/)
  })

  test('the callback fails, and /confirm makes up for it', async () => {
    await fault('callback', '*', '500')
    const { receipt, faults, requests } = await upload(good)
    assert.ok(receipt.eventId)
    assert.match(faults[0], /CallbackFailed .*CALLBACK_URL/)
    assert.deepEqual(requests.map((r) => [r.route.replace(/^\/.*\..*/, '/{key}'), r.status]), [['/presign', 200], ['/{key}', 203], ['/confirm', 200]])
  })

  test('a connection that breaks is no mistake of CORS', async () => {
    await fault('oss', 'PutObject', 'reset', 2) // Chromium tries a connection that it reuses once more itself
    const { receipt, faults } = await upload(good)
    assert.ok(receipt.eventId)
    assert.match(faults.join(), /broke before an answer came/)
  })
})

const fault = async (target, operation, mode, count = 1) => {
  const answer = await fetch(`${GOOD}/_local/faults`, { method: 'POST', body: JSON.stringify({ target, operation, mode, count }) })
  assert.ok(answer.ok)
}

test('offline in the middle', async () => {
  const context = page.context()
  const network = await context.newCDPSession(page)
  await network.send('Network.enable')
  const limit = (offline, bytes) =>
    network.send('Network.emulateNetworkConditions', { offline, latency: 0, downloadThroughput: -1, uploadThroughput: bytes })
  await limit(false, 400_000)
  // The last of nine parts waits, so that the upload is not over before.
  let cut
  const isOffline = new Promise((resolve) => (cut = resolve))
  await page.route(/partNumber=9\b/, async (route) => {
    await isOffline
    await route.continue()
  })
  const done = upload({ ...good, method: 'multipart', size: 900_000, partSize: 102_400, retries: 1 })
  await page.waitForFunction(() => window.upload?.progress.loaded > 150_000)
  await limit(true, -1)
  cut()
  await page.waitForFunction(() => window.upload.progress.offline)
  // Longer than all tries of an upload that counts them.
  await page.waitForTimeout(1500)
  assert.equal(await page.evaluate(() => window.upload.phase), 'sending')
  await limit(false, -1)
  const { receipt, message } = await done
  assert.equal(message, undefined)
  assert.equal(receipt.size, 900_000)
})

test('the React hook', async () => {
  await page.evaluate(async (props) => {
    const { show } = await import('/react.js')
    show(document.body, props)
  }, good)
  await page.locator('input').setInputFiles({ name: 'r.png', mimeType: 'image/png', buffer: Buffer.from('bytes') })
  await page.locator('output', { hasText: /^done uploads\// }).waitFor()
  assert.deepEqual(logged.filter((l) => l.startsWith('uncaught')), [])
})
