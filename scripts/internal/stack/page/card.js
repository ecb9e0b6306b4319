// One upload on the page: what a person sees of it, from the chosen file to the
// event that a backend gets.

import { Upload } from './ossupload.js'
import { brief, bytes, duration, explain, isFinal, STATES } from './words.js'

const MiB = 1 << 20
const CELLS = 160 // at most, of a file
const ROWS = 300 // of requests, at most
const STALLED = 3000 // ms without a byte

// Small files are sent in small parts, so that there is something to see.
const partSizeOf = (size) => (size <= 256 * MiB ? MiB : Math.max(5, Math.ceil(size / 10_000 / MiB)) * MiB)

const RUNNING = ['preparing', 'sending', 'completing', 'confirming']
const OVER = ['paused', 'cancelled', 'done', 'failed']

// The class that uploads. uppy.js is a module that exports an Upload of its
// own, with the same constructor, phase, done, start, pause, resume and cancel.
async function uploaderOf(method) {
  return method === 'uppy' ? (await import('/_local/page/uppy.js')).Upload : Upload
}

function made(tag, text, name) {
  const it = document.createElement(tag)
  if (text !== undefined) it.textContent = text
  if (name) it.className = name
  return it
}

export class Card {
  /**
   * page is what a card needs of what is around it: session, renewed(), say(),
   * queue(card), unqueue(card), changed(), settled(), removed(card).
   */
  constructor(file, method, page) {
    this.file = file
    this.method = method
    this.page = page
    this.partSize = partSizeOf(file.size)
    this.cells = []
    this.requests = 0
    this.view = document.getElementById('upload-template').content.cloneNode(true).firstElementChild
    const find = (selector) => this.view.querySelector(selector)
    this.parts = {
      progress: find('progress'),
      state: find('.state'),
      rate: find('.rate'),
      trace: find('.trace'),
      cells: find('.cells'),
      fault: find('.fault'),
      requests: find('.requests'),
      receipt: find('.receipt'),
      event: find('.event'),
    }
    find('h3').textContent = file.name
    find('.meta').textContent = [bytes(file.size), file.type, this.methodName()].filter(Boolean).join(' · ')
    this.parts.progress.setAttribute('aria-label', `Progress of ${file.name}`)
    for (const summary of this.view.querySelectorAll('summary')) summary.setAttribute('aria-label', `${summary.textContent} of ${file.name}`)
    for (const button of this.view.querySelectorAll('[data-do]')) {
      button.setAttribute('aria-label', `${button.textContent} ${file.name}`)
      button.addEventListener('click', () => this[button.dataset.do]())
    }
    this.thumbnail(find('.thumb'))
    // Their number is known, so that nothing moves when sending begins.
    if (this.methodName() === 'multipart') this.makeCells(Math.ceil(file.size / this.partSize))
    this.show('ready')
  }

  methodName() {
    const method = this.method === 'auto' ? (this.file.size < 16 * MiB ? 'put' : 'multipart') : this.method
    return { put: 'PUT', form: 'form', multipart: 'multipart', uppy: 'Uppy' }[method]
  }

  thumbnail(into) {
    const [, extension = ''] = /\.([^.]{1,4})$/.exec(this.file.name) ?? []
    into.textContent = extension || '·'
    if (!this.file.type.startsWith('image/')) return
    const image = made('img')
    image.alt = ''
    image.decoding = 'async'
    image.src = this.picture = URL.createObjectURL(this.file)
    image.decode().then(() => into.replaceChildren(image), () => {}) // what is no picture keeps its letters
  }

  get running() {
    return RUNNING.includes(this.phase)
  }

  // Runs until the upload is over, or rests.
  async run() {
    if (!['ready', 'paused', 'failed'].includes(this.phase)) return
    this.parts.fault.hidden = true
    this.speed = 0
    this.moved = this.began = performance.now()
    const rests = new Promise((resolve) => {
      this.rest = resolve
    })
    try {
      this.upload ??= new (await uploaderOf(this.method))(this.file, {
        endpoint: this.page.session.endpoint,
        getToken: async (refused) => (refused ? await this.page.renewed() : this.page.session).token,
        tokenHeader: this.page.session.tokenHeader,
        method: this.method,
        partSize: this.partSize,
        vars: { from: 'page' },
        onProgress: (progress) => this.progressed(progress),
        onRequest: (request) => this.requested(request),
      })
      this.show('preparing')
      await Promise.race([this.upload.start().then((receipt) => this.succeeded(receipt)), rests])
    } catch (error) {
      if (error.code !== 'cancelled') this.failed(error)
    }
    this.page.settled()
  }

  pause() {
    this.upload?.pause()
    this.page.unqueue(this)
    this.show('paused')
    this.rest?.()
    this.page.say(`${this.file.name} is paused.`)
    this.focus('resume')
  }

  resume() {
    this.page.queue(this)
    this.focus('pause')
  }

  async cancel() {
    this.page.unqueue(this)
    this.show('cancelled')
    this.rest?.()
    this.page.say(`${this.file.name} is cancelled.`)
    this.focus('remove')
    await this.upload?.cancel()
    this.page.settled()
  }

  remove() {
    if (this.picture) URL.revokeObjectURL(this.picture)
    const next = this.view.nextElementSibling ?? this.view.previousElementSibling
    this.view.remove()
    this.page.removed(this)
    const button = next?.querySelector('[data-do]:not([hidden])') ?? document.getElementById('files')
    button.focus()
  }

  // As an application does it: a URL for this one object, made when it is wanted.
  async download() {
    const { session, say } = this.page
    const answer = await fetch('/download', {
      method: 'POST',
      headers: { [session.tokenHeader ?? 'Authorization']: `Bearer ${session.token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ key: this.receipt.key, filename: this.file.name }),
    })
    const { url, message } = await answer.json()
    this.requested({ method: 'POST', route: '/download', status: answer.status })
    if (!answer.ok) {
      this.parts.fault.textContent = message
      this.parts.fault.hidden = false
      return say(message)
    }
    const link = made('a')
    link.href = url
    link.click()
    say(`${this.file.name} is downloaded from OSS.`)
  }

  // The button that was pressed is gone; focus stays in its place.
  focus(action) {
    const button = this.view.querySelector(`[data-do='${action}']`)
    if (!button.hidden) button.focus()
  }

  // --- what is seen

  show(phase, error) {
    this.phase = this.view.dataset.phase = phase
    this.parts.state.textContent = STATES[phase]
    const visible = {
      pause: ['ready', ...RUNNING].includes(phase),
      resume: phase === 'paused' || (phase === 'failed' && !isFinal(error)),
      download: phase === 'done' && !!this.receipt,
      cancel: ['ready', 'paused', ...RUNNING].includes(phase) || (phase === 'failed' && !isFinal(error)),
      remove: phase === 'done' || phase === 'cancelled' || (phase === 'failed' && isFinal(error)),
    }
    for (const button of this.view.querySelectorAll('[data-do]')) {
      button.hidden = !visible[button.dataset.do]
      if (button.dataset.do === 'resume') {
        button.textContent = phase === 'failed' ? 'Try again' : 'Resume'
        button.setAttribute('aria-label', `${button.textContent} ${this.file.name}`)
      }
    }
    const reached = { preparing: 0, sending: 1, completing: 1, confirming: 2, done: 3 }[phase]
    if (reached !== undefined) this.reached = reached
    this.steps(phase === 'failed' || phase === 'cancelled' ? 'failed' : 'now')
    if (phase !== 'sending') this.parts.rate.textContent = phase === 'paused' || phase === 'failed' ? this.share() : ''
    this.page.changed()
  }

  steps(current) {
    const index = this.phase === 'ready' ? -1 : (this.reached ?? -1)
    this.view.querySelectorAll('.steps li').forEach((step, i) => {
      step.className = i < index ? 'done' : i === index ? current : ''
      if (step.className === 'now') step.setAttribute('aria-current', 'step')
      else step.removeAttribute('aria-current')
    })
  }

  get loaded() {
    return this.phase === 'done' ? this.file.size : (this.progress?.loaded ?? 0)
  }

  share() {
    const { loaded = 0, total = this.file.size } = this.progress ?? {}
    return `${bytes(loaded)} of ${bytes(total)}`
  }

  progressed(progress) {
    const before = this.progress
    this.progress = progress
    if (progress.part) this.cell(progress)
    else if (progress.parts !== before?.parts) this.makeCells(progress.parts)
    if (before && progress.loaded !== before.loaded) this.moved = performance.now()
    if (progress.phase !== this.phase && !OVER.includes(progress.phase)) this.show(progress.phase)
    this.traced(progress)
    this.redraw ??= requestAnimationFrame(() => {
      this.redraw = undefined
      this.draw()
    })
  }

  // A fault leaves its trace, also when it was got over.
  traced({ retries, fault, offline }) {
    const count = retries ? `${retries} sent again` : ''
    this.parts.trace.textContent = [count, fault && !offline && brief(fault)].filter(Boolean).join(': ')
    this.parts.trace.title = fault?.message ?? ''
    if (fault && fault !== this.fault) this.note(fault.message)
    this.fault = fault ?? this.fault
  }

  /** Draws what time alone changes too: the page calls it each second. */
  draw() {
    if (!this.progress) return
    const { loaded, total, offline } = this.progress
    const away = Boolean(offline && this.running)
    this.parts.progress.value = this.phase === 'done' ? 1 : total ? loaded / total : 0
    if (away !== (this.view.dataset.offline === 'true')) {
      this.view.dataset.offline = away
      this.parts.state.textContent = STATES[away ? 'offline' : this.phase]
      this.sampled = undefined
      this.speed = 0
    }
    this.page.changed()
    if (this.phase === 'sending') this.parts.rate.textContent = [this.share(), ...(away ? [] : this.pace(loaded, total))].join(' · ')
  }

  pace(loaded, total) {
    const now = performance.now()
    const idle = now - this.moved
    if (idle > STALLED) {
      this.speed = 0
      this.sampled = undefined
      return loaded < total ? [`no byte for ${duration(idle / 1000)}`] : []
    }
    if (!this.sampled || now - this.sampled.at > 400) {
      if (this.sampled && loaded > this.sampled.loaded) {
        const speed = ((loaded - this.sampled.loaded) / (now - this.sampled.at)) * 1000
        this.speed = this.speed ? this.speed * 0.6 + speed * 0.4 : speed
      }
      this.sampled = { at: now, loaded }
    }
    return this.speed ? [`${bytes(this.speed)}/s`, `${duration((total - loaded) / this.speed)} left`] : []
  }

  // Many parts share a cell, so that there are never more than CELLS.
  makeCells(parts) {
    if (this.partLoaded?.length === parts + 1) return this.partLoaded.fill(0)
    this.perCell = Math.ceil(parts / CELLS)
    this.partLoaded = new Float64Array(parts + 1)
    this.cells = parts > 1 ? Array.from({ length: Math.ceil(parts / this.perCell) }, () => made('i')) : []
    this.parts.cells.replaceChildren(...this.cells)
    this.parts.cells.hidden = !this.cells.length
    this.parts.cells.setAttribute('aria-label', `${parts} parts`)
  }

  cell({ part, partLoaded, parts, total }) {
    const index = Math.floor((part - 1) / this.perCell)
    const cell = this.cells[index]
    if (!cell) return
    if (partLoaded < this.partLoaded[part]) cell.classList.add('again')
    this.partLoaded[part] = partLoaded
    const first = index * this.perCell + 1
    let loaded = 0
    for (let n = first; n < first + this.perCell; n++) loaded += this.partLoaded[n] ?? 0
    const size = Math.min(this.perCell * this.partSize, total - (first - 1) * this.partSize)
    cell.style.setProperty('--sent', Math.min(1, loaded / size))
    cell.classList.toggle('sent', loaded >= size)
    const sent = this.cells.filter((c) => c.classList.contains('sent')).length
    this.parts.cells.setAttribute('aria-label', `${Math.round((100 * sent) / this.cells.length)}% of ${parts} parts sent`)
  }

  // --- requests

  requested({ method, route, target, status, ms }) {
    this.requests++
    const where = made('td', target === 'storage' ? `OSS ${route}` : route)
    const answer = made('td', status || 'none', status >= 200 && status < 300 && status !== 203 ? '' : 'bad')
    this.row(made('td', method), where, answer, made('td', ms === undefined ? '' : `${ms} ms`))
    const summary = this.parts.requests.querySelector('summary')
    this.parts.requests.hidden = false
    summary.querySelector('b').textContent = this.requests
    summary.setAttribute('aria-label', `Requests ${this.requests} of ${this.file.name}`)
  }

  // What a request met with, in full.
  note(text) {
    const cell = made('td', text)
    cell.colSpan = 4
    this.row(cell).className = 'note'
  }

  row(...cells) {
    const list = this.parts.requests.querySelector('tbody')
    const row = made('tr')
    row.append(...cells)
    list.append(row)
    if (list.childElementCount > ROWS) list.firstElementChild.remove()
    return row
  }

  // --- the end

  failed(error) {
    this.show('failed', error)
    this.parts.fault.textContent = explain(error, this.page.session)
    this.parts.fault.hidden = false
    this.page.say(`${this.file.name} failed. ${error.message}`)
  }

  succeeded(receipt) {
    this.receipt = receipt
    this.show('done')
    this.parts.progress.value = 1
    const seconds = (performance.now() - this.began) / 1000
    this.parts.rate.textContent = `${bytes(receipt.size)} in ${seconds < 10 ? `${seconds.toFixed(1)} s` : duration(seconds)}`
    this.showReceipt(receipt)
    this.page.say(`${this.file.name} is uploaded.`)
    this.waitForEvent(receipt)
  }

  showReceipt({ key, size, contentType, etag, crc64, eventId, uploadedAt, bucket }) {
    const rows = {
      Object: [`${bucket}/${key}`, key, 'key'],
      Size: [`${size} bytes`],
      Type: [contentType],
      ETag: [etag],
      'CRC-64': [crc64],
      Uploaded: [uploadedAt],
      'Event id': [eventId, eventId, 'event id'],
    }
    const list = this.parts.receipt.querySelector('dl')
    list.replaceChildren()
    for (const [name, [value, copied, what]] of Object.entries(rows)) {
      const definition = made('dd', value)
      if (copied) definition.append(this.copier(what, copied))
      list.append(made('dt', name), definition)
    }
    this.parts.receipt.querySelector('.curl').replaceChildren(this.copier('curl command', this.curl(key), 'Copy curl command'))
    this.parts.receipt.hidden = false
  }

  // Asks for the receipt once more. The token is fetched when it runs, so that none
  // is in the clipboard.
  curl(key) {
    const { endpoint, tokenHeader = 'Authorization' } = this.page.session
    const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`
    return [
      `curl -sS ${quoted(`${endpoint}/confirm`)}`,
      `-H "${tokenHeader}: Bearer $(curl -sS ${quoted(`${endpoint}/_local/session`)} | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')"`,
      "-H 'Content-Type: application/json'",
      `-d ${quoted(JSON.stringify({ key }))}`,
    ].join(' \\\n  ')
  }

  copier(what, text, label = '') {
    const button = made('button', label, label ? '' : 'copy')
    button.type = 'button'
    button.setAttribute('aria-label', `Copy ${what} of ${this.file.name}`)
    button.addEventListener('click', async () => {
      const copied = await navigator.clipboard.writeText(text).then(() => true, () => false)
      button.classList.toggle('copied', copied)
      this.page.say(copied ? `The ${what} is copied.` : 'The browser does not let this page copy.')
      setTimeout(() => button.classList.remove('copied'), 1500)
    })
    return button
  }

  // The webhook receiver shows what came; the event may have come before the
  // receipt.
  async waitForEvent(receipt) {
    for (let tries = 0; tries < 40; tries++) {
      const events = await fetch('/_local/events').then((r) => r.json(), () => [])
      const event = events.findLast((e) => e.id === receipt.eventId)
      if (event) {
        this.reached = event.verified ? 4 : 3
        this.steps(event.verified ? 'now' : 'failed')
        this.parts.state.textContent = event.verified
          ? 'The event arrived and its signature is right.'
          : 'Uploaded. The event arrived, but its signature is wrong.'
        this.parts.event.querySelector('pre').textContent = JSON.stringify(event.body, null, 2)
        this.parts.event.hidden = false
        return
      }
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
    this.steps('failed')
    this.parts.state.textContent = receipt.delivered === false ? 'Uploaded. Your backend did not take the event; it is queued.' : 'Uploaded. No event arrived.'
  }
}
