/**
 * Uploads files from a browser straight to OSS, by way of the routes of
 * ossupload: one ES module, without dependencies.
 *
 *   import { upload } from './ossupload.js'
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

const MiB = 1 << 20
const PUT_CHECKSUM_MAX = 16 * MiB // up to here the CRC-64 is known before the bytes are sent
const READ_SIZE = MiB // read at once, so that the page stays responsive
const BATCH = 100 // part URLs asked for at once
const URL_LIFE = 10 * 60_000 // ms; part URLs live 15 minutes
const STALL = 60_000 // ms without a byte or an answer
const STORAGE_PREFIX = 'ossupload:'

// An upload that was begun earlier and ended in one of these is begun anew.
const BEGIN_ANEW = ['upload_gone', 'aborted', 'invalid_token', 'checksum_mismatch']

/** What went wrong; callers branch on `code`. */
export class UploadError extends Error {
  constructor(code, message, { status = 0, requestId, details, cause } = {}) {
    super(message, cause && { cause })
    this.name = 'UploadError'
    Object.assign(this, { code, status, requestId, details })
  }
}

const cancelled = () => new UploadError('cancelled', 'The upload was cancelled.')

// --- pure parts -----------------------------------------------------------

// CRC-64/XZ, which OSS keeps of every object. JavaScript has no fast 64-bit
// integers, so that the table and the loop work on halves of 32 bits.
const POLYNOMIAL = 0xc96c5795d7870f42n // bit-reversed
const HIGH = new Uint32Array(256)
const LOW = new Uint32Array(256)
for (let i = 0; i < 256; i++) {
  let crc = BigInt(i)
  for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ POLYNOMIAL : crc >> 1n
  HIGH[i] = Number(crc >> 32n)
  LOW[i] = Number(crc & 0xffffffffn)
}

/** CRC-64/XZ of bytes, as a BigInt; `crc` is that of the bytes before them. */
export function crc64(bytes, crc = 0n) {
  let high = ~Number(crc >> 32n)
  let low = ~Number(crc & 0xffffffffn)
  for (let i = 0; i < bytes.length; i++) {
    const index = (low ^ bytes[i]) & 255
    low = ((low >>> 8) | (high << 24)) ^ LOW[index]
    high = (high >>> 8) ^ HIGH[index]
  }
  return (BigInt(~high >>> 0) << 32n) | BigInt(~low >>> 0)
}

// The product of two polynomials modulo POLYNOMIAL, bit-reversed: 1 is the top
// bit.
function multiply(a, b) {
  let product = 0n
  for (let bit = 1n << 63n; bit; bit >>= 1n) {
    if (a & bit) product ^= b
    b = b & 1n ? (b >> 1n) ^ POLYNOMIAL : b >> 1n
  }
  return product
}

/** The CRC of pieces joined, each [crc, length]. */
export function combineCRC64(pieces) {
  let whole = 0n
  let known // the length that shift is for; most pieces are of one length
  let shift
  for (const [crc, length] of pieces) {
    if (length !== known) {
      // Each byte that follows multiplies the CRC of what precedes it by x^8.
      shift = 1n << 63n
      let power = 1n << 55n
      for (let n = BigInt(length); n; n >>= 1n) {
        if (n & 1n) shift = multiply(shift, power)
        power = multiply(power, power)
      }
      known = length
    }
    whole = multiply(shift, whole) ^ crc
  }
  return whole
}

/** The parts of a file: [{number, start, end}]. An empty file is one part. */
export function planParts(size, partSize) {
  const parts = []
  for (let start = 0; start < size || !parts.length; start += partSize) {
    parts.push({ number: parts.length + 1, start, end: Math.min(start + partSize, size) })
  }
  return parts
}

/** The URL of a part. */
export function fillTemplate(template, partNumber, signature) {
  return template.replace('{partNumber}', partNumber).replace('{signature}', signature)
}

/** Milliseconds to wait after failure 0, 1, 2, …: doubling, half of it chance. */
export function backoff(attempt, random = Math.random) {
  return Math.min(30_000, 500 * 2 ** attempt) * (0.5 + random() / 2)
}

// --- requests -------------------------------------------------------------

// Resolves when begin calls resolve and rejects when signal does. What begin
// returns undoes it.
async function until(signal, begin) {
  let stop, undo
  try {
    return await new Promise((resolve, reject) => {
      stop = () => reject(cancelled())
      signal?.addEventListener('abort', stop)
      if (signal?.aborted) stop()
      else undo = begin(resolve)
    })
  } finally {
    signal?.removeEventListener('abort', stop)
    undo?.()
  }
}

// One request. Status 0 means that no answer came: the request may have been
// carried out all the same. It rejects only when signal does.
const send = (method, url, { headers = {}, body, onLoaded, signal }) =>
  until(signal, (resolve) => {
    const xhr = new XMLHttpRequest()
    let watchdog
    // A slow upload may take as long as it takes, while it moves.
    const moved = () => {
      clearTimeout(watchdog)
      watchdog = setTimeout(() => xhr.abort(), STALL)
    }
    xhr.onloadend = () => {
      const { status, responseText } = xhr
      resolve({ status, text: responseText, retryAfter: () => xhr.getResponseHeader('Retry-After') })
    }
    if (onLoaded) {
      xhr.upload.onprogress = (event) => {
        moved()
        onLoaded(event.loaded)
      }
    }
    xhr.open(method, url)
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value)
    moved()
    xhr.send(body)
    return () => {
      clearTimeout(watchdog)
      if (xhr.readyState < 4) xhr.abort()
    }
  })

// Waits, and then until the browser is online.
async function wait(ms, signal) {
  await until(signal, (resolve) => {
    const timer = setTimeout(resolve, ms)
    return () => clearTimeout(timer)
  })
  if (navigator.onLine === false) {
    await until(signal, (resolve) => addEventListener('online', resolve, { once: true }))
  }
}

function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const passing = (status) => !status || [408, 429].includes(status) || status >= 500

// The functions answer {code, message, …}, and OSS
// <Error><Code>AccessDenied</Code><Message>…</Message><RequestId>…</RequestId>…
function failure({ status, text }) {
  if (!status) return new UploadError('network', 'The connection failed.')
  const json = parse(text)
  if (json?.code) return new UploadError(json.code, json.message, { ...json, status })
  const element = (name) => new RegExp(`<${name}>(\\w+)`).exec(text)?.[1]
  const code = element('Code')
  return new UploadError(code ? 'storage_refused' : 'bad_answer', `The upload was refused (${code ?? status}).`, {
    status,
    requestId: element('RequestId'),
    details: { code },
  })
}

// Reads all of a piece of the file for its CRC-64.
async function checksum(blob, signal) {
  let crc = 0n
  for (let start = 0; start < blob.size; start += READ_SIZE) {
    if (signal.aborted) throw cancelled()
    let bytes
    try {
      bytes = new Uint8Array(await blob.slice(start, start + READ_SIZE).arrayBuffer())
    } catch (cause) {
      throw new UploadError('file_changed', 'The file was changed or removed after it was chosen.', { cause })
    }
    crc = crc64(bytes, crc)
  }
  return crc
}

// Runs work with a signal that ends when it does: what is still under way when
// one of several fails is stopped.
async function together(signal, work) {
  const own = new AbortController()
  try {
    return await Promise.all(work(AbortSignal.any([signal, own.signal])))
  } finally {
    own.abort()
  }
}

// --- storage --------------------------------------------------------------

function defaultStorage() {
  try {
    return localStorage
  } catch {
    return undefined // the browser keeps nothing for this page
  }
}

const trim = (endpoint = '') => endpoint.replace(/\/+$/, '')

/** Uploads to `endpoint` that were interrupted: [{name, size, lastModified}]. */
export function interrupted(endpoint, storage = defaultStorage()) {
  const found = []
  for (let i = storage?.length ?? 0; i--; ) {
    const key = storage.key(i)
    if (!key.startsWith(STORAGE_PREFIX)) continue
    const [from, name, size, lastModified] = parse(key.slice(STORAGE_PREFIX.length)) ?? []
    if (from !== trim(endpoint)) continue
    if (Date.parse(parse(storage.getItem(key))?.expiresAt) > Date.now()) found.push({ name, size, lastModified })
    else storage.removeItem(key)
  }
  return found
}

// --- uploads --------------------------------------------------------------

/** One upload, which can be paused, resumed and cancelled. */
export class Upload {
  #file
  #options
  #endpoint
  #storage
  #settle // functions that settle done
  #abort // of the run that is under way
  #token // promise of the caller's token
  #grant // what /presign answered
  #unsure = false // whether the bytes may be stored although no answer came
  #stored // upload token of an object that is stored and only has to be confirmed
  #multipart // {uploadId, partSize, expiresAt, wish}: what storage keeps
  #parts // [{number, start, end, sent, crc, loaded}]
  #fresh // whether the multipart upload was begun by this run

  constructor(file, options = {}) {
    const { endpoint, signal, storage = defaultStorage(), ...rest } = options
    this.#file = file
    this.#endpoint = trim(endpoint)
    // A Blob that is no File has no name to be found again by.
    if (file.lastModified) this.#storage = storage
    this.#options = {
      method: 'auto',
      multipartFrom: 16 * MiB,
      parallel: 4,
      retries: 6,
      filename: file.name || 'file',
      ...rest,
      // Browsers add parameters to some types: text/plain;charset=utf-8.
      contentType: (rest.contentType ?? file.type)?.split(';')[0] || undefined,
    }
    this.phase = 'ready'
    this.progress = { phase: 'ready', loaded: 0, total: file.size, part: 0, parts: 0, partLoaded: 0, retries: 0 }
    this.#promise()
    if (signal?.aborted) this.cancel()
    else signal?.addEventListener('abort', () => this.cancel(), { once: true })
  }

  /** Begins, or goes on after pause or failure. Returns `done`. */
  start() {
    if (this.#abort || ['done', 'cancelled'].includes(this.phase)) return this.done
    if (this.phase === 'failed') this.#promise()
    this.#token = undefined
    const abort = (this.#abort = new AbortController())
    const end = (phase, value) => {
      if (this.#abort !== abort) return // paused or cancelled meanwhile
      this.#stop()
      this.#report(phase)
      this.#settle[phase](value)
    }
    this.#report('preparing')
    this.#run(abort.signal).then(
      (receipt) => end('done', receipt),
      (cause) => end('failed', cause instanceof UploadError ? cause : new UploadError('unexpected', cause?.message, { cause })),
    )
    return this.done
  }

  resume() {
    return this.start()
  }

  /** Stops sending. What is stored stays, and resume goes on from there. */
  pause() {
    if (!this.#abort) return
    this.#stop()
    this.#report('paused')
  }

  /** Ends the upload for good and has its parts deleted. It never rejects. */
  async cancel() {
    if (this.phase === 'done' || this.phase === 'cancelled') return
    this.#stop()
    this.#report('cancelled')
    this.#settle.failed(cancelled())
    try {
      this.#multipart ??= await this.#load()
      if (this.#multipart) await this.#part(undefined, 'DELETE')
    } catch {
      // The bucket's lifecycle rule deletes what is left.
    }
    await this.#forget()
  }

  #stop() {
    const abort = this.#abort
    this.#abort = undefined
    abort?.abort()
  }

  #promise() {
    this.done = new Promise((done, failed) => {
      this.#settle = { done, failed }
    })
    this.done.catch(() => {}) // whoever looks at phase alone need not await it
  }

  #report(phase, change) {
    this.phase = phase
    const progress = (this.progress = { ...this.progress, part: 0, partLoaded: 0, ...change, phase })
    const { onProgress } = this.#options
    // What a listener throws is its own, and reported as such.
    if (onProgress) queueMicrotask(() => onProgress(progress))
  }

  #run(signal) {
    const { method, multipartFrom } = this.#options
    if (this.#stored) return this.#confirm(signal)
    if (method === 'multipart' || (method === 'auto' && this.#file.size >= multipartFrom)) return this.#inParts(signal)
    return this.#inOne(method === 'form' ? 'form' : 'put', signal)
  }

  // --- calls of the functions

  #bearer(refused) {
    const { getToken } = this.#options
    // Several requests at once share one question.
    if (!this.#token || refused) this.#token = (async () => getToken?.(refused))()
    return this.#token
  }

  async #api(signal, method, path, body, retries = this.#options.retries) {
    for (let attempt = 0, renewed = false; ; ) {
      const token = await this.#bearer()
      const headers = {}
      if (token) headers.Authorization = `Bearer ${token}`
      if (body) headers['Content-Type'] = 'application/json'
      const answer = await send(method, this.#endpoint + path, { headers, body: body && JSON.stringify(body), signal })
      const { status } = answer
      const json = parse(answer.text)
      if (status >= 200 && status < 300 && json) return json
      if (status === 401 && token && !renewed) {
        renewed = true
        // Of several requests that were refused, the first asks.
        if ((await this.#bearer()) === token) await this.#bearer(token)
        continue
      }
      const error = failure(answer)
      // A role that is denied is denied next time too.
      const again = status < 300 || (passing(status) && error.code !== 'storage_denied')
      if (!again || attempt >= retries) throw error
      await this.#again(attempt++, signal, answer.retryAfter() * 1000)
    }
  }

  #again(attempt, signal, least) {
    this.#report(this.phase, { retries: this.progress.retries + 1 })
    return wait(Math.max(least || 0, backoff(attempt)), signal)
  }

  #wish() {
    const { filename, metadata, vars } = this.#options
    return { filename, size: this.#file.size, metadata, vars }
  }

  // Asks until the application was told: the object is stored, and giving up
  // early helps nobody.
  #confirm(signal) {
    this.#report('confirming', { loaded: this.#file.size })
    return this.#api(signal, 'POST', '/confirm', { uploadToken: this.#stored }, this.#options.retries + 4)
  }

  #hold(receipt, crc) {
    const expected = String(crc)
    if (receipt.crc64 && receipt.crc64 !== expected) {
      throw new UploadError('checksum_mismatch', 'The stored bytes are not those of the file.', {
        details: { expected, actual: receipt.crc64 },
      })
    }
    return receipt
  }

  // --- PUT and form: one request to the storage

  async #inOne(as, signal) {
    const file = this.#file
    const early = file.size <= PUT_CHECKSUM_MAX ? await checksum(file, signal) : undefined
    const [receipt, crc] = await together(signal, (own) => [
      this.#sendOne(as, early, own),
      early ?? checksum(file, own),
    ])
    return this.#hold(receipt, crc)
  }

  async #sendOne(as, crc, signal) {
    const file = this.#file
    for (let attempt = 0, refused = 0, asked = 0; ; ) {
      if (this.#unsure) {
        // A lost answer may be a success, and asking is cheaper than sending.
        try {
          return await this.#api(signal, 'POST', '/confirm', { uploadToken: this.#grant.uploadToken }, 0)
        } catch (error) {
          if (signal.aborted) throw error
        }
      }
      if (!this.#grant) {
        asked = Date.now()
        this.#grant = await this.#api(signal, 'POST', '/presign', {
          ...this.#wish(),
          as,
          contentType: this.#options.contentType,
          checksum: crc === undefined ? crc : { crc64: String(crc) },
        })
      }
      const { method, url, headers, fields, uploadToken, expires } = this.#grant
      let body = file
      if (fields) {
        body = new FormData()
        for (const [name, value] of Object.entries(fields)) body.append(name, value)
        body.append('file', file) // OSS ignores what follows the file
      }
      const onLoaded = (bytes) => {
        const loaded = Math.min(bytes, file.size)
        this.#report('sending', { loaded, part: 1, parts: 1, partLoaded: loaded })
      }
      onLoaded(0)
      this.#unsure = true
      const answer = await send(method, url, { headers, body, onLoaded, signal })
      const { status } = answer
      this.#unsure = passing(status)
      const receipt = status === 200 && parse(answer.text)
      if (receipt?.eventId) return receipt
      // 203: stored, not announced. 409: an earlier try was stored.
      if ((status >= 200 && status < 300) || status === 409) {
        this.#stored = uploadToken
        return this.#confirm(signal)
      }
      // How OSS answers a form that has expired is not known: maybe 400.
      const expired = status === 403 || (status === 400 && Date.now() - asked >= expires * 1000)
      if (expired && refused++ < 2) this.#grant = undefined
      else if (!passing(status) || attempt >= this.#options.retries) throw failure(answer)
      await this.#again(attempt++, signal)
    }
  }

  // --- multipart

  #part(signal, method, rest = '', body) {
    return this.#api(signal, method, `/s3/multipart/${encodeURIComponent(this.#multipart.uploadId)}${rest}`, body)
  }

  // Storage is a convenience: an upload goes on when it is full or forbidden.
  async #kept(verb, value) {
    try {
      return await this.#storage?.[verb](STORAGE_PREFIX + JSON.stringify([this.#endpoint, this.#file.name, this.#file.size, this.#file.lastModified]), value)
    } catch {
      return undefined
    }
  }

  async #load() {
    return parse(await this.#kept('getItem'))
  }

  #forget() {
    this.#multipart = this.#parts = undefined
    return this.#kept('removeItem')
  }

  async #inParts(signal) {
    this.#fresh = false
    for (let rounds = 0; ; ) {
      try {
        await this.#open(signal)
        await this.#sendParts(signal)
        const receipt = await this.#complete(signal)
        await this.#forget()
        return receipt
      } catch (error) {
        if (signal.aborted) throw error
        // Listing the parts tells which are missing, and those are sent.
        if (error.code === 'parts_mismatch' && rounds++ < 2) continue
        if (this.#fresh || !BEGIN_ANEW.includes(error.code)) throw error
        await this.#forget()
      }
    }
  }

  // Begins the upload, or finds out how far an earlier one got.
  async #open(signal) {
    const { contentType: type, partSize } = this.#options
    const wish = { ...this.#wish(), type, partSize }
    const text = JSON.stringify(wish)
    if (!this.#multipart) {
      const saved = await this.#load()
      // The same file with other vars is another upload.
      if (saved?.wish === text) this.#multipart = saved
    }
    let listed
    if (this.#multipart) {
      // Of a completed upload all parts are listed: where only the receipt is
      // missing, nothing is sent, and completing again gives it.
      listed = await this.#part(signal, 'GET')
    } else {
      const { uploadId, partSize, expiresAt } = await this.#api(signal, 'POST', '/s3/multipart', wish)
      this.#fresh = true
      listed = []
      this.#multipart = { uploadId, partSize, expiresAt, wish: text }
      await this.#kept('setItem', JSON.stringify(this.#multipart))
    }
    // Pausing keeps the checksums of parts, not what is stored of them.
    const parts = (this.#parts ??= planParts(this.#file.size, this.#multipart.partSize))
    const sizes = new Map(listed.map((p) => [Number(p.PartNumber), Number(p.Size)]))
    this.#report('sending', { loaded: 0, parts: parts.length })
    for (const part of parts) {
      part.loaded = 0
      part.sent = sizes.get(part.number) === part.end - part.start
      if (part.sent) this.#loaded(part, Infinity)
    }
  }

  #loaded(part, bytes) {
    const partLoaded = Math.min(bytes, part.end - part.start)
    const loaded = this.progress.loaded + partLoaded - part.loaded
    part.loaded = partLoaded
    this.#report('sending', { loaded, part: part.number, partLoaded })
  }

  async #complete(signal) {
    this.#report('completing')
    const crc = combineCRC64(this.#parts.map((part) => [part.crc, part.end - part.start]))
    // The parts need not be named: their numbers and sizes are agreed, and the
    // checksum says more about their bytes than ETags could.
    const body = { checksum: { crc64: String(crc) } }
    return this.#hold(await this.#part(signal, 'POST', '/complete', body), crc)
  }

  #sendParts(signal) {
    return together(signal, (own) => {
      const url = this.#partURLs(own)
      const next = this.#parts.values()
      const worker = async () => {
        for (const part of next) await this.#sendPart(part, url, own)
      }
      return Array.from({ length: Math.max(1, this.#options.parallel) }, worker)
    })
  }

  // Sends one part, if it is not stored, and reads it for its CRC meanwhile.
  // Parts that an earlier visit sent are read too, so that a file that only
  // looks the same is noticed.
  async #sendPart(part, url, signal) {
    const blob = this.#file.slice(part.start, part.end) // without a type: none is signed
    const sending = async () => {
      for (let attempt = 0, refused = 0; !part.sent; ) {
        const to = await url(part.number, refused > 0)
        const answer = await send('PUT', to, { body: blob, onLoaded: (bytes) => this.#loaded(part, bytes), signal })
        const { status, text } = answer
        if (status === 200) {
          part.sent = true
          return this.#loaded(part, Infinity)
        }
        this.#loaded(part, 0)
        if (status === 404) throw new UploadError('upload_gone', 'The upload has ended.', { status })
        const expired = status === 403 && refused++ < 2
        const slow = text.includes('<Code>RequestTimeout<')
        if (!(expired || slow || passing(status)) || attempt >= this.#options.retries) throw failure(answer)
        await this.#again(attempt++, signal)
      }
    }
    const reading = async () => {
      part.crc ??= await checksum(blob, signal)
    }
    await Promise.all([sending(), reading()])
  }

  // Returns a function that gives the URL of a part. It asks for many at once
  // where the server can do that.
  #partURLs(signal) {
    let batch = true
    let known // {template, signatures}
    let until
    let asking

    const ask = async (first) => {
      const last = Math.min(first + BATCH - 1, this.#parts.length)
      try {
        known = await this.#part(signal, 'GET', `/batch?partNumbers=${first}-${last}&as=template`)
        until = Date.now() + URL_LIFE
        batch = !!known.signatures?.[first]
      } catch (error) {
        if (error.status !== 404 && error.status !== 400) throw error
        batch = false
      }
    }
    return async (number, refused) => {
      if (refused) known = undefined
      while (batch && !(known?.signatures[number] && Date.now() < until)) {
        await (asking ??= ask(number).finally(() => (asking = undefined)))
      }
      if (batch) return fillTemplate(known.template, number, known.signatures[number])
      return (await this.#part(signal, 'GET', `/${number}`)).url
    }
  }
}

/** Uploads a file and resolves with the receipt. */
export function upload(file, options) {
  return new Upload(file, options).start()
}
