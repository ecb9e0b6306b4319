// What is kept of multipart uploads, so that they outlive the page.

import { parse } from './errors.js'

const STORAGE_PREFIX = 'ossupload:'

/** Under what an upload of a file is kept. */
export const storageKey = ({ complete }, { name, size, lastModified }) => STORAGE_PREFIX + JSON.stringify([complete, name, size, lastModified])

export function defaultStorage() {
  try {
    return localStorage
  } catch {
    return undefined // the browser keeps nothing for this page
  }
}

/** One address for all routes, or one for each function. */
export function addresses(endpoint) {
  const trim = (address) => String(address ?? '').replace(/\/+$/, '')
  const { presign = endpoint, complete = endpoint } = Object(endpoint)
  return { presign: trim(presign), complete: trim(complete) }
}

/** Uploads to `endpoint` that were interrupted: [{name, size, lastModified}]. */
export function interrupted(endpoint, storage = defaultStorage()) {
  const found = []
  for (let i = storage?.length ?? 0; i--; ) {
    const key = storage.key(i)
    if (!key.startsWith(STORAGE_PREFIX)) continue
    const [from, name, size, lastModified] = parse(key.slice(STORAGE_PREFIX.length)) ?? []
    if (from !== addresses(endpoint).complete) continue
    if (Date.parse(parse(storage.getItem(key))?.expiresAt) > Date.now()) found.push({ name, size, lastModified })
    else storage.removeItem(key)
  }
  return found
}
