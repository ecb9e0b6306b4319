/**
 * Uploads files from a browser straight to OSS, by way of the routes of
 * ossupload: ES modules, without dependencies.
 *
 *   import { upload } from 'ossupload'
 *   const receipt = await upload(file, { endpoint, getToken })
 *
 * What it promises: a receipt means that the object is stored, that its bytes
 * are this file's (CRC-64 of what was read here), and that the application was
 * told. What it refuses: to take 203 for success, to send bytes again before
 * asking whether they arrived, to mix two versions of a file in one object, and
 * to write a token or a URL to the console.
 *
 * ossupload.d.ts documents every option.
 */

import { Upload } from './upload.js'

export { combineCRC64, crc64 } from './crc64.js'
export { UploadError } from './errors.js'
export { interrupted } from './kept.js'
export { fillTemplate, planParts } from './parts.js'
export { backoff } from './requests.js'
export { Upload } from './upload.js'

/** Uploads a file and resolves with the receipt. */
export function upload(file, options) {
  return new Upload(file, options).start()
}

/**
 * Uploads many files, some at a time. Each has an outcome of its own, in the
 * order of the files: {file, upload, receipt} or {file, upload, error}.
 */
export async function uploadAll(files, { concurrency = 3, onProgress, optionsOf, ...options } = {}) {
  const all = Array.from(files, (file, index) => {
    const upload = new Upload(file, { ...options, ...optionsOf?.(file, index), onProgress: (progress) => heard(entry, progress) })
    const entry = { file, upload, rests: undefined }
    return entry
  })
  function heard({ file, upload, rests }, progress) {
    // One that is paused leaves its turn to others.
    if (progress.phase === 'paused') rests?.()
    onProgress?.(progress, file, upload)
  }
  const next = all.values()
  const worker = async () => {
    for (const entry of next) {
      const paused = new Promise((resolve) => (entry.rests = resolve))
      await Promise.race([entry.upload.start().catch(() => {}), paused])
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, concurrency) }, worker))
  return Promise.all(
    all.map(async ({ file, upload }) => {
      try {
        return { file, upload, receipt: await upload.done }
      } catch (error) {
        return { file, upload, error }
      }
    }),
  )
}
