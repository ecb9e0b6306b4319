// What went wrong, in one line that ends with what mends it. No line holds a
// token, a signature or a URL.

/** What went wrong; callers branch on `code`. */
export class UploadError extends Error {
  constructor(code, message, { status = 0, requestId, details, cause } = {}) {
    super(message, cause && { cause })
    this.name = 'UploadError'
    Object.assign(this, { code, status, requestId, details })
  }
}

export const cancelled = () => new UploadError('cancelled', 'The upload was cancelled.')

export function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const hostOf = (url) => new URL(url, globalThis.location?.href).host

// --- no answer ------------------------------------------------------------

/** Of a request that got no answer; why is what diagnose found. */
export function lost(why, { method, url, headers, storage }) {
  const host = hostOf(url)
  const origin = globalThis.location?.origin ?? 'this page'
  const names = Object.keys(headers ?? {}).join(', ')
  const text = {
    offline: 'The browser is offline. The upload goes on when it is back.',
    unreachable: `${host} cannot be reached. Check its name and certificate, and what may block it: a firewall, an extension, this page's Content-Security-Policy (connect-src).`,
    broken: `The connection to ${host} broke before an answer came.`,
    cors: storage
      ? `The bucket's CORS rule does not let ${origin} send ${method}${names && ` with ${names}`}. Add one: origin ${origin}, methods PUT, POST and GET, headers *, exposed ETag (go run ./scripts/bucket -apply).`
      : `${host} answers, and not to ${origin} (CORS). Add it to CORS_ORIGINS of the functions. If it is there, something in front of them answers for them: look into its log.`,
  }[why]
  return new UploadError(why === 'cors' || why === 'offline' ? why : 'network', text, { details: { host, why } })
}

// --- refusals of the functions --------------------------------------------

/** Of an answer of the functions. */
export function refused({ status, text, header }, { method, route }) {
  const json = parse(text)
  if (json?.code) {
    let { message } = json
    // The challenge of RFC 6750 says more than older functions do.
    const [, why] = /error_description="([^"]*)"/.exec((status === 401 && header?.('WWW-Authenticate')) || '') ?? []
    if (why && !message.includes(why)) message += ` (${why})`
    return new UploadError(json.code, message, { ...json, status })
  }
  // FC's own errors are {RequestId, Code, Message}.
  const what = `${method} ${route} was answered ${status}${json?.Code ? ` (${json.Code})` : ''}, and not by the functions.`
  const mend =
    status >= 500
      ? 'A gateway says that a function failed or took too long: look into the log of both.'
      : status === 401 || status === 403
        ? 'Something in front of them refuses: let it pass requests on with their Authorization.'
        : 'Check `endpoint`, and where the gateway sends this path.'
  return new UploadError('bad_answer', `${what} ${mend}`, { status })
}

/** Of an answer with 2xx that is none of ours. */
export const strange = (status, { method, route }, lacks) =>
  new UploadError('bad_answer', `${method} ${route} was answered ${status} without ${lacks}. Check \`endpoint\`, and what changes answers on their way.`, { status })

// --- refusals of OSS ------------------------------------------------------

const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

const unescape = (xml) =>
  xml.replace(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, (all, hex, decimal, name) =>
    name ? (ENTITIES[name] ?? all) : String.fromCodePoint(hex ? parseInt(hex, 16) : Number(decimal)),
  )

const element = (xml, name) => {
  const [, text] = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml) ?? []
  return text === undefined ? undefined : unescape(text)
}

const decoded = (text) => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

// OSS signs these of every request, whether the grant has them or not.
const signedAlways = (name) => name === 'content-type' || name === 'content-md5' || name.startsWith('x-oss-')

/**
 * What differs between a request and what OSS says it got, in words; undefined if
 * nothing does. OSS says it in its canonical request:
 *
 *   PUT
 *   /bucket/key
 *   x-oss-date=…&…
 *   content-length:5
 *   content-type:text/plain
 *                             ← an empty line
 *   content-length            ← headers that are signed besides
 *   UNSIGNED-PAYLOAD
 */
export function difference(canonical, { method, url, headers = {}, size }) {
  const [verb, path, query, ...lines] = canonical.split('\n')
  const got = new Map(
    lines.slice(0, Math.max(0, lines.indexOf(''))).map((line) => {
      const at = line.indexOf(':')
      return [line.slice(0, at), line.slice(at + 1).trim()]
    }),
  )
  const granted = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value).trim()]))
  if (got.has('content-length') && size !== undefined) granted.set('content-length', String(size))
  for (const [name, value] of granted) {
    if (!got.has(name)) {
      if (signedAlways(name)) return `the header ${name} did not arrive`
    } else if (got.get(name) !== value) return `the header ${name} arrived as "${got.get(name)}" and was granted as "${value}"`
  }
  for (const [name, value] of got) {
    if (signedAlways(name) && !granted.has(name)) return `the header ${name}: "${value}" was added`
  }
  if (verb !== method) return `the method arrived as ${verb} and was granted as ${method}`
  const sent = new URL(url, globalThis.location?.href)
  if (!decoded(path).endsWith(decoded(sent.pathname))) return 'the path is another than the one that was granted'
  const arrived = new URLSearchParams(query.replaceAll('+', '%2B'))
  for (const [name, value] of new URLSearchParams(sent.search.replaceAll('+', '%2B'))) {
    if (name !== 'x-oss-signature' && arrived.get(name) !== value) return `the query parameter ${name} is another than the one that was granted`
  }
  return undefined
}

// What mends a refusal, by OSS's code.
const MENDS = {
  AccessDenied: "The role of the functions may not write there, or the bucket's policy forbids it.",
  CallbackFailed: 'OSS must reach CALLBACK_URL and be answered 200 within 5 s: look into the log of callback.',
  EntityTooLarge: 'The file has more bytes than were granted.',
  InvalidAccessKeyId: 'The credentials of the functions are gone: check their role.',
  InvalidSecurityToken: 'The credentials of the functions are not valid: check their role.',
  NoSuchBucket: 'Check OSS_BUCKET and OSS_ENDPOINT of the functions.',
  PublicEndpointForbidden: 'Give the bucket a domain of its own: OSS_ENDPOINT with OSS_CNAME.',
  RequestTimeTooSkewed: 'The clock of the functions is wrong.',
  SecurityTokenExpired: 'The credentials of the functions have ended: check their role.',
}

function mendOf(code, xml, request) {
  if (code === 'SignatureDoesNotMatch') {
    const canonical = element(xml, 'CanonicalRequest')
    const what = canonical && difference(canonical, request)
    if (what) return `On its way ${what}: a service worker, an extension or a proxy changes the request.`
    if (canonical) return 'It arrived as it was granted: the functions signed with credentials, a region or a bucket that OSS has otherwise. Check their role, OSS_REGION and OSS_BUCKET.'
    return 'Something on the way changed the request, or the functions signed with credentials that OSS does not know.'
  }
  const ended = element(xml, 'Expires')
  const now = element(xml, 'ServerTime')
  if (code === 'AccessDenied' && ended && now) {
    return `The URL ended at ${ended}; by OSS's clock it is ${now}. If it was new, the clock of the functions is wrong.`
  }
  return MENDS[code]
}

/** Of an answer of OSS: <Error><Code>AccessDenied</Code><Message>…</Message><RequestId>…</RequestId>… */
export function refusedByStorage({ status, text }, request) {
  const code = element(text, 'Code')
  if (!code) {
    return new UploadError('bad_answer', `${hostOf(request.url)} answered ${status}, and not as OSS does. Check OSS_ENDPOINT, and what stands in front of the bucket.`, { status })
  }
  const said = code === 'CallbackFailed' ? element(text, 'Message') : undefined
  const mend = mendOf(code, text, request)
  return new UploadError(
    code === 'CallbackFailed' ? 'callback_failed' : 'storage_refused',
    [`OSS says ${code} (${said ?? status}).`.replace('.).', ').'), mend].filter(Boolean).join(' '),
    { status, requestId: element(text, 'RequestId'), details: { code } },
  )
}
