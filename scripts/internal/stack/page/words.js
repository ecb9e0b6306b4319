// What the page says: of sizes, times, requests and refusals.

export function bytes(n) {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB']
  let unit = 0
  while (n >= 1000 && unit < units.length - 1) {
    n /= 1000
    unit++
  }
  return `${unit && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`
}

export function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`
  return `${(seconds / 3600).toFixed(1)} h`
}

export const HINTS = {
  auto: 'PUT below 16 MiB, multipart from there on.',
  put: 'One presigned PUT. OSS calls back and answers with the receipt.',
  form: 'One POST form with a signed policy. OSS calls back and answers with the receipt.',
  multipart: 'Parts in parallel. It goes on after a pause, a fault or a reload.',
  uppy: 'The published @uppy/aws-s3, against the same routes.',
}

export const STATES = {
  ready: 'Waiting',
  preparing: 'Asking for a grant',
  sending: 'Sending',
  completing: 'Putting the parts together',
  confirming: 'Stored, asking for the receipt',
  offline: 'Offline. It goes on when the browser is back.',
  paused: 'Paused',
  done: 'Uploaded',
  failed: 'Failed',
  cancelled: 'Cancelled',
}

// Refusals that the same file meets again.
const FINAL = ['invalid_request', 'invalid_json', 'forbidden', 'too_large', 'unsupported_media_type', 'file_changed']

/** Whether trying again can help. */
export const isFinal = (error) => FINAL.includes(error.code)

const NEVER = 'HTML, XML, SVG or scripts' // by a wildcard

/** What the functions take, in words. */
export function policyOf({ types, maxSize }) {
  const listed = types.split(',').map((t) => t.trim())
  const what = listed.includes('*/*') ? `Any file but ${NEVER}` : `Allowed: ${listed.join(', ')}`
  return `${what}, up to ${bytes(Number(maxSize))}.`
}

function allowed({ field }, { types, maxSize }) {
  if (field === 'contentType' || field === 'type') {
    return ` Allowed: ${types.split(',').join(', ')}${types.includes('*') ? `. A wildcard never covers ${NEVER}` : ''}.`
  }
  return field === 'size' ? ` Allowed: up to ${bytes(Number(maxSize))}.` : ''
}

/** An error in full, with what is allowed where something is forbidden. */
export function explain(error, policy) {
  const details = Array.isArray(error.details) ? error.details : []
  const fields = details.filter((d) => d.field && !error.message.includes(d.reason)).map((d) => `${d.field} ${d.reason}`)
  const text = fields.length ? `${error.message} ${fields.join('; ')}.` : error.message
  const instead = [...new Set(details.map((d) => allowed(d, policy)))].join('')
  const again = error.code === 'file_changed' ? ' Choose it again.' : ''
  const traces = [error.code, error.requestId].filter(Boolean).join(', ')
  return `${text}${instead}${again}${traces && ` (${traces})`}`
}

/** A fault that was got over, in a few words. */
export function brief(fault) {
  const { code, status, details } = fault
  if (code === 'network') return details?.why === 'unreachable' ? 'could not be reached' : 'the connection broke'
  if (code === 'callback_failed') return 'the callback failed, /confirm made up for it'
  if (code === 'offline') return 'the browser was offline'
  return `${details?.code ?? code} (${status})`
}
