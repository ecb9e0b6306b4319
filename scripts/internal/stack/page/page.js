// The page of the local stack: files to upload, what became of them, and what
// earlier visits left.

import { Card } from './card.js'
import { mountExplain } from './explain.js'
import { interrupted, Upload } from './ossupload.js'
import { bytes, duration, HINTS, policyOf } from './words.js'

const AT_ONCE = 3 // files

const byId = (id) => document.getElementById(id)
const say = (text) => {
  byId('say').textContent = text
}

// --- session --------------------------------------------------------------

let session

async function renewed() {
  const answer = await fetch('/_local/session')
  if (!answer.ok) throw new Error(await answer.text())
  session = await answer.json()
  return session
}

// --- queue ----------------------------------------------------------------

const cards = []
const waiting = []
let running = 0

function queue(card) {
  waiting.push(card)
  startNext()
}

function unqueue(card) {
  const at = waiting.indexOf(card)
  if (at >= 0) waiting.splice(at, 1)
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

function removed(card) {
  cards.splice(cards.indexOf(card), 1)
  byId('uploads').hidden = !cards.length
  showTotals()
  showInterrupted()
}

const page = {
  get session() {
    return session
  },
  renewed,
  say,
  queue,
  unqueue,
  changed: showTotals,
  settled: showInterrupted,
  removed,
}

// --- totals ---------------------------------------------------------------

let drawing

function showTotals() {
  drawing ??= requestAnimationFrame(() => {
    drawing = undefined
    drawTotals()
  })
}

function drawTotals() {
  const among = (...phases) => cards.filter((card) => phases.includes(card.phase))
  const [done, failed, paused] = [among('done').length, among('failed').length, among('paused').length]
  const counted = cards.filter((card) => card.phase !== 'cancelled')
  const sum = (of) => counted.reduce((total, card) => total + of(card), 0)
  const [loaded, total, speed] = [sum((c) => c.loaded), sum((c) => c.file.size), sum((c) => (c.phase === 'sending' && c.speed) || 0)]
  byId('totals').hidden = cards.length < 2
  byId('totals-bar').value = total ? loaded / total : 0
  byId('totals-count').textContent = [`${done} of ${counted.length} done`, failed && `${failed} failed`, paused && `${paused} paused`].filter(Boolean).join(' · ')
  const rate = speed ? [`${bytes(speed)}/s`, `${duration((total - loaded) / speed)} left`] : []
  byId('totals-bytes').textContent = [`${bytes(loaded)} of ${bytes(total)}`, ...rate].join(' · ')
  byId('clear').disabled = !among('done', 'cancelled').length
}

function clearDone() {
  const gone = cards.filter((card) => card.phase === 'done' || card.phase === 'cancelled')
  for (const card of gone) card.remove()
  say(`${gone.length} uploads are cleared from the list. Their objects stay.`)
  byId('files').focus()
}

// --- interrupted ----------------------------------------------------------

const same = (a, b) => a.name === b.name && a.size === b.size && a.lastModified === b.lastModified

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
          byId('files').focus()
          await new Upload(one, { endpoint: session.endpoint, tokenHeader: session.tokenHeader, getToken: () => session.token }).cancel()
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
  if (!session || !files.length) return
  const left = interrupted(session.endpoint)
  // What was begun in parts goes on in parts.
  const added = files.map((file) => new Card(file, left.some((one) => same(one, file)) ? 'multipart' : chosenMethod(), page))
  cards.unshift(...added)
  byId('upload-list').prepend(...added.map((card) => card.view))
  byId('uploads').hidden = false
  added.forEach(queue)
  showTotals()
  showInterrupted()
}

function showHint() {
  byId('method-hint').textContent = HINTS[chosenMethod()]
}

function listen() {
  byId('files').addEventListener('change', ({ target }) => {
    add([...target.files])
    target.value = '' // so that the same file can be chosen again
  })
  byId('options').addEventListener('change', showHint)
  byId('clear').addEventListener('click', clearDone)
  // What stalls draws nothing by itself.
  setInterval(() => cards.forEach((card) => card.running && card.draw()), 1000)

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

// What the functions do not do cannot be chosen.
function offerMethods() {
  const methods = (session.methods || 'put,form,multipart').split(',').map((m) => m.trim())
  for (const input of byId('options').querySelectorAll('input')) {
    if (input.value === 'uppy') input.disabled = !session.uppy
    else if (input.value !== 'auto') input.disabled = !methods.includes(input.value)
  }
  byId('uppy-hint').hidden = session.uppy
}

async function main() {
  listen()
  mountExplain(byId('explain'))
  showHint()
  try {
    await renewed()
  } catch (error) {
    byId('problem').textContent = `The local stack gives this page no session: ${error.message}`
    byId('problem').hidden = false
    return
  }
  byId('where').textContent = `local stack · ${session.bucket} · ${session.region}`
  byId('policy').textContent = policyOf(session)
  offerMethods()
  showInterrupted()
  document.documentElement.dataset.ready = 'true'
}

main()
