// One upload: what it asks the functions, what it sends, and what it does when
// either fails.

import { combineCRC64, crc64 } from './crc64.js'
import { cancelled, lost, parse, refused, refusedByStorage, strange, UploadError } from './errors.js'
import { addresses, defaultStorage, storageKey } from './kept.js'
import { partURLs, planParts } from './parts.js'
import { backoff, diagnose, online, send, wait } from './requests.js'

const MiB = 1 << 20
const PUT_CHECKSUM_MAX = 16 * MiB // up to here the CRC-64 is known before the bytes are sent
const READ_SIZE = MiB // read at once, so that the page stays responsive

// An upload that was begun earlier and ended in one of these is begun anew.
const BEGIN_ANEW = ['upload_gone', 'aborted', 'invalid_token', 'checksum_mismatch']

const passing = (status) => !status || [408, 429].includes(status) || status >= 500

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
    this.#endpoint = addresses(endpoint)
    // A Blob that is no File has no name to be found again by.
    if (file.lastModified) this.#storage = storage
    this.#options = {
      method: 'auto',
      multipartFrom: 16 * MiB,
      parallel: 4,
      retries: 6,
      tokenHeader: 'Authorization',
      filename: file.name || 'file',
      // Browsers add parameters to some types: text/plain;charset=utf-8. What is
      // asked for stays to the letter.
      contentType: file.type?.split(';')[0] || undefined,
      // An option that is undefined is none.
      ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
    }
    this.phase = 'ready'
    this.progress = { phase: 'ready', loaded: 0, total: file.size, part: 0, parts: 0, partLoaded: 0, retries: 0, offline: false, fault: undefined }
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
    this.#report('preparing', { fault: undefined })
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
    const progress = (this.progress = { ...this.progress, part: 0, partLoaded: 0, offline: false, ...change, phase })
    this.#tell(this.#options.onProgress, progress)
  }

  // What a listener throws is its own, and reported as such.
  #tell(listener, what) {
    if (listener) queueMicrotask(() => listener(what))
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

  // Asks the functions until they answer JSON that has the field `need`.
  async #api(signal, method, path, body, need, retries = this.#options.retries) {
    const base = this.#endpoint[path === '/presign' ? 'presign' : 'complete']
    for (let attempt = 0, renewed = false; ; ) {
      const token = await this.#bearer()
      const headers = {}
      if (token) headers[this.#options.tokenHeader] = `Bearer ${token}`
      if (body) headers['Content-Type'] = 'application/json'
      const request = { method, url: base + path, headers, ...describe(base, path) }
      const answer = await this.#send(request, { body: body && JSON.stringify(body), signal })
      if (answer.status === 401 && token && !renewed) {
        renewed = true
        // Of several requests that were refused, the first asks.
        if ((await this.#bearer()) === token) await this.#bearer(token)
        continue
      }
      const { json, error, again } = await this.#read(answer, request, need, signal)
      if (json) return json
      if (!again || this.#over(attempt, error, retries)) throw error
      attempt = await this.#again(attempt, error, signal, answer.header('Retry-After') * 1000)
    }
  }

  async #send(request, { body, onLoaded, signal }) {
    const { method, url, headers, route, storage } = request
    const began = performance.now()
    const answer = await send(method, url, { headers, body, onLoaded, signal })
    const ms = Math.round(performance.now() - began)
    this.#tell(this.#options.onRequest, { method, route, target: storage ? 'storage' : 'functions', status: answer.status, ms })
    return answer
  }

  async #read(answer, request, need, signal) {
    const { status, text } = answer
    if (!status) return { error: await this.#lost(request, signal), again: true }
    if (status < 200 || status >= 300) {
      const error = refused(answer, request)
      // A role that is denied is denied next time too.
      return { error, again: passing(status) && error.code !== 'storage_denied' }
    }
    const json = parse(text)
    if (json && (!need || json[need])) return { json }
    // What was cut off may be whole next time; a page stays one.
    return { error: strange(status, request, need ?? 'JSON'), again: !json && !text.trimStart().startsWith('<') }
  }

  async #lost(request, signal) {
    return lost(await diagnose(request, signal), request)
  }

  // Of OSS's answer to bytes.
  #refusal(answer, request, signal) {
    return answer.status ? refusedByStorage(answer, request) : this.#lost(request, signal)
  }

  // Whether another try is in vain. A mistake of CORS looks like an accident
  // once, and stays.
  #over(attempt, { code }, retries = this.#options.retries) {
    return code !== 'offline' && (attempt >= retries || (code === 'cors' && attempt > 0))
  }

  // Waits before another try and returns its number. Tries are counted from when
  // the browser was online again.
  async #again(attempt, fault, signal, least = 0) {
    const retries = this.progress.retries + 1
    if (fault.code === 'offline') {
      this.#report(this.phase, { offline: true, fault })
      await online(signal)
      this.#report(this.phase, { retries })
      return 0
    }
    this.#report(this.phase, { retries, fault })
    await wait(Math.max(least, backoff(attempt)), signal)
    return attempt + 1
  }

  #wish() {
    const { filename, metadata, vars } = this.#options
    return { filename, size: this.#file.size, metadata, vars }
  }

  // Asks until the application was told: the object is stored, and giving up
  // early helps nobody.
  async #confirm(signal) {
    this.#report('confirming', { loaded: this.#file.size })
    try {
      return await this.#api(signal, 'POST', '/confirm', { uploadToken: this.#stored }, 'eventId', this.#options.retries + 4)
    } catch (error) {
      if (error.code !== 'cancelled') error.message = `The file is stored, and not confirmed; trying again sends no byte. ${error.message}`
      throw error
    }
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
    for (let attempt = 0, refusals = 0, asked = 0; ; ) {
      if (this.#unsure) {
        // A lost answer may be a success, and asking is cheaper than sending.
        try {
          return await this.#api(signal, 'POST', '/confirm', { uploadToken: this.#grant.uploadToken }, 'eventId', 0)
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
        }, 'url')
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
      const request = { method, url, headers, storage: true, route: new URL(url).pathname, size: fields ? undefined : file.size }
      const answer = await this.#send(request, { body, onLoaded, signal })
      const { status } = answer
      this.#unsure = passing(status)
      const receipt = status === 200 && parse(answer.text)
      if (receipt?.eventId) return receipt
      // 203: stored, not announced. 409: an earlier try was stored.
      if ((status >= 200 && status < 300) || status === 409) {
        this.#stored = uploadToken
        if (status === 203) this.#report(this.phase, { fault: refusedByStorage(answer, request) })
        return this.#confirm(signal)
      }
      const error = await this.#refusal(answer, request, signal)
      // How OSS answers a form that has expired is not known: maybe 400.
      const expired = status === 403 || (status === 400 && Date.now() - asked >= expires * 1000)
      if (expired && refusals++ < 2) this.#grant = undefined
      else if (!passing(status) || this.#over(attempt, error)) throw error
      attempt = await this.#again(attempt, error, signal)
    }
  }

  // --- multipart

  #part(signal, method, rest = '', body, need) {
    return this.#api(signal, method, `/s3/multipart/${encodeURIComponent(this.#multipart.uploadId)}${rest}`, body, need)
  }

  // Storage is a convenience: an upload goes on when it is full or forbidden.
  async #kept(verb, value) {
    try {
      return await this.#storage?.[verb](storageKey(this.#endpoint, this.#file), value)
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
      const { uploadId, partSize, expiresAt } = await this.#api(signal, 'POST', '/s3/multipart', wish, 'uploadId')
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
    return this.#hold(await this.#part(signal, 'POST', '/complete', body, 'eventId'), crc)
  }

  #sendParts(signal) {
    return together(signal, (own) => {
      const url = partURLs((rest) => this.#part(own, 'GET', rest), this.#parts.length)
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
      for (let attempt = 0, refusals = 0; !part.sent; ) {
        const to = await url(part.number, refusals > 0)
        const route = `${new URL(to).pathname}?partNumber=${part.number}`
        const request = { method: 'PUT', url: to, storage: true, route, size: blob.size }
        const answer = await this.#send(request, { body: blob, onLoaded: (bytes) => this.#loaded(part, bytes), signal })
        const { status, text } = answer
        if (status === 200) {
          part.sent = true
          return this.#loaded(part, Infinity)
        }
        this.#loaded(part, 0)
        if (status === 404) throw new UploadError('upload_gone', 'The upload has ended.', { status })
        const error = await this.#refusal(answer, request, signal)
        const expired = status === 403 && refusals++ < 2
        const slow = text.includes('<Code>RequestTimeout<')
        if (!(expired || slow || passing(status)) || this.#over(attempt, error)) throw error
        attempt = await this.#again(attempt, error, signal)
      }
    }
    const reading = async () => {
      part.crc ??= await checksum(blob, signal)
    }
    await Promise.all([sending(), reading()])
  }
}

// How a call of the functions is told of, without the token in it, and where to
// ask harmlessly whether it could have been answered.
const describe = (base, path) => ({
  route: path.replace(/\?.*/, '').replace(/(\/multipart\/)[^/]+/, '$1{uploadId}'),
  probe: base + (path === '/presign' ? path : '/confirm'),
})
