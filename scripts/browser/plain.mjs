// Uppy itself, on a page of its own.

import assert from 'node:assert/strict'
import { crawl, hold, open, release, requests, storedParts, throttle } from './browser.mjs'

let page

async function load({ url, uppy, file }) {
  page = await open(`${url}/plain.html?uppy=${uppy}`)
  await page.locator('#file').setInputFiles(file)
}

const begin = ({ parts, options }) => page.evaluate((all) => window.begin(all), { ...options, parts })

const settled = () => page.waitForFunction(() => window.uploaded.length + window.failed.length > 0)

// What Uppy told the application, and what it asked for on the way.
async function outcome() {
  await settled()
  const { uploaded, failed } = await page.evaluate(() => ({ uploaded: window.uploaded, failed: window.failed }))
  const asked = requests.filter((r) => r.path.includes('/s3/')).map((r) => `${r.method} ${r.path.replace(/.*\/s3\//, '').replace(/v1\.[^/]+/, '{uploadId}')}`)
  return { uploaded, failed, asked, parts: storedParts() }
}

// Begins and goes half-way: a part is stored and the others are not sent, or some
// bytes of a file without parts are.
async function beginHalfWay(args) {
  await load(args)
  if (args.parts) {
    await hold({ method: 'PUT', url: '[?&]partNumber=[^1]' })
    await begin(args)
    await page.waitForFunction(() => window.partsStored > 0)
  } else {
    await crawl()
    await begin(args)
    await page.waitForFunction(() => window.uppy.getFiles()[0].progress.bytesUploaded > 0)
  }
}

/** An upload from beginning to end. */
export async function uppyUpload(args) {
  await load(args)
  await begin(args)
  return outcome()
}

/** One that is paused half-way and resumed. */
export async function uppyPause(args) {
  await beginHalfWay(args)
  await page.evaluate(() => window.uppy.pauseAll())
  const before = await page.evaluate(() => window.uppy.getFiles()[0].progress.bytesUploaded)
  assert.ok(before < (await page.evaluate(() => window.uppy.getFiles()[0].size)), `paused at ${before}`)
  await throttle(0)
  await release()
  await page.evaluate(() => window.uppy.resumeAll())
  return outcome()
}

/** One that is given up half-way. */
export async function uppyAbort(args) {
  await beginHalfWay(args)
  const key = await page.evaluate(() => window.uppy.getFiles()[0].s3Multipart.key)
  const answer = page.waitForResponse((r) => r.request().method() === 'DELETE')
  await page.evaluate(() => window.uppy.cancelAll())
  return { key, status: (await answer).status() }
}

/** Tries again what has failed; options are those of a new plugin. */
export async function uppyRetry({ options }) {
  requests.length = 0
  await page.evaluate((renewed) => {
    window.uploaded = []
    window.failed = []
    if (renewed) window.reuse(renewed)
    window.uppy.retryUpload(window.id)
  }, options)
  return outcome()
}
