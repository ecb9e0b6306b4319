/**
 * The class that the page of the local stack uploads with when Uppy is chosen:
 * @uppy/core and @uppy/aws-s3 as they are published, behind the constructor and
 * the methods of the browser client's Upload. Version 6 sends no headers of the
 * application's, so it works on an endpoint of POST /session; version 5 sends the
 * caller's token. What an application does with Uppy is in UPPY.md.
 *
 * Uppy reports where an object is, not that the application was told. The
 * receipt is therefore asked for by the key.
 */
import AwsS3 from '@uppy/aws-s3'
import Uppy from '@uppy/core'

const MiB = 1 << 20
const MIN_PART = 5 * MiB // Uppy's own; smaller ones are raised to it
const RETRIES = 5
const SENDS_HEADERS = parseInt(AwsS3.VERSION, 10) < 6

export class Upload {
  #file
  #options
  #endpoint
  #partSize
  #uppy
  #id // Uppy's, of the file
  #settle // functions that settle done
  #key // of an object that is stored and whose receipt is missing

  constructor(file, options = {}) {
    this.#file = file
    this.#options = options
    this.#endpoint = (options.endpoint ?? '').replace(/\/+$/, '')
    this.#partSize = Math.max(MIN_PART, options.partSize ?? 0)
    this.phase = 'ready'
    this.progress = { phase: 'ready', loaded: 0, total: file.size, part: 0, parts: 0, partLoaded: 0, retries: 0 }
    this.#promise()
  }

  /** Begins, or goes on after a pause or a failure. */
  start() {
    const { phase } = this
    if (!['ready', 'paused', 'failed'].includes(phase)) return this.done
    if (phase === 'failed') this.#promise()
    if (phase === 'paused' && this.#id) {
      this.#report('sending')
      this.#uppy.resumeAll()
    } else {
      this.#report('preparing')
      this.#begin().catch((error) => this.#failed(error))
    }
    return this.done
  }

  resume() {
    return this.start()
  }

  pause() {
    if (this.phase !== 'preparing' && this.phase !== 'sending') return
    this.#uppy?.pauseAll()
    this.#report('paused')
  }

  /** Uppy has the parts deleted, and does not wait for it. */
  async cancel() {
    if (this.phase === 'done' || this.phase === 'cancelled') return
    this.#report('cancelled')
    this.#settle.reject(Object.assign(new Error('The upload was cancelled.'), { code: 'cancelled' }))
    this.#uppy?.cancelAll()
  }

  async #begin() {
    if (this.#key) return this.#receipt()
    const options = await this.#access()
    if (this.phase !== 'preparing') return // paused or cancelled meanwhile
    this.#uppy ??= this.#newUppy()
    // A session lives an hour, and an upload may take longer: every start has
    // one of its own. Uppy keeps what it knows of the parts with the file.
    const before = this.#uppy.getPlugin('AwsS3')
    if (before) this.#uppy.removePlugin(before)
    this.#uppy.use(AwsS3, {
      ...options,
      id: 'AwsS3',
      shouldUseMultipart: (file) => file.size > MIN_PART,
      getChunkSize: () => this.#partSize,
    })
    this.#report('sending')
    if (this.#id) return this.#uppy.retryUpload(this.#id)
    const { name, type } = this.#file
    this.#id = this.#uppy.addFile({ name, type, data: this.#file, meta: this.#options.metadata })
    await this.#uppy.upload()
  }

  #newUppy() {
    const uppy = new Uppy()
    const parts = this.#file.size > MIN_PART ? Math.ceil(this.#file.size / this.#partSize) : 1
    uppy.on('upload-progress', (_, { bytesUploaded }) => {
      if (this.phase === 'sending') this.#report('sending', { loaded: Math.min(bytesUploaded, this.#file.size), parts })
    })
    uppy.on('s3-multipart:part-uploaded', (_, { PartNumber: part }) => {
      const partLoaded = Math.min(this.#partSize, this.#file.size - (part - 1) * this.#partSize)
      if (this.phase === 'sending') this.#report('sending', { part, parts, partLoaded })
    })
    uppy.on('upload-error', (_, error) => this.#failed(error))
    uppy.on('upload-success', (_, { body }) => {
      this.#key = body.key
      this.#receipt().catch((error) => this.#failed(error))
    })
    return uppy
  }

  // What tells the functions who is asking, in the way of this Uppy.
  async #access() {
    if (SENDS_HEADERS) {
      return { endpoint: this.#endpoint, headers: { Authorization: `Bearer ${await this.#options.getToken?.()}` } }
    }
    const { endpoint } = await this.#post('/session', {})
    return { companionEndpoint: endpoint }
  }

  async #receipt() {
    this.#report('confirming', { loaded: this.#file.size })
    const receipt = await this.#post('/confirm', { key: this.#key })
    this.#report('done')
    this.#settle.resolve(receipt)
  }

  async #post(path, body) {
    const { getToken } = this.#options
    let token = await getToken?.()
    for (let attempt = 0, renewed = false; ; ) {
      const answer = await fetch(this.#endpoint + path, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      })
      if (answer.ok) return answer.json()
      if (answer.status === 401 && !renewed) {
        renewed = true
        token = await getToken?.(token)
      } else if (answer.status < 500 || attempt === RETRIES) {
        const { code, message = `The functions answered ${answer.status}.`, requestId, details } = await answer.json().catch(() => ({}))
        throw Object.assign(new Error(message), { code, requestId, details })
      } else {
        const least = answer.headers.get('Retry-After') * 1000
        await new Promise((resolve) => setTimeout(resolve, Math.max(least, 500 * 2 ** attempt++)))
      }
    }
  }

  #failed(error) {
    if (this.phase === 'done' || this.phase === 'cancelled' || this.phase === 'failed') return
    this.#report('failed')
    this.#settle.reject(error)
  }

  #promise() {
    this.done = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    this.done.catch(() => {}) // whoever looks at phase alone need not await it
  }

  #report(phase, change) {
    this.phase = phase
    this.progress = { ...this.progress, part: 0, partLoaded: 0, partSize: this.#partSize, ...change, phase }
    this.#options.onProgress?.(this.progress)
  }
}
