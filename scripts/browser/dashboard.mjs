// Uppy with Dashboard and the code of UPPY.md, used as a person uses it.

import assert from 'node:assert/strict'
import { intercept, lastRequests, open, release, requests, storedParts, throttle } from './browser.mjs'

let page

export async function dashboardOpen({ url, uppy, functions, token }) {
  const query = new URLSearchParams({ uppy, functions, token })
  page = await open(`${url}/dashboard.html?${query}`, { fresh: true, clock: true })
}

const tile = (name) => page.locator('.uppy-Dashboard-Item').filter({ has: page.getByTitle(name, { exact: true }) })

/** Chooses files beside those that are there. */
export async function dashboardChoose({ files }) {
  const more = page.locator('.uppy-DashboardContent-addMore')
  if (await more.isVisible()) await more.click()
  await page.locator('input.uppy-Dashboard-input:not([webkitdirectory])').last().setInputFiles(files)
}

/** Presses Upload. */
export const dashboardPress = () => page.locator('.uppy-StatusBar-actionBtn--upload').click()

/** Waits until a request of the page was answered. */
export async function dashboardUntil({ method, path, part }) {
  const asked = new RegExp(path)
  const answered = (r) => r.method === method && asked.test(r.path) && (!part || r.part) && r.status === 200
  while (!requests.some(answered)) await page.waitForTimeout(20)
}

/** What stands before a path that the page has asked for. */
export const dashboardBase = async ({ path }) => requests.find((r) => r.path.endsWith(path)).path.slice(0, -path.length)

// What the tiles say, by file name: nothing while they are under way.
const tiles = async () =>
  Object.fromEntries(
    await page.locator('.uppy-Dashboard-Item').evaluateAll((all) =>
      all.map((e) => [
        e.querySelector('.uppy-Dashboard-Item-name').title,
        e.matches('.is-complete') ? 'complete' : e.matches('.is-error') ? 'failed' : '',
      ]),
    ),
  )

/** Waits until every tile says how it ended, and tells what each says, by file name. */
export async function dashboardSettled() {
  for (;;) {
    const said = await tiles()
    const states = Object.values(said)
    if (states.length && states.every(Boolean)) return said
    await page.clock.fastForward(500) // of the nine seconds that Uppy 5 waits between its tries
    await page.waitForTimeout(20)
  }
}

/** Presses the Retry that is for all, or if there is none that of each of the tiles. */
export async function dashboardRetry({ names }) {
  const retry = (where) => where.getByRole('button', { name: 'Retry upload' })
  const all = retry(page.locator('.uppy-StatusBar'))
  const buttons = names.length > 1 && (await all.isVisible()) ? [all] : names.map((name) => retry(tile(name)))
  for (const button of buttons) assert.deepEqual(await button.evaluate(press), [], 'complete before anything was asked')
}

// Presses a button, and tells which tiles that had failed are complete as soon as
// the page is drawn anew.
async function press(button) {
  const failed = [...document.querySelectorAll('.uppy-Dashboard-Item.is-error')].map(({ id }) => id)
  button.click()
  for (let i = 0; i < 50; i++) await undefined // whatever Uppy does next, before any answer
  return failed.filter((id) => document.getElementById(id).matches('.is-complete'))
}

/** Removes a tile. */
export const dashboardRemove = ({ name }) => tile(name).locator('.uppy-Dashboard-Item-action--remove').click()

/** Lets half an hour pass, at whose end the page asks for a new session. */
export async function dashboardHalfHour() {
  const asked = () => requests.filter((r) => r.method === 'POST' && r.path.endsWith('/session')).length
  const before = asked()
  await page.clock.fastForward(30 * 60_000)
  while (asked() === before) await page.waitForTimeout(20)
}

/** Logs another caller in. */
export const dashboardToken = ({ token }) => page.evaluate((t) => void (window.token = t), token)

/** What the application was told of. */
export const dashboardUploads = () => page.evaluate(() => window.uploads)

/** Opens the page anew, once Golden Retriever has kept what it goes on with. */
export async function dashboardReload() {
  while (!(await page.evaluate(kept))) await page.waitForTimeout(20)
  await page.reload()
  await page.waitForSelector('html[data-ready]')
  await page.locator('.uppy-Dashboard-serviceMsg').waitFor()
}

// Whether each of the tiles is of a file that is kept: with its content, or with
// the multipart upload that was begun. Uppy keeps what it knows of files every
// half second, version 5 in localStorage and version 6 beside the contents.
async function kept() {
  const done = (request) =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error)
    })
  const db = await done(indexedDB.open('uppy-blobs'))
  const all = async (store) => (db.objectStoreNames.contains(store) ? done(db.transaction(store).objectStore(store).getAll()) : [])
  try {
    const contents = (await all('files')).map(({ fileID }) => fileID)
    const [record] = await all('metadata')
    const state = record ? JSON.parse(record.metadata) : JSON.parse(localStorage.getItem('uppyState:uppy'))?.metadata
    const known = Object.values(state?.files ?? {}).filter(({ id, s3Multipart }) => s3Multipart?.uploadId || contents.includes(id))
    return known.length === document.querySelectorAll('.uppy-Dashboard-Item').length
  } finally {
    db.close()
  }
}

/** Keeps answers from the page. */
export const dashboardIntercept = ({ answers }) => intercept(answers)

/** Ends that, holds nothing and limits nothing, and tells how many of the answers never came. */
export async function dashboardCalm() {
  await throttle(0)
  await release()
  return intercept([])
}

/** What explains a day that ended otherwise. */
export const dashboardState = async () => ({ tiles: await tiles(), requests: lastRequests() })

export const dashboardParts = async () => storedParts()
