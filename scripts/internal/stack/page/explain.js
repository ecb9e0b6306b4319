// What went wrong with an upload, and what to do about it: of the XML of an OSS
// refusal, the JSON of a function's, the transcript of "curl -v", or the message of
// the browser's console. It is the logic of the Go package explain, with the same
// rules, and one table of cases holds the two equal. It asks nobody: what is pasted
// stays on this page.

import book from './explain-rules.js'

const STORAGE = 'storage'
const FUNCTION = 'function'
const SIGNATURE = 'x-oss-signature'

// --- texts ----------------------------------------------------------------

// In a text {name} stands for a fact, and what is between brackets is left out if
// one of its facts is not known.
function fill(text, facts) {
  return text
    .replace(/\[([^[\]]*)\]/g, (_, part) => ([...part.matchAll(/\{([a-z]+)\}/g)].every(([, name]) => facts[name]) ? part : ''))
    .replace(/\{([a-z]+)\}/g, (_, name) => facts[name] || '(unknown)')
}

const finding = (rule, facts = {}) => ({
  id: rule.id,
  symptom: fill(rule.symptom, facts),
  cause: fill(rule.cause, facts),
  mend: fill(rule.mend, facts),
})

// One line, short, and without anything that looks like a signature, a token or a
// signed URL.
function redact(text = '') {
  // eslint-disable-next-line no-control-regex
  text = text.replace(/[\x00-\x1f\x7f]+/g, ' ')
  text = text.replace(/https?:\/\/\S*\?\S*/g, '…').replace(/[A-Za-z0-9+/=_.%~-]{40,}/g, '…')
  const runes = [...text]
  return runes.length > 300 ? runes.slice(0, 300).join('') + '…' : text
}

// What may be long and is no secret, if it is what it should be.
const MEDIA_TYPE = /^[A-Za-z0-9!#$&^_.+-]{1,127}\/[A-Za-z0-9!#$&^_.+-]{1,127}(; ?charset=[A-Za-z0-9-]{1,20})?$/
const HOST = /^[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*(:\d{1,5})?$/
const mediaType = (text = '') => (MEDIA_TYPE.test(text) ? text : redact(text))
const hostOf = (text = '') => (HOST.test(text) ? text : redact(text))

function decode(text) {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function minutes(seconds) {
  if (seconds < 120) return `${seconds} s`
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)} minutes`
  return `${Math.floor(seconds / 3600)} hours`
}

const unix = (text) => Math.floor(Date.parse(text ?? '') / 1000) || 0
const clock = (seconds) => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
const whole = (pattern, value) => Boolean(pattern) && new RegExp(`^(?:${pattern})$`).test(value)

// --- reading --------------------------------------------------------------

function cut(text, separator) {
  const at = text.indexOf(separator)
  return at < 0 ? [text, '', false] : [text.slice(0, at), text.slice(at + separator.length), true]
}

const splitQuery = (query) =>
  query.split('&').filter(Boolean).map((part) => {
    const [name, value] = cut(part, '=')
    return { name, value }
  })

// A URL, taken apart and not decoded: how it is written is what is looked at.
function splitURL(text) {
  let host = ''
  const [, rest, absolute] = cut(text, '://')
  if (absolute) {
    const at = rest.search(/[/?]/)
    host = (at < 0 ? rest : rest.slice(0, at)).toLowerCase()
    text = at < 0 ? '' : rest.slice(at)
  }
  const [path, query] = cut(text, '?')
  return { host, path, query: splitQuery(query) }
}

const valueOf = (query, name) => query.find((p) => decode(p.name) === name)?.value

function parseGrant(text) {
  if (!text.trim()) return null
  let answer
  try {
    answer = JSON.parse(text)
  } catch {
    answer = null
  }
  if (!answer?.method || !answer.url) throw new Error('This is not the answer of POST /presign: it has no "method" and "url".')
  const headers = new Map(Object.entries(answer.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]))
  return { method: answer.method, url: splitURL(answer.url), headers, form: Boolean(answer.fields), ends: unix(answer.expiresAt) }
}

// Reads an answer, or the last exchange of a transcript.
function parseExchange(text) {
  let e = { request: null, status: '', date: 0, admits: false, document: '' }
  text = text.replaceAll('\r', '')
  for (const line of text.split('\n')) {
    let m
    if ((m = /^> ([A-Z]+) (\S+) HTTP\/[0-9.]+$/.exec(line))) {
      e = { request: { method: m[1], ...splitURL(m[2]), headers: new Map() }, status: '', date: 0, admits: false, document: '' }
    } else if ((m = /^> ([A-Za-z0-9-]+): ?(.*)$/.exec(line)) && e.request) {
      const name = m[1].toLowerCase()
      if (name === 'host') e.request.host = m[2].toLowerCase()
      e.request.headers.set(name, m[2])
    } else if ((m = /^< HTTP\/[0-9.]+ (\d{3})/.exec(line))) {
      if (m[1] !== '100') e.status = m[1]
    } else if ((m = /^< ([A-Za-z0-9-]+): ?(.*)$/.exec(line))) {
      const name = m[1].toLowerCase()
      if (name === 'date') e.date = unix(m[2])
      if (name === 'access-control-allow-origin') e.admits = true
      if (name === 'x-oss-err') e.document = fromBase64(m[2]) // of an answer to HEAD, which has no body
    }
  }
  e.refusal = parseRefusal(text, e)
  return e
}

function fromBase64(text) {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)))
  } catch {
    return ''
  }
}

// What a browser asks before it lets a page make its request.
const isPreflight = (e) => e.request?.method === 'OPTIONS'

// What else is in OSS's error may repeat what was signed.
const ELEMENTS = [
  'Code', 'Message', 'EC', 'RequestId', 'CanonicalRequest', 'Expires', 'ServerTime', 'BucketName', 'Endpoint', 'ArgumentName', 'AuthAction',
]

function parseRefusal(text, e) {
  const element = Object.fromEntries(ELEMENTS.map((name) => [name, elementOf(e.document || text, name)]))
  if (element.Code) {
    return { who: STORAGE, code: element.Code, ec: element.EC, message: element.Message, requestID: element.RequestId, element }
  }
  const problem = parseProblem(text)
  if (problem) {
    return { who: FUNCTION, code: problem.code, ec: '', message: problem.message ?? '', requestID: problem.requestId ?? '', element }
  }
  const bare = { who: '', code: '', ec: '', message: '', requestID: '', element }
  for (const { who, pattern } of book.told) {
    const m = new RegExp(pattern).exec(text)
    if (m) return { ...bare, who, code: m[1], message: m[2] ?? '', ec: m[3] ?? '' }
  }
  // Without a body, as where only the headers were kept, the status is all there is.
  if (e.status === '203') return { ...bare, who: STORAGE, code: 'CallbackFailed' }
  if (isPreflight(e) && e.status === '403' && asker(e.request, null) === STORAGE) return { ...bare, who: STORAGE, code: 'AccessForbidden', message: 'CORS' }
  return bare
}

function parseProblem(text) {
  const found = /^[^<>*{\n]*(\{"code".*\})[^\S\n]*$/m.exec(text)
  if (!found) return null
  try {
    const problem = JSON.parse(found[1])
    return problem.code ? problem : null
  } catch {
    return null
  }
}

// The text of the first element of a name. A document may be cut, or stand between
// the lines of a transcript.
function elementOf(text, name) {
  const [, rest, begun] = cut(text, `<${name}>`)
  const [value, , ended] = cut(rest, `</${name}>`)
  return begun && ended ? unescape(value) : ''
}

const ENTITIES = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

function unescape(text) {
  return text.replace(/&(#x?[0-9A-Fa-f]+|lt|gt|amp|quot|apos);/g, (entity, name) => {
    if (ENTITIES[name]) return ENTITIES[name]
    const number = name.startsWith('#x') ? parseInt(name.slice(2), 16) : Number(name.slice(1))
    return number <= 0x10ffff ? String.fromCodePoint(number) : entity
  })
}

// The six parts of OSS's canonical request: method, path, query, one line for each
// signed header, an empty line, names of additional headers, UNSIGNED-PAYLOAD.
function parseCanonical(text) {
  const lines = text.trim().split('\n')
  if (lines.length < 3) return null
  const headers = new Map()
  for (const line of lines.slice(3)) {
    const [name, value, ok] = cut(line, ':')
    if (!ok) break
    headers.set(name, value)
  }
  return { method: lines[0], ...splitURL(lines[1]), query: splitQuery(lines[2]), headers }
}

// --- comparing ------------------------------------------------------------

const signedByDefault = (name) => name === 'content-type' || name === 'content-md5' || name.startsWith('x-oss-')
const names = (headers) => [...headers.keys()].sort()

// What was sent otherwise than it was granted. Sent is OSS's own word for it if
// there is one, else what a transcript says.
function differences(grant, e) {
  const canonical = Boolean(e.refusal.element.CanonicalRequest)
  const sent = canonical ? parseCanonical(e.refusal.element.CanonicalRequest) : e.request
  const found = []
  if (!sent) return found
  const add = (id, facts) => found.push(finding(book.differences.find((rule) => rule.id === id), facts))
  if (sent.query.some((p) => decode(p.name).startsWith('amp;'))) {
    add('query-entities')
    return found
  }
  if (!grant) return found
  const c = { grant, sent, canonical, add }
  if (sent.method !== grant.method) add('method', { signed: grant.method, sent: redact(sent.method) })
  comparePlace(c, e.request)
  if (!grant.form && !found.length) {
    compareQuery(c)
    compareHeaders(c)
  }
  if (!found.length && e.refusal.code === 'SignatureDoesNotMatch' && !grant.form) {
    const length = sent.headers.get('content-length')
    if (length && additional(grant).includes('content-length')) add('length', { sent: redact(length) })
    else add('same')
  }
  return found
}

function comparePlace({ grant, sent, canonical, add }, transcript) {
  if (transcript?.host && transcript.host !== grant.url.host) {
    add('host', { signed: hostOf(grant.url.host), sent: hostOf(transcript.host) })
    return
  }
  const signed = decode(grant.url.path)
  const same = (path) => path === signed || (canonical && path.endsWith(signed))
  const path = decode(sent.path)
  if (same(path)) return
  add(same(decode(path)) ? 'path-encoded' : 'path')
}

function compareQuery({ grant, sent, canonical, add }) {
  const granted = grant.url.query.filter((p) => !canonical || p.name !== SIGNATURE)
  const missing = granted.length - sent.query.length
  if (!canonical && sent.query.length && missing > 0 && sent.query.every((p, i) => p.name === granted[i].name)) {
    add('query-cut', { count: String(missing) })
    return
  }
  for (const p of granted) {
    const value = valueOf(sent.query, decode(p.name))
    const facts = { name: redact(decode(p.name)) }
    const [was, is] = [decode(p.value), decode(value ?? '')]
    if (value === undefined) add('query-missing', facts)
    else if (is === was) continue
    else add(decode(is) === was || is === decode(was) ? 'query-encoded' : 'query-changed', facts)
  }
  for (const p of sent.query) {
    if (valueOf(grant.url.query, decode(p.name)) === undefined) add('query-added', { name: redact(decode(p.name)) })
  }
}

function additional(grant) {
  return decode(valueOf(grant.url.query, 'x-oss-additional-headers') ?? '').split(';').filter(Boolean)
}

function compareHeaders({ grant, sent, canonical, add }) {
  for (const name of names(grant.headers).filter(signedByDefault)) {
    const signed = grant.headers.get(name).trim()
    const value = sent.headers.get(name)?.trim()
    const type = name === 'content-type'
    if (value === signed) continue
    if (type) add(value === undefined ? 'type-missing' : 'type-changed', { signed: mediaType(signed), sent: mediaType(value) })
    else add(value === undefined ? 'header-missing' : 'header-changed', { name: redact(name) })
  }
  for (const name of names(sent.headers).filter((n) => signedByDefault(n) && !grant.headers.has(n))) {
    if (name === 'content-type') add('type-added', { sent: mediaType(sent.headers.get(name)) })
    else add('header-added', { name: redact(name) })
  }
  if (!canonical && !sent.headers.has('content-length') && additional(grant).includes('content-length')) add('length-missing')
}

// --- refusals -------------------------------------------------------------

function ruleOf(refusal) {
  const said = { said: redact(refusal.message) }
  for (const rule of book.refusals.filter((r) => r.who === refusal.who)) {
    if (rule.ec && whole(rule.ec, refusal.ec)) return [rule, said]
    if (rule.code && !whole(rule.code, refusal.code)) continue
    if (!rule.message) {
      if (!rule.ec) return [rule, said]
      continue
    }
    const groups = new RegExp(rule.message, 'i').exec(refusal.message)
    if (groups) return [rule, Object.assign(said, Object.fromEntries((rule.facts ?? []).map((name, i) => [name, redact(groups[i + 1])])))]
  }
  return []
}

function refused(e, grant) {
  const [rule, facts] = ruleOf(e.refusal)
  const { element } = e.refusal
  const known = {
    status: e.status, code: e.refusal.code, ec: e.refusal.ec, bucket: element.BucketName,
    argument: element.ArgumentName, action: element.AuthAction, request: e.refusal.requestID, header: 'Authorization',
  }
  for (const [name, value] of Object.entries(known)) facts[name] ||= redact(value)
  facts.endpoint = hostOf(element.Endpoint)
  const sent = element.CanonicalRequest ? parseCanonical(element.CanonicalRequest) : null
  if (sent) Object.assign(facts, { method: redact(sent.method), headers: names(sent.headers).map(redact).join(', ') })
  const ends = unix(element.Expires) || grant?.ends || 0
  const server = unix(element.ServerTime) || e.date
  if (ends) facts.expires = clock(ends)
  if (server) facts.server = clock(server)
  if (ends && server > ends) facts.late = minutes(server - ends)
  return finding(rule, facts)
}

// What is no answer: a browser's message, or curl's.
function elsewhere(text, e, grant) {
  const exit = /curl: \((\d+)\)/.exec(text)
  const rule = exit && book.curl.find((r) => whole(r.exit, exit[1]))
  if (rule) return [finding(rule)]
  if (e.request) return []
  if (!/CORS|Access-Control-Allow-Origin/i.test(text)) {
    return /Failed to fetch|NetworkError|Load failed|net::ERR_FAILED/i.test(text) ? [finding(pageRule('', 'network'))] : []
  }
  const origin = redact(/from origin '([^']{1,100})'/i.exec(text)?.[1])
  const url = (text.match(/https?:\/\/[^\s'"’)<>]+/g) ?? []).find((u) => u.replace(/\/+$/, '') !== origin)
  return [finding(pageRule(text, url ? asker(splitURL(url), grant) : ''), { origin })]
}

const pageRule = (text, who) =>
  book.pages.find((r) => r.message && new RegExp(r.message, 'i').test(text)) ??
  book.pages.find((r) => !r.message && (r.origin ?? '') === who)

// Whose address a page asked.
function asker(url, grant) {
  const signed = [SIGNATURE, 'x-oss-credential'].some((name) => valueOf(url.query, name) !== undefined)
  if (url.host === grant?.url.host || url.host.includes('.aliyuncs.com') || signed) return STORAGE
  return /\/(presign|download|sts|session|confirm|s3|c)(\/|\?|$)/.test(`${url.path}?`) ? FUNCTION : ''
}

// Explains a refusal, and names what was sent otherwise than it was granted.
function answered(e, grant) {
  const { who, code, message } = e.refusal
  const found = who === FUNCTION || isPreflight(e) ? [] : differences(grant, e)
  // What differs may explain it all, so that beside it there is nothing to say.
  const explained =
    whole('SignatureDoesNotMatch|InvalidArgument|MethodNotAllowed|InvalidAccessKeyId', code) || message.includes('Anonymous access')
  if (who && !(found.length && explained)) found.push(refused(e, grant))
  return found
}

// Says what is wrong with text. presign is the answer of POST /presign, or empty.
// There is always a finding: [{id, symptom, cause, mend}].
export function explain(text, presign = '') {
  const grant = parseGrant(presign)
  const e = parseExchange(text)
  let found = answered(e, grant)
  if (!found.length && isPreflight(e) && e.status && !e.admits) {
    found = [finding(pageRule('', asker(e.request, grant)), { origin: redact(e.request.headers.get('origin')) })]
  }
  if (!found.length) found = elsewhere(text, e, grant)
  return found.length ? found : [finding(book.nothing)]
}

// --- the box --------------------------------------------------------------

// Makes the box in an empty element of the page.
export function mountExplain(into) {
  const make = (name, properties, ...children) => {
    const element = Object.assign(document.createElement(name), properties)
    element.append(...children)
    return element
  }
  const field = (label, rows) => {
    const area = make('textarea', { rows, spellcheck: false, autocomplete: 'off' })
    return [area, make('label', { className: 'explain-field' }, make('span', { textContent: label }), area)]
  }
  const [text, textField] = field('What was answered: the XML or JSON of a refusal, all of “curl -v”, or the message of the console', 8)
  const [presign, presignField] = field('The answer of POST /presign, if it is at hand', 3)
  const list = make('ol', { className: 'explain-findings' })
  const show = () => {
    list.replaceChildren()
    if (!text.value.trim()) return
    let found
    try {
      found = explain(text.value, presign.value)
    } catch (error) {
      list.append(make('li', {}, make('strong', { textContent: error.message })))
      return
    }
    for (const { symptom, cause, mend } of found) {
      list.append(make('li', {}, make('strong', { textContent: symptom }), make('p', { textContent: cause }), make('p', { textContent: mend })))
    }
  }
  for (const area of [text, presign]) area.addEventListener('input', show)
  const command = make('code', { textContent: 'go run ./scripts/explain' })
  const hint = make('p', { className: 'hint' }, 'What is pasted here is sent nowhere. ', command, ' says the same.')
  const summary = make('summary', { textContent: 'Explain an error' })
  into.append(make('details', { className: 'explain' }, summary, hint, textField, presignField, make('div', { role: 'status' }, list)))
}
