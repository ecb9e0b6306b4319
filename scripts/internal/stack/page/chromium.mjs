// The page of the local stack in Chromium: what it shows of an upload on good and
// bad days, how it looks, and whether it can be used with a keyboard and without
// eyes.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { after, before, beforeEach, describe, test } from 'node:test'
import * as zlib from 'node:zlib'
import { chromium } from 'playwright-core'

const { CHROMIUM, LAX, STRICT, SCREENSHOTS } = process.env
const axe = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')

let browser
let page
let network
let blunders

before(async () => {
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--disable-gpu', '--disable-background-networking', '--disable-component-update', '--no-first-run', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
  })
})
after(() => browser?.close())

async function open(url = LAX, options = {}) {
  await page?.context().close()
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, permissions: ['clipboard-read', 'clipboard-write'], bypassCSP: options.bypassCSP ?? false })
  context.setDefaultTimeout(60_000)
  page = await context.newPage()
  network = await context.newCDPSession(page)
  await network.send('Network.enable')
  blunders = []
  page.on('pageerror', (error) => blunders.push(`uncaught: ${error.stack}`))
  page.on('console', (message) => message.text().includes('Content Security Policy') && blunders.push(message.text()))
  await page.goto(`${url}/`)
  await page.waitForSelector('html[data-ready]')
}

const limit = (bytes, offline = false) =>
  network.send('Network.emulateNetworkConditions', { offline, latency: 0, downloadThroughput: -1, uploadThroughput: bytes || -1 })

// A picture of a circle on a ground, each of another colour.
function picture(n, side = 96) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data])
    const length = Buffer.alloc(4)
    length.writeUInt32BE(data.length)
    const sum = Buffer.alloc(4)
    sum.writeUInt32BE(crc(body))
    return Buffer.concat([length, body, sum])
  }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(side, 0)
  head.writeUInt32BE(side, 4)
  head.set([8, 2, 0, 0, 0], 8)
  const rows = []
  for (let y = 0; y < side; y++) {
    rows.push(0)
    for (let x = 0; x < side; x++) {
      const inside = (x - side / 2) ** 2 + (y - side / 2) ** 2 < (side / 3) ** 2
      rows.push(...(inside ? [250, 190 - n * 5, 70] : [40, (80 + n * 37) % 200, 160]))
    }
  }
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', head), chunk('IDAT', zlib.deflateSync(Buffer.from(rows))), chunk('IEND', Buffer.alloc(0))])
}

// zlib.crc32 is younger than the oldest Node.js that this runs on.
function crc(bytes) {
  if (zlib.crc32) return zlib.crc32(bytes)
  let sum = ~0
  for (const byte of bytes) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0)
  }
  return ~sum >>> 0
}

const png = (n = 0) => ({ name: `picture ${n}.png`, mimeType: 'image/png', buffer: picture(n) })
const film = (size, name = 'film.mp4') => ({ name, mimeType: 'video/mp4', buffer: Buffer.alloc(size, 'film') })
const html = { name: 'page.html', mimeType: 'text/html', buffer: Buffer.from('<title>x') }

async function choose(method, ...files) {
  await page.locator(`input[name=method][value=${method}]`).check({ force: true })
  await page.locator('#files').setInputFiles(files)
}
const card = (name) => page.locator('#upload-list > .card').filter({ has: page.getByRole('heading', { name, exact: true }) }).first()
const text = (name, part) => card(name).locator(part).textContent()
const phase = (name, is) => card(name).and(page.locator(`[data-phase=${is}]`)).waitFor()
const arrived = (name) => card(name).locator('.state', { hasText: 'The event arrived and its signature is right.' }).waitFor()
const fault = async (operation, mode, target = 'oss') => {
  const answer = await fetch(`${LAX}/_local/faults`, { method: 'POST', body: JSON.stringify({ target, operation, mode }) })
  assert.ok(answer.ok)
}

// Sees whatever moves from now on.
const watchShifts = () =>
  page.evaluate(() => {
    window.shifts = []
    new PerformanceObserver((list) => {
      for (const { value, sources } of list.getEntries()) {
        window.shifts.push(`${value.toFixed(5)} ${sources.map((s) => `${s.node?.className || s.node?.nodeName}#${s.node?.id ?? ''} ${JSON.stringify(s.previousRect)} to ${JSON.stringify(s.currentRect)}`).join('; ')}`)
      }
    }).observe({ type: 'layout-shift' })
  })
const shifts = () => page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(() => resolve(window.shifts), 50))))

// Holds what is sent to a URL until it is told to let go: so nothing is over
// before it was looked at, however slow the machine.
async function hold(url) {
  let letGo
  const held = new Promise((resolve) => (letGo = resolve))
  await page.route(url, async (route) => {
    await held
    await route.continue()
  })
  return letGo
}

describe('a card', () => {
  beforeEach(() => open())

  test('says that the browser is offline, and goes on', async () => {
    const sendTheLast = await hold(/partNumber=6\b/)
    await limit(1_500_000)
    await choose('multipart', film(6_000_000))
    await card('film.mp4').locator('.rate', { hasText: '/s' }).waitFor()
    await limit(0, true)
    sendTheLast()
    await card('film.mp4').locator('.state', { hasText: 'Offline. It goes on when the browser is back.' }).waitFor()
    assert.doesNotMatch(await text('film.mp4', '.rate'), /\/s|left/)
    assert.equal(await card('film.mp4').getAttribute('data-phase'), 'sending')
    await page.screenshot({ path: `${SCREENSHOTS}/offline.png`, fullPage: true })
    await limit(0)
    await arrived('film.mp4')
    assert.match(await text('film.mp4', '.trace'), /sent again/)
  })

  test('says that nothing moves', async () => {
    await page.route(/partNumber/, () => {}) // no answer, ever
    await choose('multipart', film(2_000_000))
    await card('film.mp4').locator('.rate', { hasText: /no byte for \d+ s/ }).waitFor()
  })

  test('keeps a trace of a fault that was got over', async () => {
    await fault('UploadPart', '500')
    await choose('multipart', film(3_000_000))
    await arrived('film.mp4')
    assert.equal(await text('film.mp4', '.trace'), '1 sent again: InternalError (500)')
    await card('film.mp4').locator('.requests summary').click()
    const rows = await card('film.mp4').locator('tbody tr').allTextContents()
    assert.ok(rows.some((r) => /^PUTOSS \/.*partNumber=\d500\d+ ms$/.test(r)), rows.join('\n'))
    assert.ok(rows.some((r) => r.startsWith('OSS says InternalError')), rows.join('\n'))
  })

  test('tells of a callback that failed', async () => {
    await fault('*', '500', 'callback')
    await choose('put', png())
    await arrived('picture 0.png')
    assert.equal(await text('picture 0.png', '.trace'), 'the callback failed, /confirm made up for it')
  })

  test('lists its requests, and no signature', async () => {
    await choose('put', png())
    await arrived('picture 0.png')
    await card('picture 0.png').locator('.requests summary').click()
    // Where the callback was too slow for OSS, there is a note of that, and /confirm.
    const late = (await card('picture 0.png').locator('.note').count()) > 0
    const rows = await card('picture 0.png').locator('tbody tr:not(.note)').evaluateAll((all) => all.map((r) => [...r.cells].map((c) => c.textContent)))
    assert.deepEqual(rows.map(([method, route, status]) => [method, route.replace(/\/uploads\/.*/, '/…'), status]), [
      ['POST', '/presign', '200'],
      ['PUT', 'OSS /ossupload-local/…', late ? '203' : '200'],
      ...(late ? [['POST', '/confirm', '200']] : []),
    ])
    assert.ok(rows.every(([, , , ms]) => /^\d+ ms$/.test(ms)))
    assert.doesNotMatch(await page.content(), /x-oss-signature|eyJ|v1\.k1\./)
  })

  test('shows a picture of a picture', async () => {
    await choose('put', png(), film(1000))
    await page.waitForFunction(() => document.querySelector('.thumb img')?.naturalWidth === 96)
    assert.equal(await text('film.mp4', '.thumb'), 'mp4')
  })

  test('downloads what was stored', async () => {
    const file = png()
    await choose('put', file)
    await arrived(file.name)
    const downloading = page.waitForEvent('download')
    await card(file.name).getByRole('button', { name: `Download ${file.name}` }).click()
    const download = await downloading
    assert.equal(download.suggestedFilename(), file.name)
    assert.deepEqual(readFileSync(await download.path()), file.buffer)
  })

  test('copies key, event id and a command that works', async () => {
    await choose('put', png())
    await arrived('picture 0.png')
    await card('picture 0.png').locator('.receipt summary').click()
    const copy = async (what) => {
      await page.getByRole('button', { name: `Copy ${what} of picture 0.png` }).click()
      await page.locator('#say', { hasText: `The ${what} is copied.` }).waitFor({ state: 'attached' })
      return page.evaluate(() => navigator.clipboard.readText())
    }
    const key = await copy('key')
    const id = await copy('event id')
    const command = await copy('curl command')
    assert.match(key, /^uploads\/demo\/.*\.png$/)
    assert.doesNotMatch(command, /eyJ/)
    const receipt = JSON.parse(execFileSync('sh', ['-c', command], { encoding: 'utf8' }))
    assert.deepEqual([receipt.key, receipt.eventId], [key, id])
  })

  for (const width of [1280, 390]) {
    test(`moves nothing while it uploads, at ${width} px`, async () => {
      await page.setViewportSize({ width, height: 1800 }) // what is not in view does not count
      await limit(2_000_000)
      const sendTheFourth = await hold(/partNumber=4\b/)
      await choose('multipart', film(5_000_000), film(4_000_000, 'second.mp4'))
      await phase('film.mp4', 'sending')
      await fault('UploadPart', '500')
      await watchShifts()
      sendTheFourth()
      await arrived('film.mp4')
      await arrived('second.mp4')
      assert.deepEqual(await shifts(), [])
      // And would see it.
      await page.evaluate(() => (document.getElementById('upload-list').style.marginTop = '80px'))
      assert.notDeepEqual(await shifts(), [])
    })
  }
})

describe('what is forbidden', () => {
  beforeEach(() => open(STRICT))

  test('says what is allowed, and is not tried again', async () => {
    await choose('put', html, film(2_000_000, 'big.png'), { ...film(10), mimeType: 'image/gif', name: 'a.gif' })
    for (const [name, allowed] of [
      ['a.gif', 'Allowed: image/png, text/*. A wildcard never covers HTML'],
      ['page.html', 'Allowed: image/png, text/*. A wildcard never covers HTML'],
    ]) {
      await phase(name, 'failed')
      assert.ok((await text(name, '.fault')).includes(allowed), await text(name, '.fault'))
      const buttons = await card(name).getByRole('button').allTextContents()
      assert.deepEqual(buttons, ['Remove'])
    }
    await phase('big.png', 'failed')
    assert.match(await text('big.png', '.fault'), /Allowed: up to 1\.0 MB/)
  })

  test('is told before, and methods that are off cannot be chosen', async () => {
    assert.equal(await page.locator('#policy').textContent(), 'Allowed: image/png, text/*, up to 1.0 MB.')
    assert.ok(await page.locator('input[value=multipart]').isDisabled())
    assert.ok(await page.locator('input[value=form]').isEnabled())
  })

  test('is not the header that a gateway leaves for tokens', async () => {
    await choose('put', png())
    await arrived('picture 0.png')
    const downloading = page.waitForEvent('download')
    await card('picture 0.png').getByRole('button', { name: /^Download/ }).click()
    await downloading
    await card('picture 0.png').locator('.receipt summary').click()
    await page.getByRole('button', { name: 'Copy curl command of picture 0.png' }).click()
    await page.locator('#say', { hasText: 'copied' }).waitFor({ state: 'attached' })
    const command = await page.evaluate(() => navigator.clipboard.readText())
    assert.match(JSON.parse(execFileSync('sh', ['-c', command], { encoding: 'utf8' })).eventId, /./)
  })

  test('what may pass another time is tried again', async () => {
    await open()
    await page.route(/\/presign$/, (route) => route.fulfill({ status: 403, contentType: 'text/html', body: 'no' }))
    await choose('put', png())
    await phase('picture 0.png', 'failed')
    await page.unroute(/\/presign$/)
    await card('picture 0.png').getByRole('button', { name: 'Try again picture 0.png' }).click()
    await arrived('picture 0.png')
  })
})

test('thirty files have totals, and are cleared', async () => {
  await open()
  await choose('put', ...Array.from({ length: 29 }, (_, i) => png(i)))
  await choose('multipart', film(2_000_000))
  await page.locator('#totals-count', { hasText: '30 of 30 done' }).waitFor()
  assert.match(await page.locator('#totals-bytes').textContent(), /^2\.0 MB of 2\.0 MB$/)
  // In the order in which they were chosen, the newest choice first.
  assert.deepEqual((await page.locator('#upload-list h3').allTextContents()).slice(0, 3), ['film.mp4', 'picture 0.png', 'picture 1.png'])
  await page.screenshot({ path: `${SCREENSHOTS}/thirty.png` })
  await page.getByRole('button', { name: 'Clear done' }).click()
  assert.equal(await page.locator('#upload-list > li').count(), 0)
  assert.ok(await page.locator('#uploads').isHidden())
  assert.equal(await page.evaluate(() => document.activeElement.id), 'files')
  assert.deepEqual(blunders, [])
})

// --- looks ----------------------------------------------------------------

// A page with an upload in every state.
async function busy() {
  await choose('put', png(1))
  await arrived('picture 1.png')
  await card('picture 1.png').locator('.requests summary').click()
  await card('picture 1.png').locator('.receipt summary').click()
  await card('picture 1.png').locator('.event summary').click()
  await choose('multipart', { ...html })
  await phase('page.html', 'failed')
  await limit(1_000_000)
  await hold(/partNumber=[89]\b/) // for good: neither film is ever done
  await choose('multipart', film(8_000_000, 'paused.mp4'))
  await card('paused.mp4').locator('.cells .sent').first().waitFor()
  await card('paused.mp4').getByRole('button', { name: /^Pause/ }).click()
  await page.locator('.faults summary').click()
  await fault('UploadPart', '500')
  await choose('multipart', film(9_000_000, 'a film with a name that is rather long, as names of films are.mp4'))
  await page.locator('.trace', { hasText: '1 sent again' }).waitFor()
  await limit(100_000)
}

for (const [state, prepare] of [['idle', () => {}], ['busy', busy]]) {
  describe(`${state}, it`, () => {
    before(async () => {
      await open(LAX, { bypassCSP: true }) // for axe
      await prepare()
      await page.addScriptTag({ content: axe })
    })
    for (const width of [1280, 390]) {
      for (const colorScheme of ['light', 'dark']) {
        test(`can be read by all, at ${width} px and ${colorScheme}`, async () => {
          await page.setViewportSize({ width, height: 844 })
          await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
          await page.waitForTimeout(250) // colours fade
          await page.screenshot({ path: `${SCREENSHOTS}/${state}-${width}-${colorScheme}.png`, fullPage: true })
          assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, 'it is too wide')
          const { violations, passes } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations', 'passes'] }))
          assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.html.slice(0, 100)} ${n.any.map((a) => a.message).join('; ')}`).join(' | ')}`), [])
          assert.ok(passes.some((p) => p.id === 'color-contrast' && p.nodes.length > 5), 'no contrast was measured')
        })
      }
    }
  })
}

test('the keyboard reaches everything in the order of the page, and shows where it is', async () => {
  await open()
  await choose('put', png(1))
  await arrived('picture 1.png')
  await page.evaluate(() => {
    // From the top: what was used last is forgotten.
    document.body.tabIndex = -1
    document.body.focus()
    document.body.removeAttribute('tabindex')
  })
  const seen = []
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press('Tab')
    const at = await page.evaluate(() => {
      const it = document.activeElement
      if (it === document.body) return undefined
      // A control that is not seen itself shows its focus on its label.
      const shown = it.matches('input.unseen') ? it.nextElementSibling : it.matches('.segments input') ? it.nextElementSibling : it
      const { outlineStyle, outlineWidth } = getComputedStyle(shown)
      const box = shown.getBoundingClientRect()
      return { name: it.getAttribute('aria-label') || it.labels?.[0]?.textContent || it.textContent.trim() || it.id, outline: outlineStyle !== 'none' ? parseFloat(outlineWidth) : 0, top: box.top + scrollY, wide: box.width * box.height }
    })
    if (!at) break
    seen.push(at)
  }
  const names = seen.map((s) => s.name)
  for (const s of seen) {
    assert.ok(s.outline >= 2, `the focus of ${s.name} is not seen`)
    assert.ok(s.wide > 0, `${s.name} is nowhere`)
  }
  seen.reduce((before, s) => {
    assert.ok(s.top >= before.top - 40, `${s.name} is above ${before.name}, and after it`)
    return s
  })
  // Three with /confirm, where the callback was too slow for OSS.
  const requests = names.find((name) => /^Requests [23] of picture 1\.png$/.test(name)) ?? 'Requests 2 of picture 1.png'
  for (const name of ['Choose files', 'PUT', 'Make something fail', 'Download picture 1.png', 'Remove picture 1.png', requests, 'Receipt of picture 1.png', 'Event, as your backend gets it of picture 1.png']) {
    assert.ok(names.includes(name), `${name} is not reached: ${names.join(', ')}`)
  }
  // And works there.
  await card('picture 1.png').locator('.receipt summary').focus()
  await page.keyboard.press('Enter')
  await card('picture 1.png').locator('dl').waitFor()
  await card('picture 1.png').getByRole('button', { name: /^Remove/ }).focus()
  await page.keyboard.press('Enter')
  assert.equal(await page.evaluate(() => document.activeElement.id), 'files')
})
