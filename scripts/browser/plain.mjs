// Uppy itself, on a page of its own.

import assert from 'node:assert/strict'
import { open, requests, storedParts, throttle } from './browser.mjs'

let page

async function begin({ url, uppy, file, parts, options, speed = 0 }) {
  page = await open(`${url}/plain.html?uppy=${uppy}`)
  await page.locator('#file').setInputFiles(file)
  await throttle(speed)
  await page.evaluate((all) => window.begin(all), { ...options, parts })
}

const settled = () => page.waitForFunction(() => window.uploaded.length + window.failed.length > 0)

// What Uppy told the application, and what it asked for on the way.
async function outcome() {
  await settled()
  const { uploaded, failed } = await page.evaluate(() => ({ uploaded: window.uploaded, failed: window.failed }))
  const asked = requests.filter((r) => r.path.includes('/s3/')).map((r) => `${r.method} ${r.path.replace(/.*\/s3\//, '').replace(/v1\.[^/]+/, '{uploadId}')}`)
  return { uploaded, failed, asked, parts: storedParts() }
}

// Half-way: a part is stored, or some bytes of a file without parts are sent.
const halfWay = (parts) =>
  parts
    ? page.waitForFunction(() => window.partsStored > 0)
    : page.waitForFunction(() => window.uppy.getFiles()[0].progress.bytesUploaded > 0)

/** An upload from beginning to end. */
export async function uppyUpload(args) {
  await begin(args)
  return outcome()
}

/** One that is paused half-way and resumed. */
export async function uppyPause(args) {
  await begin(args)
  await halfWay(args.parts)
  await page.evaluate(() => window.uppy.pauseAll())
  const before = await page.evaluate(() => window.uppy.getFiles()[0].progress.bytesUploaded)
  assert.ok(before < (await page.evaluate(() => window.uppy.getFiles()[0].size)), `paused at ${before}`)
  await throttle(0)
  await page.evaluate(() => window.uppy.resumeAll())
  return outcome()
}

/** One that is given up half-way. */
export async function uppyAbort(args) {
  await begin(args)
  await halfWay(args.parts)
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
