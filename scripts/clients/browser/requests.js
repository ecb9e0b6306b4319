// Requests of a browser, and why one got no answer.

import { cancelled } from './errors.js'

const STALL = 60_000 // ms without a byte or an answer
const PROBE = 5_000 // ms

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

/**
 * One request. Status 0 means that no answer came: the request may have been
 * carried out all the same. It rejects only when signal does.
 */
export const send = (method, url, { headers = {}, body, onLoaded, signal }) =>
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
      resolve({ status, text: responseText, header: (name) => xhr.getResponseHeader(name) })
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

/** Milliseconds to wait after failure 0, 1, 2, …: doubling, half of it chance. */
export function backoff(attempt, random = Math.random) {
  return Math.min(30_000, 500 * 2 ** attempt) * (0.5 + random() / 2)
}

export const wait = (ms, signal) =>
  until(signal, (resolve) => {
    const timer = setTimeout(resolve, ms)
    return () => clearTimeout(timer)
  })

/** Waits until the browser is online. */
export const online = (signal) =>
  until(signal, (resolve) => {
    addEventListener('online', resolve)
    if (navigator.onLine !== false) resolve()
    return () => removeEventListener('online', resolve)
  })

/**
 * Why a request got no answer, as far as a browser lets a page know:
 *
 * - `offline`
 * - `unreachable`: the host does not answer at all
 * - `cors`: it answers, and keeps its answers from this page
 * - `broken`: it answers this page too; the request met with an accident
 *
 * What is sent for that changes nothing anywhere: it is refused, or reads
 * nothing.
 */
export async function diagnose({ method, url, probe = url, headers, storage }, signal) {
  const { origin, pathname, href } = new URL(probe, globalThis.location?.href)
  try {
    // Without CORS the answer cannot be read; that one came is enough.
    await fetch(origin + pathname, { method: 'HEAD', mode: 'no-cors', credentials: 'omit', cache: 'no-store', signal: AbortSignal.any([signal, AbortSignal.timeout(PROBE)]) })
  } catch {
    if (signal.aborted) throw cancelled()
    // A page of this machine works while the browser calls itself offline.
    return navigator.onLine === false ? 'offline' : 'unreachable'
  }
  if (origin === globalThis.location?.origin) return 'broken'
  // The same question of CORS, with a proof that is none.
  const bad = storage ? href.replace(/([?&]x-oss-signature=)[^&]*/, `$1${'0'.repeat(64)}`) : href
  if (storage && method === 'PUT' && bad === href) return 'broken' // it would be carried out
  const names = Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, value.replace(/^Bearer .*/, 'Bearer none')]))
  const { status } = await send(storage ? method : 'POST', bad, { headers: names, signal })
  return status ? 'broken' : 'cors'
}
