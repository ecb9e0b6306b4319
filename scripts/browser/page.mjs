// The page of the local stack, used as a person uses it.

import assert from 'node:assert/strict'
import { closePage, crawl, hold, open, release, shoot, storedParts, throttle } from './browser.mjs'

let page
let gateway

export async function openPage({ url, fresh }) {
  gateway = url
  page = await open(`${url}/`, { fresh })
}

const card = (name) => page.locator('#upload-list > .card').filter({ has: page.getByRole('heading', { name, exact: true }) }).first()

async function choose(method, ...files) {
  await page.locator(`input[name=method][value=${method}]`).check({ force: true })
  await page.locator('#files').setInputFiles(files)
}

const phase = (of, ...phases) => of.and(page.locator(phases.map((p) => `[data-phase=${p}]`).join(','))).waitFor()

// More of the file is sent than this share.
const underWay = (of, share) =>
  of.locator('progress').evaluate(
    (progress, least) =>
      new Promise((resolve) => {
        const look = () => (progress.value > least ? resolve() : requestAnimationFrame(look))
        look()
      }),
    share,
  )

// Holds the last of twelve parts: an upload of as many does not end.
const holdLast = () => hold({ method: 'PUT', url: '[?&]partNumber=([89]|\\d\\d)\\b' })

/** Uploads a file with a pause when some of it is sent, and reads the receipt off the page. */
export async function pageUpload({ method, file, name }) {
  await crawl()
  await choose(method, file)
  const it = card(name)
  await underWay(it, 0)
  await it.getByRole('button', { name: `Pause ${name}` }).click()
  assert.equal(await it.getAttribute('data-phase'), 'paused')
  assert.equal(await it.locator('.state').textContent(), 'Paused')
  const at = await it.locator('progress').evaluate((p) => p.value)
  assert.ok(at < 1, `paused at ${at}`)
  await throttle(0)
  await it.getByRole('button', { name: `Resume ${name}` }).click()
  return receipt(it)
}

async function receipt(it) {
  await phase(it, 'done', 'failed')
  if ((await it.getAttribute('data-phase')) === 'failed') throw new Error(await it.locator('.fault').textContent())
  await it.locator('.state', { hasText: 'The event arrived and its signature is right.' }).waitFor()
  assert.equal(await it.locator('.steps .done').count(), 4)
  await it.locator('.receipt summary').click()
  const rows = await it.locator('.receipt dl').evaluate((list) => {
    const text = (tag) => [...list.querySelectorAll(tag)].map((e) => e.innerText)
    const definitions = text('dd')
    return Object.fromEntries(text('dt').map((term, i) => [term, definitions[i]]))
  })
  const event = JSON.parse(await it.locator('.event pre').textContent())
  await it.getByRole('button', { name: /^Remove/ }).click()
  return { object: rows.Object, eventId: rows['Event id'], event, parts: storedParts() }
}

/** Uploads a file in vain. */
export async function pageFail({ method, file, name }) {
  await choose(method, file)
  await phase(card(name), 'failed')
  return card(name).locator('.fault').textContent()
}

/** Tries again what has failed. */
export async function pageTryAgain({ name }) {
  await card(name).locator('[data-do=resume]', { hasText: 'Try again' }).click()
  return receipt(card(name))
}

/** Closes the page when some parts are stored, some under way, and some not yet sent. */
export async function pageLeave({ file, name, speed }) {
  await holdLast()
  await throttle(speed)
  await choose('multipart', file)
  await card(name).locator('.cells .sent').nth(2).waitFor()
  await closePage()
  return storedParts()
}

/** Opens it again and goes on with what is listed as interrupted. */
export async function pageReturn({ file, name }) {
  page = await open(`${gateway}/`)
  const left = page.locator('#interrupted-list .card', { has: page.getByRole('heading', { name, exact: true }) })
  const chooser = page.waitForEvent('filechooser')
  await left.getByRole('button', { name: `Choose it again: ${name}` }).click()
  await (await chooser).setFiles([file])
  const result = await receipt(card(name))
  assert.equal(await page.locator('#interrupted').isVisible(), false)
  return result
}

/** Discards what is listed as interrupted. */
export async function pageDiscard({ name }) {
  page = await open(`${gateway}/`)
  const gone = page.waitForResponse((r) => r.request().method() === 'DELETE')
  await page.getByRole('button', { name: `Discard: ${name}` }).click()
  await page.locator('#interrupted').waitFor({ state: 'hidden' })
  return (await gone).status()
}

/** Takes pictures of the page with nothing on it, and with an upload of each kind. */
export async function pagePictures({ url, left, done, large, film, refused }) {
  await openPage({ url, fresh: true })
  await pictures('idle')

  await pageLeave({ file: left.path, name: left.name, speed: 4_000_000 })
  await openPage({ url })
  await choose('uppy', large.path)
  await phase(card(large.name), 'done')
  await choose('multipart', refused.path)
  await phase(card(refused.name), 'failed')
  await choose('put', done.path)
  const uploaded = card(done.name)
  await uploaded.locator('.event').waitFor()
  await uploaded.locator('.receipt summary').click()
  await uploaded.locator('.event summary').click()
  await throttle(2_000_000)
  await holdLast()
  await choose('multipart', large.path)
  const paused = card(large.name)
  await underWay(paused, 0.15)
  await paused.getByRole('button', { name: /^Pause/ }).click()
  await release()
  await page.locator('.faults summary').click()
  await page.getByRole('button', { name: 'A part is answered 500' }).click()
  await page.locator('#fault-said', { hasText: 'next time' }).waitFor()
  await choose('multipart', film.path)
  await card(film.name).locator('.figures', { hasText: '1 sent again' }).waitFor()
  await throttle(300_000)
  await pictures('busy')
}

// As wide as a laptop and as a telephone, by day and by night.
async function pictures(name) {
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 844 })
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    assert.ok(overflow <= 0, `${name} at ${width} px is ${overflow} px too wide`)
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme })
      await shoot({ name: `${name}-${width}-${colorScheme}` })
    }
  }
}
