/**
 * An element that uploads what is chosen or dropped on it:
 *
 *   <oss-upload endpoint="https://api.example.com" token="/upload-token" name="photo" multiple></oss-upload>
 *
 * Attributes: endpoint, the base URL of the functions; token, a URL of yours that
 * answers a POST with the caller's token; name, multiple, accept, disabled and
 * required, as those of an input. In a form its value is the receiptToken of each
 * upload, or its key where the functions give none: believe the event, not the key.
 *
 * Events, all bubbling: "receipt" with the receipt as its detail, "failure" with
 * the UploadError. The form cannot be sent while something is being uploaded.
 */
import { Upload } from './ossupload.js'

const style = `
  :host { display: block; font: inherit }
  :host([hidden]) { display: none }
  label { display: block; padding: 1.25em; border: 1px dashed currentColor; border-radius: .5em; text-align: center; cursor: pointer }
  label:focus-within, label.over { outline: 2px solid Highlight; outline-offset: 2px }
  input { position: absolute; opacity: 0; inline-size: 1px; block-size: 1px }
  ul { margin: .5em 0 0; padding: 0; list-style: none }
  li { display: grid; grid-template-columns: 1fr auto auto; gap: .25em .75em; padding: .25em 0; align-items: center }
  .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
  progress, .says { grid-column: 1 / -1; inline-size: 100% }
  button { font: inherit }`

/** Gives an upload's phase in words. */
function says({ phase, loaded, total, offline, fault }) {
  if (offline) return 'offline, goes on by itself'
  if (phase === 'sending') return `${total ? Math.floor((100 * loaded) / total) : 0} %${fault ? ', again after a fault' : ''}`
  return { ready: 'waits', preparing: 'begins', completing: 'being checked', confirming: 'being confirmed', done: 'uploaded' }[phase] ?? phase
}

export class OssUpload extends HTMLElement {
  static formAssociated = true
  #internals = this.attachInternals()
  #input
  #list
  #uploads = new Map() // {upload} or, when it is done, {receipt}, by the row that shows it

  constructor() {
    super()
    const root = this.attachShadow({ mode: 'open', delegatesFocus: true })
    root.innerHTML = `<style>${style}</style><label part="drop"><input type="file"><slot>Choose files, or drop them here</slot></label><ul part="list" aria-live="polite"></ul>`
    this.#input = root.querySelector('input')
    this.#list = root.querySelector('ul')
    const label = root.querySelector('label')
    this.#input.addEventListener('change', () => {
      this.add(this.#input.files)
      this.#input.value = '' // so that the same file can be chosen again
    })
    for (const type of ['dragenter', 'dragover', 'dragleave', 'drop']) {
      label.addEventListener(type, (event) => {
        event.preventDefault()
        label.classList.toggle('over', type === 'dragenter' || type === 'dragover')
        if (type === 'drop' && !this.#input.disabled) this.add(event.dataTransfer.files)
      })
    }
  }

  static observedAttributes = ['multiple', 'accept', 'disabled', 'required']
  attributeChangedCallback(name, _, value) {
    if (name === 'accept') this.#input.accept = value ?? ''
    else if (name !== 'required') this.#input[name] = value !== null
    this.#validate()
  }
  /** An element that is moved leaves the page and comes back, and so do its uploads. */
  connectedCallback() {
    for (const { upload } of this.#uploads.values()) if (upload?.phase === 'paused') upload.resume().catch(() => {}) // as told below
    this.#validate()
  }
  disconnectedCallback() {
    for (const { upload } of this.#uploads.values()) upload?.pause()
  }
  formResetCallback() {
    for (const row of [...this.#uploads.keys()]) this.#remove(row)
  }
  formDisabledCallback(disabled) {
    this.#input.disabled = disabled || this.hasAttribute('disabled')
  }

  /** The receipts of what is uploaded, in the order of choosing. */
  get receipts() {
    return [...this.#uploads.values()].flatMap(({ receipt }) => receipt ?? [])
  }

  /** Uploads files; one at most, in place of the last, unless the element is `multiple`. */
  add(files) {
    const several = this.hasAttribute('multiple')
    for (const file of several ? files : [...files].slice(0, 1)) {
      if (!several) this.formResetCallback()
      this.#start(file)
    }
  }

  #start(file) {
    const row = document.createElement('li')
    row.innerHTML = `<span class="name"></span><button type="button" class="again" hidden>Try again</button><button type="button" class="remove">Remove</button><progress max="1" value="0"></progress><span class="says"></span>`
    const part = (name) => row.querySelector(name)
    part('.name').textContent = file.name
    part('.remove').setAttribute('aria-label', `Remove ${file.name}`)
    part('.again').setAttribute('aria-label', `Try ${file.name} again`)
    part('progress').setAttribute('aria-label', file.name)
    this.#list.append(row)
    const upload = new Upload(file, {
      endpoint: this.getAttribute('endpoint') || undefined,
      getToken: () => this.#token(),
      onProgress: (progress) => {
        part('progress').value = progress.phase === 'done' || !progress.total ? Number(progress.phase === 'done') : progress.loaded / progress.total
        part('.says').textContent = says(progress)
      },
    })
    this.#uploads.set(row, { upload })
    const run = async () => {
      part('.again').hidden = true
      this.#validate()
      try {
        const receipt = await upload.start()
        this.#uploads.set(row, { receipt })
        this.#tell('receipt', receipt)
      } catch (error) {
        if (error.code === 'cancelled') return
        part('.says').textContent = error.message
        part('.again').hidden = false
        this.#tell('failure', error)
      }
      this.#validate()
    }
    part('.again').addEventListener('click', run)
    part('.remove').addEventListener('click', () => this.#remove(row))
    run()
  }

  /** Takes a file out of the form. What is stored stays. */
  #remove(row) {
    this.#uploads.get(row)?.upload?.cancel()
    this.#uploads.delete(row)
    row.remove()
    this.#validate()
    this.#input.focus()
  }

  async #token() {
    const url = this.getAttribute('token')
    if (!url) return undefined
    const answer = await fetch(url, { method: 'POST' })
    if (!answer.ok) throw new Error(`${new URL(url, document.baseURI).pathname} answered ${answer.status}: no token for the upload`)
    return (await answer.text()).trim()
  }

  /** Brings the form's value and whether it may be sent up to date. */
  #validate() {
    const name = this.getAttribute('name')
    const value = new FormData()
    for (const { receiptToken, key } of this.receipts) value.append(name ?? '', receiptToken ?? key)
    this.#internals.setFormValue(name && this.receipts.length > 0 ? value : null)
    const rest = this.#uploads.size - this.receipts.length
    if (rest > 0) this.#internals.setValidity({ customError: true }, 'Wait for the upload, or remove it.', this.#input)
    else if (this.hasAttribute('required') && this.#uploads.size === 0) this.#internals.setValidity({ valueMissing: true }, 'Choose a file.', this.#input)
    else this.#internals.setValidity({})
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true }))
  }
}

customElements.define('oss-upload', OssUpload)
