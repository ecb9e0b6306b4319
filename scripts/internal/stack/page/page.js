// The page of the local stack: what a person sees of an upload, from the
// chosen file to the event that a backend gets.

import { mountExplain } from './explain.js'
import { interrupted, Upload } from './ossupload.js'

const MiB = 1 << 20
const AT_ONCE = 3 // files
const CELLS = 160 // at most, of a file

// Small files are sent in small parts, so that there is something to see.
const partSizeOf = (size) => (size <= 256 * MiB ? MiB : Math.max(5, Math.ceil(size / 10_000 / MiB)) * MiB)

const byId = (id) => document.getElementById(id)
const say = (text) => {
  byId('say').textContent = text
}

const HINTS = {
  auto: 'PUT below 16 MiB, multipart from there on.',
  put: 'One presigned PUT. OSS calls back and answers with the receipt.',
  form: 'One POST form with a signed policy. OSS calls back and answers with the receipt.',
  multipart: 'Parts in parallel. It goes on after a pause, a fault or a reload.',
  uppy: 'The published @uppy/aws-s3, against the same routes.',
}

const STATES = {
  ready: 'Waiting',
  preparing: 'Asking for a grant',
  sending: 'Sending',
  completing: 'Putting the parts together',
  confirming: 'Stored, asking for the receipt',
  paused: 'Paused',
  done: 'Uploaded',
  failed: 'Failed',
  cancelled: 'Cancelled',
}

// --- text -----------------------------------------------------------------

function bytes(n) {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB']
  let unit = 0
  while (n >= 1000 && unit < units.length - 1) {
    n /= 1000
    unit++
  }
  return `${unit && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`
}

function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`
  return `${(seconds / 3600).toFixed(1)} h`
}

function explain(error) {
  const details = Array.isArray(error.details) ? error.details : []
  const fields = details.filter((d) => d.field && !error.message.includes(d.reason)).map((d) => `${d.field} ${d.reason}`)
  const text = fields.length ? `${error.message} ${fields.join('; ')}.` : error.message
  const again = error.code === 'file_changed' ? ' Choose it again.' : ''
  const traces = [error.code, error.requestId].filter(Boolean).join(', ')
  return `${text}${again}${traces && ` (${traces})`}`
}

// --- session --------------------------------------------------------------

async function getSession() {
  const answer = await fetch('/_local/session')
  if (!answer.ok) throw new Error(await answer.text())
  return answer.json()
}

let session

// The class that uploads. uppy.js is a module that exports an Upload of its
// own, with the same constructor, phase, done, start, pause, resume and cancel.
async function uploaderOf(method) {
  return method === 'uppy' ? (await import('/_local/page/uppy.js')).Upload : Upload
}

// --- queue ----------------------------------------------------------------

const waiting = []
let running = 0

function enqueue(card) {
  waiting.push(card)
  startNext()
}

function startNext() {
  while (running < AT_ONCE && waiting.length) {
    running++
    waiting.shift().run().finally(() => {
      running--
      startNext()
    })
  }
}

// --- uploads --------------------------------------------------------------

class Card {
  constructor(file, method) {
    this.file = file
    this.method = method
    this.partSize = partSizeOf(file.size)
    this.cells = []
    this.view = byId('upload-template').content.cloneNode(true).firstElementChild
    const find = (selector) => this.view.querySelector(selector)
    this.parts = {
      progress: find('progress'),
      state: find('.state'),
      figures: find('.figures'),
      cells: find('.cells'),
      fault: find('.fault'),
      receipt: find('.receipt'),
      event: find('.event'),
    }
    find('h3').textContent = file.name
    find('.meta').textContent = [bytes(file.size), file.type, this.methodName()].filter(Boolean).join(' · ')
    this.parts.progress.setAttribute('aria-label', `Progress of ${file.name}`)
    for (const button of this.view.querySelectorAll('[data-do]')) {
      button.setAttribute('aria-label', `${button.textContent} ${file.name}`)
      button.addEventListener('click', () => this[button.dataset.do]())
    }
    byId('upload-list').prepend(this.view)
    byId('uploads').hidden = false
    this.show('ready')
  }

  methodName() {
    const method = this.method === 'auto' ? (this.file.size < 16 * MiB ? 'put' : 'multipart') : this.method
    return { put: 'PUT', form: 'form', multipart: 'multipart', uppy: 'Uppy' }[method]
  }

  // Runs until the upload is over, or rests.
  async run() {
    if (this.phase !== 'ready' && this.phase !== 'paused' && this.phase !== 'failed') return
    this.parts.fault.hidden = true
    this.speed = 0
    const rests = new Promise((resolve) => {
      this.rest = resolve
    })
    try {
      this.upload ??= new (await uploaderOf(this.method))(this.file, {
        endpoint: session.endpoint,
        getToken: async (refused) => {
          if (refused) session = await getSession()
          return session.token
        },
        method: this.method,
        partSize: this.partSize,
        vars: { from: 'page' },
        onProgress: (progress) => this.progressed(progress),
      })
      this.show('preparing')
      await Promise.race([this.upload.start().then((receipt) => this.succeeded(receipt)), rests])
    } catch (error) {
      if (error.code !== 'cancelled') this.failed(error)
    }
    showInterrupted()
  }

  pause() {
    this.upload?.pause()
    const at = waiting.indexOf(this)
    if (at >= 0) waiting.splice(at, 1)
    this.show('paused')
    this.rest?.()
    say(`${this.file.name} is paused.`)
    this.focus('resume')
  }

  resume() {
    enqueue(this)
    this.focus('pause')
  }

  async cancel() {
    const at = waiting.indexOf(this)
    if (at >= 0) waiting.splice(at, 1)
    this.show('cancelled')
    this.rest?.()
    say(`${this.file.name} is cancelled.`)
    this.focus('remove')
    await this.upload?.cancel()
    showInterrupted()
  }

  remove() {
    this.view.remove()
    byId('uploads').hidden = !byId('upload-list').childElementCount
    byId('files').focus()
  }

  // The button that was pressed is gone; focus stays in its place.
  focus(action) {
    const button = this.view.querySelector(`[data-do='${action}']`)
    if (!button.hidden) button.focus()
  }

  // --- what is seen

  show(phase) {
    this.phase = this.view.dataset.phase = phase
    this.parts.state.textContent = STATES[phase]
    const visible = {
      pause: ['ready', 'preparing', 'sending', 'completing', 'confirming'].includes(phase),
      resume: phase === 'paused' || phase === 'failed',
      cancel: phase !== 'done' && phase !== 'cancelled',
      remove: phase === 'done' || phase === 'cancelled',
    }
    for (const button of this.view.querySelectorAll('[data-do]')) {
      button.hidden = !visible[button.dataset.do]
      if (button.dataset.do === 'resume') button.textContent = phase === 'failed' ? 'Try again' : 'Resume'
    }
    const reached = { preparing: 0, sending: 1, completing: 1, confirming: 2, done: 3 }[phase]
    if (reached !== undefined) this.reached = reached
    this.steps(phase === 'failed' || phase === 'cancelled' ? 'failed' : 'now')
    if (phase !== 'sending') this.parts.figures.textContent = phase === 'paused' || phase === 'failed' ? this.share() : ''
  }

  steps(current) {
    const index = this.phase === 'ready' ? -1 : (this.reached ?? -1)
    this.view.querySelectorAll('.steps li').forEach((step, i) => {
      step.className = i < index ? 'done' : i === index ? current : ''
      if (step.className === 'now') step.setAttribute('aria-current', 'step')
      else step.removeAttribute('aria-current')
    })
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
    if (progress.phase !== this.phase && !['paused', 'cancelled', 'done', 'failed'].includes(progress.phase)) this.show(progress.phase)
    this.redraw ??= requestAnimationFrame(() => {
      this.redraw = undefined
      this.draw()
    })
  }

  draw() {
    const { loaded, total, retries } = this.progress
    this.parts.progress.value = this.phase === 'done' ? 1 : total ? loaded / total : 0
    if (this.phase !== 'sending') return
    const now = performance.now()
    if (!this.sampled || now - this.sampled.at > 400) {
      if (this.sampled && loaded > this.sampled.loaded) {
        const speed = ((loaded - this.sampled.loaded) / (now - this.sampled.at)) * 1000
        this.speed = this.speed ? this.speed * 0.6 + speed * 0.4 : speed
      }
      this.sampled = { at: now, loaded }
    }
    const rate = this.speed ? [`${bytes(this.speed)}/s`, `${duration((total - loaded) / this.speed)} left`] : []
    this.parts.figures.textContent = [this.share(), ...rate, retries && `${retries} sent again`].filter(Boolean).join(' · ')
  }

  // Many parts share a cell, so that there are never more than CELLS.
  makeCells(parts) {
    this.perCell = Math.ceil(parts / CELLS)
    this.partLoaded = new Float64Array(parts + 1)
    this.cells = parts > 1 ? Array.from({ length: Math.ceil(parts / this.perCell) }, () => document.createElement('i')) : []
    this.parts.cells.replaceChildren(...this.cells)
    this.parts.cells.hidden = !this.cells.length
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
    if (loaded >= size) cell.classList.remove('again')
    const sent = this.cells.filter((c) => c.classList.contains('sent')).length
    this.parts.cells.setAttribute('aria-label', `${Math.round((100 * sent) / this.cells.length)}% of ${parts} parts sent`)
  }

  failed(error) {
    this.show('failed')
    this.parts.fault.textContent = explain(error)
    this.parts.fault.hidden = false
    say(`${this.file.name} failed. ${error.message}`)
  }

  async succeeded(receipt) {
    this.show('done')
    this.parts.progress.value = 1
    this.parts.figures.textContent = bytes(receipt.size)
    this.showReceipt(receipt)
    say(`${this.file.name} is uploaded.`)
    this.waitForEvent(receipt)
  }

  showReceipt({ key, size, contentType, etag, crc64, eventId, uploadedAt, bucket }) {
    const rows = {
      Object: `${bucket}/${key}`,
      Size: `${size} bytes`,
      Type: contentType,
      ETag: etag,
      'CRC-64': crc64,
      Uploaded: uploadedAt,
      'Event id': eventId,
    }
    const list = this.parts.receipt.querySelector('dl')
    list.replaceChildren()
    for (const [name, value] of Object.entries(rows)) {
      const term = document.createElement('dt')
      const definition = document.createElement('dd')
      term.textContent = name
      definition.textContent = value
      list.append(term, definition)
    }
    this.parts.receipt.hidden = false
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
          ? 'Uploaded. The event arrived and its signature is right.'
          : 'Uploaded. The event arrived, but its signature is wrong.'
        this.parts.event.querySelector('pre').textContent = JSON.stringify(event.body, null, 2)
        this.parts.event.hidden = false
        return
      }
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
    this.steps('failed')
    this.parts.state.textContent = 'Uploaded. No event arrived.'
  }
}

// --- interrupted ----------------------------------------------------------

const same = (a, b) => a.name === b.name && a.size === b.size && a.lastModified === b.lastModified
const cards = []

// Uploads that no card of this page shows: an earlier visit left them.
function showInterrupted() {
  const left = interrupted(session.endpoint).filter((one) => !cards.some((card) => same(card.file, one)))
  byId('interrupted').hidden = !left.length
  byId('interrupted-list').replaceChildren(
    ...left.map((one) => {
      const view = byId('interrupted-template').content.cloneNode(true).firstElementChild
      view.querySelector('h3').textContent = one.name
      view.querySelector('.meta').textContent = bytes(one.size)
      const actions = {
        choose: () => byId('files').click(),
        discard: async () => {
          view.remove()
          await new Upload(one, { endpoint: session.endpoint, getToken: () => session.token }).cancel()
          say(`${one.name} is discarded.`)
          showInterrupted()
        },
      }
      for (const button of view.querySelectorAll('[data-do]')) {
        button.setAttribute('aria-label', `${button.textContent}: ${one.name}`)
        button.addEventListener('click', actions[button.dataset.do])
      }
      return view
    }),
  )
}

// --- choosing -------------------------------------------------------------

const chosenMethod = () => new FormData(byId('options')).get('method')

function add(files) {
  if (!session) return
  const left = interrupted(session.endpoint)
  for (const file of files) {
    // What was begun in parts goes on in parts.
    const card = new Card(file, left.some((one) => same(one, file)) ? 'multipart' : chosenMethod())
    cards.push(card)
    enqueue(card)
  }
  showInterrupted()
}

function showHint() {
  const method = chosenMethod()
  byId('method-hint').textContent = HINTS[method]
}

function listen() {
  byId('files').addEventListener('change', ({ target }) => {
    add([...target.files])
    target.value = '' // so that the same file can be chosen again
  })
  byId('options').addEventListener('change', showHint)

  // A file that is dropped beside the target must not replace the page.
  const drop = byId('drop')
  document.addEventListener('dragover', (event) => {
    event.preventDefault()
    event.dataTransfer.dropEffect = 'copy'
    drop.classList.add('over')
  })
  document.addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) drop.classList.remove('over')
  })
  document.addEventListener('drop', (event) => {
    event.preventDefault()
    drop.classList.remove('over')
    const items = [...event.dataTransfer.items]
    const files = items.filter((item) => item.kind === 'file' && !item.webkitGetAsEntry?.()?.isDirectory).map((item) => item.getAsFile())
    if (files.length < items.length) say('Folders are left out; drop the files in them.')
    add(files.filter(Boolean))
  })

  byId('faults').addEventListener('click', async ({ target }) => {
    const { target: where, operation, mode } = target.dataset
    if (!mode) return
    const answer = await fetch('/_local/faults', { method: 'POST', body: JSON.stringify({ target: where, operation, mode }) })
    byId('fault-said').textContent = answer.ok ? `${target.textContent}, next time.` : 'This could not be set.'
  })
}

async function main() {
  listen()
  mountExplain(byId('explain'))
  showHint()
  try {
    session = await getSession()
  } catch (error) {
    byId('problem').textContent = `The local stack gives this page no session: ${error.message}`
    byId('problem').hidden = false
    return
  }
  byId('where').textContent = `local stack · ${session.bucket} · ${session.region}`
  const uppy = byId('options').querySelector("[value='uppy']")
  uppy.disabled = !session.uppy
  byId('uppy-hint').hidden = session.uppy
  showInterrupted()
  document.documentElement.dataset.ready = 'true'
}

main()
