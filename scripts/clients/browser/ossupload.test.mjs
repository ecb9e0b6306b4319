// Tests of the browser client without a browser: node --test.
//
// XMLHttpRequest is a stand-in that hands each request to a function of the
// test and answers what it returns.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { beforeEach, describe, test } from 'node:test'

import { backoff, combineCRC64, crc64, fillTemplate, interrupted, planParts, upload, Upload, uploadAll, UploadError } from './ossupload.js'

const bytes = (text) => new TextEncoder().encode(text)
const KiB = 1 << 10

describe('crc64', () => {
  const { vectors } = JSON.parse(readFileSync(new URL('testdata/crc64.json', import.meta.url)))
  assert.ok(vectors.length > 0)
  for (const { input, decimal } of vectors) {
    test(`of ${JSON.stringify(input)}`, () => assert.equal(String(crc64(bytes(input))), decimal))
  }
  test('goes on from the bytes before', () => {
    assert.equal(crc64(bytes('6789'), crc64(bytes('12345'))), 11051210869376104954n)
  })
})

describe('combineCRC64', () => {
  const data = new Uint8Array(5000).map((_, i) => i * i + (i >> 3))
  const pieces = (...lengths) => {
    let at = 0
    return lengths.map((n) => [crc64(data.subarray(at, (at += n))), n])
  }
  for (const lengths of [[5000], [1, 4999], [0, 5000], [5000, 0], [2500, 2500], [1000, 1000, 1000, 1000, 1000], [2048, 2048, 904], []]) {
    test(`of ${lengths.join(' and ') || 'nothing'}`, () => {
      const total = lengths.reduce((a, b) => a + b, 0)
      assert.equal(combineCRC64(pieces(...lengths)), crc64(data.subarray(0, total)))
    })
  }
  test('10,000 parts do not take minutes', () => {
    const began = performance.now()
    combineCRC64(Array.from({ length: 10_000 }, () => [0x123456789abcdefn, 5 << 20]))
    assert.ok(performance.now() - began < 20_000)
  })
})

test('planParts covers every byte once', () => {
  for (const [size, partSize, count, last] of [[0, 10, 1, 0], [1, 10, 1, 1], [10, 10, 1, 10], [11, 10, 2, 1], [95, 10, 10, 5]]) {
    const parts = planParts(size, partSize)
    assert.equal(parts.length, count, `${size} bytes`)
    parts.forEach((part, i) => {
      assert.equal(part.number, i + 1)
      assert.equal(part.start, i ? parts[i - 1].end : 0)
    })
    assert.equal(parts.at(-1).end, size)
    assert.equal(parts.at(-1).end - parts.at(-1).start, last)
  }
})

test('fillTemplate', () => {
  assert.equal(
    fillTemplate('https://b.example/k?partNumber={partNumber}&x-oss-signature={signature}', 7, 'ab01'),
    'https://b.example/k?partNumber=7&x-oss-signature=ab01',
  )
})

test('backoff doubles, is half chance, and has an end', () => {
  assert.equal(backoff(0, () => 0), 250)
  assert.equal(backoff(0, () => 1), 500)
  assert.equal(backoff(3, () => 0), 2000)
  assert.equal(backoff(3, () => 1), 4000)
  assert.equal(backoff(100, () => 1), 30_000)
})

// --- a server for uploads -------------------------------------------------

/** Requests in the order they came: {method, url, path, headers, body}. */
let requests
/** Answers a request: {status, json?, text?, headers?}, or undefined to leave it open. */
let serve

class FakeXHR {
  upload = {}
  readyState = 0
  status = 0
  responseText = ''
  #headers = {}
  open(method, url) {
    this.request = { method, url, path: url.replace(/^https:\/\/[^/]*/, ''), headers: {} }
  }
  setRequestHeader(name, value) {
    this.request.headers[name] = value
  }
  getResponseHeader(name) {
    return this.#headers[name] ?? null
  }
  async send(body) {
    const { request } = this
    request.body = typeof body === 'string' ? JSON.parse(body) : body
    requests.push(request)
    const answer = await serve(request)
    if (!answer || this.readyState === 4) return
    if (body?.size) this.upload.onprogress?.({ loaded: body.size })
    this.status = answer.status
    this.responseText = answer.text ?? (answer.json === undefined ? '' : JSON.stringify(answer.json))
    this.#headers = answer.headers ?? {}
    this.#end()
  }
  abort() {
    if (this.readyState === 4) return
    this.status = 0
    this.#end()
  }
  #end() {
    this.readyState = 4
    this.onloadend()
  }
}

class MemoryStorage {
  #items = new Map()
  get length() {
    return this.#items.size
  }
  key = (i) => [...this.#items.keys()][i]
  getItem = (key) => this.#items.get(key) ?? null
  setItem = (key, value) => void this.#items.set(key, value)
  removeItem = (key) => void this.#items.delete(key)
}

const OSS_ERROR = (code) => `<?xml version="1.0"?><Error><Code>${code}</Code><Message>m</Message><RequestId>5F0A</RequestId></Error>`

/** The functions and OSS, as far as the client sees them. */
function server() {
  const partSize = 100 * KiB
  const s = {
    parts: new Map(),
    receipt: { eventId: 'evt_1', key: 'k', crc64: undefined },
    stored: undefined,
    batch: true,
    uploads: 0,
    async answer({ method, url, path, body }) {
      if (path === '/presign') {
        s.grant = body
        const headers = { 'Content-Type': 'image/png', 'x-oss-meta-a': 'b' }
        return { status: 200, json: { method: 'PUT', url: 'https://oss.example/k?s=1', headers, key: 'k', uploadToken: 'ut' } }
      }
      if (url.startsWith('https://oss.example/k?s=')) {
        s.stored = body
        return { status: 200, json: s.receipt }
      }
      if (path === '/confirm') return s.stored ? { status: 200, json: s.receipt } : { status: 404, json: { code: 'not_found', message: 'no' } }
      if (path === '/s3/multipart') {
        s.uploads++
        s.parts.clear()
        const partCount = Math.ceil(body.size / partSize)
        const expiresAt = new Date(Date.now() + 3600_000).toISOString()
        return { status: 200, json: { key: 'k', uploadId: `v1.id/${s.uploads}`, bucket: 'b', partSize, partCount, expiresAt } }
      }
      const [, id, rest] = /^\/s3\/multipart\/([^/]*)\/?(.*)$/.exec(path) ?? []
      if (id !== undefined && decodeURIComponent(id) !== `v1.id/${s.uploads}`) return { status: 410, json: { code: 'upload_gone', message: 'gone' } }
      if (rest === 'complete') {
        s.completed = body
        return { status: 200, json: { ...s.receipt, crc64: body.checksum.crc64 } }
      }
      if (rest?.startsWith('batch')) {
        if (!s.batch) return { status: 404, json: { code: 'not_found', message: 'no' } }
        const [, from, to] = /partNumbers=(\d+)-(\d+)&as=template/.exec(rest)
        const signatures = {}
        for (let n = Number(from); n <= Number(to); n++) signatures[n] = `s${n}`
        return { status: 200, json: { template: 'https://oss.example/part/{partNumber}?s={signature}', signatures } }
      }
      if (rest) return { status: 200, json: { method: 'PUT', url: `https://oss.example/part/${rest}?s=s${rest}` } }
      if (id && method === 'DELETE') {
        s.aborted = true
        return { status: 200, json: {} }
      }
      if (id) return { status: 200, json: [...s.parts].map(([PartNumber, b]) => ({ PartNumber, Size: b.size, ETag: '"e"' })) }
      const part = /^\/part\/(\d+)\?s=s\1$/.exec(path)
      if (part) {
        s.parts.set(Number(part[1]), body)
        return { status: 200 }
      }
      throw new Error(`unexpected ${method} ${path}`)
    },
  }
  serve = (request) => s.answer(request)
  return s
}

/** Lets fn answer requests first; what it leaves undefined the server answers. */
function before(s, fn) {
  serve = async (request) => (await fn(request)) ?? s.answer(request)
}

const fileOf = (size, name = 'a.png', type = 'image/png') => new File([new Uint8Array(size).map((_, i) => i * 31 + (i >> 8))], name, { type, lastModified: 1_700_000_000_000 })
const crcOf = async (file) => String(crc64(new Uint8Array(await file.arrayBuffer())))
const sent = (method, start) => requests.filter((r) => r.method === method && r.path.startsWith(start))

let options
beforeEach(() => {
  requests = []
  globalThis.XMLHttpRequest = FakeXHR
  globalThis.fetch = async () => ({}) // a probe without CORS: the host answers
  Object.defineProperty(globalThis, 'navigator', { value: { onLine: true }, configurable: true })
  options = { endpoint: 'https://fc.example/', getToken: () => 'tok', storage: new MemoryStorage() }
})

/** Makes the waits between tries end at once. */
function fastRetries(t) {
  const real = setTimeout
  t.mock.method(globalThis, 'setTimeout', (fn, ms, ...rest) => real(fn, ms >= 60_000 ? ms : 0, ...rest))
}

describe('PUT', () => {
  test('sends the headers unchanged and gives the receipt', async () => {
    const file = fileOf(1000, 'ä.png', 'image/png;x=y')
    const s = server()
    s.receipt.crc64 = await crcOf(file)
    const seen = []
    const receipt = await upload(file, { ...options, vars: { a: 'b' }, onProgress: (p) => seen.push(p) })
    assert.equal(receipt.eventId, 'evt_1')
    assert.deepEqual(s.grant, {
      filename: 'ä.png', size: 1000, vars: { a: 'b' }, as: 'put', contentType: 'image/png', checksum: { crc64: await crcOf(file) },
    })
    const [put] = sent('PUT', '/k')
    assert.deepEqual(put.headers, { 'Content-Type': 'image/png', 'x-oss-meta-a': 'b' })
    assert.equal(put.body, file)
    assert.equal(sent('POST', '/presign')[0].headers.Authorization, 'Bearer tok')
    assert.deepEqual(seen.map((p) => p.phase).filter((p, i, all) => p !== all[i - 1]), ['preparing', 'sending', 'done'])
    assert.deepEqual(seen.at(-1), { phase: 'done', loaded: 1000, total: 1000, part: 0, parts: 1, partLoaded: 0, retries: 0, offline: false, fault: undefined })
  })

  test('a type that is asked for stays to the letter', async () => {
    const s = server()
    await upload(fileOf(1, 'a.txt', 'text/plain'), { ...options, contentType: 'text/plain;charset=utf8' })
    assert.equal(s.grant.contentType, 'text/plain;charset=utf8')
  })

  test('an option that is undefined is none', async () => {
    const s = server()
    const nothing = Object.fromEntries(['method', 'multipartFrom', 'parallel', 'partSize', 'retries', 'filename', 'contentType', 'vars', 'metadata', 'tokenHeader', 'onProgress', 'signal', 'storage'].map((name) => [name, undefined]))
    await upload(fileOf(10), { ...options, ...nothing })
    assert.equal(s.grant.filename, 'a.png')
    assert.equal(s.grant.contentType, 'image/png')
    assert.equal(requests[0].headers.Authorization, 'Bearer tok')
    await upload(fileOf(350 * KiB), { ...options, ...nothing, method: 'multipart' })
    assert.equal(s.parts.size, 4)
  })

  test('203 is confirmed until the receipt comes', async (t) => {
    fastRetries(t)
    const s = server()
    let confirms = 0
    before(s, async (r) => {
      if (r.method === 'PUT') {
        s.stored = r.body
        return { status: 203, text: OSS_ERROR('CallbackFailed') }
      }
      if (r.path === '/confirm' && ++confirms < 3) return { status: 502, json: { code: 'delivery_failed', message: 'm' } }
    })
    assert.equal((await upload(fileOf(10), options)).eventId, 'evt_1')
    assert.equal(confirms, 3)
    assert.equal(sent('PUT', '/k').length, 1)
    assert.deepEqual(sent('POST', '/confirm')[0].body, { uploadToken: 'ut' })
  })

  test('200 without a receipt is confirmed as well', async () => {
    const s = server()
    before(s, (r) => {
      if (r.method !== 'PUT') return
      s.stored = r.body
      return { status: 200, text: '' }
    })
    await upload(fileOf(10), options)
    assert.equal(sent('POST', '/confirm').length, 1)
  })

  test('a lost answer to bytes that were stored sends nothing again', async (t) => {
    fastRetries(t)
    const s = server()
    before(s, (r) => {
      if (r.method !== 'PUT') return
      s.stored = r.body
      return { status: 0 }
    })
    await upload(fileOf(10), options)
    assert.equal(sent('PUT', '/k').length, 1)
  })

  test('a lost request is sent again', async (t) => {
    fastRetries(t)
    const s = server()
    let puts = 0
    before(s, (r) => (r.method === 'PUT' && ++puts < 3 ? { status: puts === 1 ? 0 : 503 } : undefined))
    const u = new Upload(fileOf(10), options)
    await u.start()
    assert.equal(puts, 3)
    assert.equal(sent('POST', '/presign').length, 1)
    assert.equal(u.progress.retries, 2)
  })

  test('an expired URL is asked for again', async (t) => {
    fastRetries(t)
    const s = server()
    let puts = 0
    before(s, (r) => (r.method === 'PUT' && ++puts === 1 ? { status: 403, text: OSS_ERROR('AccessDenied') } : undefined))
    await upload(fileOf(10), options)
    assert.equal(sent('POST', '/presign').length, 2)
  })

  test('what is refused with 400 is asked for again only after its end', async (t) => {
    fastRetries(t)
    for (const [expires, presigned] of [[0, 2], [900, 1]]) {
      requests = []
      const s = server()
      let sends = 0
      before(s, (r) => {
        if (r.path === '/presign') return { status: 200, json: { method: 'PUT', url: 'https://oss.example/k?s=1', headers: {}, key: 'k', uploadToken: 'ut', expires } }
        if (r.method === 'PUT' && ++sends === 1) return { status: 400, text: OSS_ERROR('InvalidArgument') }
      })
      await upload(fileOf(10), options).catch((e) => assert.equal(e.status, 400))
      assert.equal(sent('POST', '/presign').length, presigned)
    }
  })

  test('a refusal that stays is an error without the URL in it', async (t) => {
    fastRetries(t)
    const s = server()
    before(s, (r) => (r.method === 'PUT' ? { status: 403, text: OSS_ERROR('AccessDenied') } : undefined))
    await assert.rejects(upload(fileOf(10), options), (e) => {
      assert.ok(e instanceof UploadError)
      assert.deepEqual([e.code, e.status, e.requestId, e.details], ['storage_refused', 403, '5F0A', { code: 'AccessDenied' }])
      assert.doesNotMatch(e.message, /https?:/)
      return true
    })
    assert.equal(sent('PUT', '/k').length, 3)
  })

  test('a refused wish is told as it came', async () => {
    const s = server()
    const json = { code: 'invalid_request', message: 'bad', requestId: 'r1', details: [{ field: 'size', reason: 'too much' }] }
    before(s, () => ({ status: 400, json }))
    await assert.rejects(upload(fileOf(10), options), { ...json, status: 400, name: 'UploadError' })
    assert.equal(requests.length, 1)
  })

  test('other bytes than those of the file are noticed', async () => {
    const s = server()
    s.receipt.crc64 = '1'
    await assert.rejects(upload(fileOf(10), options), { code: 'checksum_mismatch' })
  })

  test('a file that vanished is an error of its own', async () => {
    server()
    const file = fileOf(10)
    file.slice = () => ({ arrayBuffer: () => Promise.reject(new DOMException('gone', 'NotFoundError')) })
    await assert.rejects(upload(file, options), { code: 'file_changed' })
  })

  test('an empty file is a file', async () => {
    const file = fileOf(0)
    const s = server()
    await upload(file, options)
    assert.equal(s.grant.size, 0)
    assert.deepEqual(s.grant.checksum, { crc64: '0' })
  })
})

test('a form has every field, and the file last', async () => {
  const s = server()
  before(s, (r) => {
    if (r.path !== '/presign') return
    assert.equal(r.body.as, 'form')
    return { status: 200, json: { method: 'POST', url: 'https://oss.example/k?s=1', fields: { key: 'k', policy: 'p' }, uploadToken: 'ut' } }
  })
  await upload(fileOf(10), { ...options, method: 'form' })
  const [post] = sent('POST', '/k')
  assert.deepEqual(post.headers, {})
  assert.deepEqual([...post.body.keys()], ['key', 'policy', 'file'])
})

describe('tokens', () => {
  test('401 asks again, once', async () => {
    const s = server()
    const refused = []
    before(s, (r) => (r.headers.Authorization === 'Bearer old' ? { status: 401, json: { code: 'unauthenticated', message: 'no' } } : undefined))
    const getToken = async (r) => {
      refused.push(r)
      return r ? 'new' : 'old'
    }
    await upload(fileOf(10), { ...options, getToken })
    assert.deepEqual(refused, [undefined, 'old'])
  })
  test('a second 401 is an error', async () => {
    const s = server()
    before(s, () => ({ status: 401, json: { code: 'unauthenticated', message: 'no' } }))
    await assert.rejects(upload(fileOf(10), options), { code: 'unauthenticated', status: 401 })
    assert.equal(requests.length, 2)
  })
  test('go where a gateway leaves them alone', async () => {
    server()
    await upload(fileOf(10), { ...options, tokenHeader: 'X-Caller-Token' })
    assert.deepEqual(requests[0].headers, { 'X-Caller-Token': 'Bearer tok', 'Content-Type': 'application/json' })
  })
  test('an error of getToken is the cause', async () => {
    server()
    const cause = new Error('signed out')
    await assert.rejects(upload(fileOf(10), { ...options, getToken: () => Promise.reject(cause) }), { code: 'unexpected', cause })
  })
})

describe('multipart', () => {
  const big = () => fileOf(350 * KiB)
  let multipart
  beforeEach(() => {
    multipart = { ...options, method: 'multipart' }
  })

  test('sends parts without a type and the checksum of all', async () => {
    const file = big()
    const s = server()
    const seen = []
    await upload(file, { ...multipart, onProgress: (p) => seen.push(p) })
    assert.deepEqual([...s.parts.values()].map((b) => b.size), [102400, 102400, 102400, 51200])
    assert.deepEqual(s.completed, { checksum: { crc64: await crcOf(file) } })
    for (const r of sent('PUT', '/part/')) {
      assert.deepEqual(r.headers, {})
      assert.equal(r.body.type, '')
    }
    assert.equal(requests.filter((r) => r.path.includes('/batch?')).length, 1)
    assert.equal(seen.at(-1).parts, 4)
    assert.equal(seen.at(-1).loaded, file.size)
    assert.equal(multipart.storage.length, 0)
  })

  test('asks for single URLs where there is no batch', async () => {
    const s = server()
    s.batch = false
    await upload(big(), multipart)
    assert.equal(s.parts.size, 4)
    assert.equal(requests.filter((r) => r.path.includes('/batch?')).length, 1)
    assert.equal(requests.filter((r) => /\/\d+$/.test(r.path) && r.method === 'GET').length, 4)
  })

  test('is chosen by size', async () => {
    const s = server()
    await upload(big(), { ...options, multipartFrom: 350 * KiB })
    assert.equal(s.parts.size, 4)
    await upload(big(), { ...options, multipartFrom: 350 * KiB + 1 })
    assert.equal(s.stored.size, 350 * KiB)
  })

  test('sends as many parts at once as asked', async () => {
    const s = server()
    let now = 0
    let most = 0
    before(s, async (r) => {
      if (r.method !== 'PUT') return
      most = Math.max(most, ++now)
      await new Promise((resolve) => setTimeout(resolve, 5))
      now--
    })
    await upload(big(), { ...multipart, parallel: 3 })
    assert.equal(most, 3)
  })

  test('sends a part again that failed or whose URL expired', async (t) => {
    fastRetries(t)
    const s = server()
    const failures = [{ status: 500 }, { status: 403, text: OSS_ERROR('AccessDenied') }, { status: 0 }, { status: 400, text: OSS_ERROR('RequestTimeout') }]
    before(s, (r) => (r.path.startsWith('/part/2') ? failures.shift() : undefined))
    const u = new Upload(big(), multipart)
    await u.start()
    assert.equal(s.parts.size, 4)
    assert.equal(u.progress.retries, 4)
    assert.equal(u.progress.loaded, 350 * KiB)
    assert.ok(requests.filter((r) => r.path.includes('/batch?')).length > 1)
  })

  test('a part that is refused ends the upload and stops the others', async () => {
    const s = server()
    before(s, (r) => {
      if (r.path.startsWith('/part/1')) return { status: 400, text: OSS_ERROR('InvalidDigest') }
      if (r.path.startsWith('/part/')) return new Promise(() => {})
    })
    await assert.rejects(upload(big(), multipart), { code: 'storage_refused', details: { code: 'InvalidDigest' } })
    assert.equal(interrupted('https://fc.example', multipart.storage).length, 1)
  })

  test('goes on after a pause with what is missing', async () => {
    const s = server()
    let open = false
    before(s, (r) => (r.path.startsWith('/part/3') && !open ? new Promise(() => {}) : undefined))
    const file = big()
    const phases = []
    const u = new Upload(file, { ...multipart, parallel: 1, onProgress: (p) => phases.push(p.phase) })
    u.start()
    while (!requests.some((r) => r.path.startsWith('/part/3'))) await new Promise((resolve) => setTimeout(resolve, 1))
    u.pause()
    assert.equal(u.phase, 'paused')
    await new Promise((resolve) => setTimeout(resolve, 5))
    assert.equal(phases.at(-1), 'paused')
    open = true
    u.resume()
    await u.done
    assert.deepEqual(sent('PUT', '/part/').map((r) => r.path[6]).join(''), '12334')
    assert.equal(s.uploads, 1)
    assert.deepEqual(s.completed, { checksum: { crc64: await crcOf(file) } })
  })

  // What a reload leaves: the parts at the server and the state in storage.
  async function interruptedAt(s, file, more) {
    before(s, (r) => (r.path.startsWith('/part/3') ? new Promise(() => {}) : undefined))
    const u = new Upload(file, { ...multipart, parallel: 1, ...more })
    u.start()
    while (!requests.some((r) => r.path.startsWith('/part/3'))) await new Promise((resolve) => setTimeout(resolve, 1))
    u.pause()
    requests = []
    serve = (r) => s.answer(r)
  }

  test('goes on after a reload with the parts of the right size', async () => {
    const file = big()
    const s = server()
    await interruptedAt(s, file)
    s.parts.set(2, new Blob(['short']))
    assert.deepEqual(interrupted('https://fc.example/', multipart.storage), [{ name: 'a.png', size: file.size, lastModified: file.lastModified }])
    assert.deepEqual(interrupted('https://other.example', multipart.storage), [])
    await upload(big(), multipart)
    assert.deepEqual(sent('PUT', '/part/').map((r) => r.path[6]).sort().join(''), '234')
    assert.equal(s.uploads, 1)
    assert.deepEqual(s.completed, { checksum: { crc64: await crcOf(file) } })
    assert.equal(multipart.storage.length, 0)
  })

  test('other vars are another upload', async () => {
    const s = server()
    await interruptedAt(s, big(), { vars: { room: 'a' } })
    await upload(big(), { ...multipart, vars: { room: 'b' } })
    assert.equal(s.uploads, 2)
  })

  test('begins anew when the earlier upload is gone', async () => {
    const s = server()
    await interruptedAt(s, big())
    s.uploads++
    await upload(big(), multipart)
    assert.equal(s.parts.size, 4)
  })

  test('begins anew when the file only looks the same', async () => {
    const s = server()
    await interruptedAt(s, big())
    const other = new File([new Uint8Array(350 * KiB)], 'a.png', { type: 'image/png', lastModified: 1_700_000_000_000 })
    const expected = await crcOf(other)
    before(s, (r) => (r.path.endsWith('%2F1/complete') ? { status: 422, json: { code: 'checksum_mismatch', message: 'm' } } : undefined))
    await upload(other, multipart)
    assert.equal(s.uploads, 2)
    assert.deepEqual(s.completed, { checksum: { crc64: expected } })
    for (const b of s.parts.values()) assert.ok(new Uint8Array(await b.arrayBuffer()).every((x) => x === 0))
  })

  test('only the receipt is missing', async () => {
    const s = server()
    await interruptedAt(s, big())
    const sizes = [102400, 102400, 102400, 51200]
    const list = sizes.map((Size, i) => ({ PartNumber: i + 1, Size, ETag: '"A-4"' }))
    before(s, (r) => (r.method === 'GET' ? { status: 200, json: list } : undefined))
    await upload(big(), multipart)
    assert.deepEqual(requests.map((r) => r.method), ['GET', 'POST'])
  })

  test('parts that are missing at the end are sent', async () => {
    const s = server()
    let completions = 0
    before(s, (r) => {
      if (!r.path.endsWith('/complete') || ++completions > 1) return
      s.parts.delete(2)
      return { status: 422, json: { code: 'parts_mismatch', message: 'm', details: [{ partNumber: 2, reason: 'missing' }] } }
    })
    await upload(big(), multipart)
    assert.equal(sent('PUT', '/part/2').length, 2)
    assert.equal(sent('PUT', '/part/').length, 5)
  })

  test('cancel deletes the parts and forgets', async () => {
    const s = server()
    before(s, (r) => (r.path.startsWith('/part/') ? new Promise(() => {}) : undefined))
    const controller = new AbortController()
    const done = upload(big(), { ...multipart, signal: controller.signal })
    while (!requests.some((r) => r.path.startsWith('/part/'))) await new Promise((resolve) => setTimeout(resolve, 1))
    controller.abort()
    await assert.rejects(done, { code: 'cancelled' })
    while (multipart.storage.length) await new Promise((resolve) => setTimeout(resolve, 1))
    assert.ok(s.aborted)
  })

  test('an upload of an earlier visit can be cancelled without the file', async () => {
    const s = server()
    await interruptedAt(s, big())
    const [left] = interrupted('https://fc.example', multipart.storage)
    await new Upload(left, multipart).cancel()
    assert.ok(s.aborted)
    assert.equal(multipart.storage.length, 0)
  })

  test('storage that throws is done without', async () => {
    server()
    const storage = { getItem: () => { throw new Error('x') }, setItem: () => Promise.reject(new Error('full')), removeItem: () => { throw new Error('x') } }
    await upload(big(), { ...multipart, storage })
    await upload(big(), { ...multipart, storage: null })
  })
})

test('a failed upload can be resumed', async () => {
  const s = server()
  let broken = true
  before(s, (r) => (broken && r.path === '/presign' ? { status: 403, json: { code: 'forbidden', message: 'no' } } : undefined))
  const u = new Upload(fileOf(10), options)
  await assert.rejects(u.start(), { code: 'forbidden' })
  assert.equal(u.phase, 'failed')
  broken = false
  assert.equal((await u.resume()).eventId, 'evt_1')
  assert.equal(u.phase, 'done')
})

test('503 is asked again no earlier than it says', async (t) => {
  const waits = []
  const real = setTimeout
  t.mock.method(globalThis, 'setTimeout', (fn, ms) => {
    if (ms < 60_000) waits.push(ms)
    return real(fn, ms >= 60_000 ? ms : 0)
  })
  const s = server()
  let asked = 0
  before(s, (r) => (r.path === '/presign' && ++asked === 1 ? { status: 503, json: { code: 'throttled', message: 'm' }, headers: { 'Retry-After': '9' } } : undefined))
  await upload(fileOf(10), options)
  assert.deepEqual(waits, [9000])
})

test('nothing is written to the console', async (t) => {
  const logged = ['log', 'info', 'warn', 'error', 'debug'].map((name) => t.mock.method(console, name, () => {}))
  const s = server()
  before(s, (r) => (r.method === 'PUT' ? { status: 400, text: OSS_ERROR('X') } : undefined))
  await assert.rejects(upload(fileOf(10), options))
  assert.equal(logged.reduce((n, m) => n + m.mock.callCount(), 0), 0)
})

// --- no answer ------------------------------------------------------------

describe('no answer', () => {
  const SIGNED = 'https://oss.example/k?x-oss-signature=5ec2e7'
  const grant = { status: 200, json: { method: 'PUT', url: SIGNED, headers: { 'Content-Type': 'image/png' }, key: 'k', uploadToken: 'ut' } }

  test('a bucket without a CORS rule is told of at the second try', async (t) => {
    fastRetries(t)
    const s = server()
    before(s, (r) => (r.path === '/presign' ? grant : r.url.startsWith('https://oss.') ? { status: 0 } : undefined))
    await assert.rejects(upload(fileOf(10), options), (e) => {
      assert.deepEqual([e.code, e.status, e.details.host], ['cors', 0, 'oss.example'])
      assert.match(e.message, /CORS rule/)
      return true
    })
    const puts = sent('PUT', '/k')
    assert.equal(puts.filter((r) => r.url === SIGNED).length, 2)
    // What asks about CORS carries no proof and no byte.
    for (const r of puts.filter((p) => p.url !== SIGNED)) {
      assert.match(r.url, /x-oss-signature=0{64}$/)
      assert.equal(r.body, undefined)
    }
    assert.equal(puts.length, 4)
  })

  test('functions that do not know the page are told of at the second try', async (t) => {
    fastRetries(t)
    const s = server()
    before(s, () => ({ status: 0 }))
    await assert.rejects(upload(fileOf(10), options), { code: 'cors', message: /fc\.example.*CORS_ORIGINS/ })
    const [asked, probe] = requests
    assert.equal(asked.headers.Authorization, 'Bearer tok')
    assert.deepEqual([probe.method, probe.path, probe.headers.Authorization, probe.body], ['POST', '/presign', 'Bearer none', undefined])
    assert.equal(requests.length, 4)
  })

  test('an accident is no mistake of CORS', async (t) => {
    fastRetries(t)
    const s = server()
    let puts = 0
    before(s, (r) => {
      if (r.path === '/presign') return grant
      if (r.url === SIGNED) return ++puts < 4 ? { status: 0 } : { status: 200, json: s.receipt }
      if (r.method === 'PUT') return { status: 403, text: OSS_ERROR('SignatureDoesNotMatch') }
    })
    const faults = new Set()
    await upload(fileOf(10), { ...options, onProgress: (p) => faults.add(p.fault?.message) })
    assert.equal(puts, 4)
    assert.deepEqual([...faults], [undefined, 'The connection to oss.example broke before an answer came.'])
  })

  test('a host that is not there is tried again, and named', async (t) => {
    fastRetries(t)
    globalThis.fetch = () => Promise.reject(new TypeError('Failed to fetch'))
    const s = server()
    before(s, () => ({ status: 0 }))
    await assert.rejects(upload(fileOf(10), { ...options, retries: 2 }), { code: 'network', message: /fc\.example cannot be reached/ })
    assert.equal(requests.length, 3)
  })

  // The browser of these tests, as it goes offline and comes back.
  function goOffline(t, s, from) {
    const target = new EventTarget()
    for (const name of ['addEventListener', 'removeEventListener']) {
      const before = globalThis[name]
      globalThis[name] = target[name].bind(target)
      t.after(() => (globalThis[name] = before))
    }
    const gone = () => (navigator.onLine = false)
    before(s, (r) => {
      if (r.path.startsWith(from)) gone()
      if (!navigator.onLine) return { status: 0 }
    })
    globalThis.fetch = () => (navigator.onLine ? Promise.resolve({}) : Promise.reject(new TypeError('Failed to fetch')))
    return () => {
      serve = (r) => s.answer(r)
      navigator.onLine = true
      target.dispatchEvent(new Event('online'))
    }
  }
  const untilOffline = (u) =>
    new Promise((resolve) => {
      const look = () => (u.progress.offline ? resolve() : setTimeout(look, 1))
      look()
    })

  for (const [method, from] of [['put', '/k'], ['multipart', '/part/2']]) {
    test(`${method} waits while the browser is offline, and counts tries from then`, async (t) => {
      fastRetries(t)
      const s = server()
      const back = goOffline(t, s, from)
      const u = new Upload(fileOf(350 * KiB), { ...options, method, retries: 0 })
      u.start()
      await untilOffline(u)
      const asked = requests.length
      await new Promise((resolve) => setTimeout(resolve, 20))
      assert.equal(requests.length, asked, 'asks although nobody can answer')
      assert.equal(u.progress.fault.code, 'offline')
      back()
      assert.equal((await u.done).eventId, 'evt_1')
      assert.equal(u.progress.offline, false)
    })
  }

  test('can be cancelled offline', async (t) => {
    fastRetries(t)
    const s = server()
    goOffline(t, s, '/k')
    const controller = new AbortController()
    const u = new Upload(fileOf(10), { ...options, signal: controller.signal })
    u.start()
    await untilOffline(u)
    controller.abort()
    await assert.rejects(u.done, { code: 'cancelled' })
    assert.equal(u.progress.offline, false)
  })

  test('a page of this machine works while the browser is offline', async (t) => {
    fastRetries(t)
    const s = server()
    navigator.onLine = false
    let puts = 0
    before(s, (r) => (r.method === 'PUT' && ++puts === 1 ? { status: 0 } : undefined))
    await upload(fileOf(10), options)
    assert.equal(puts, 2)
  })
})

describe('an answer of 200 that is no receipt', () => {
  for (const [path, method] of [['/confirm', 'put'], ['/s3/multipart/v1.id%2F1/complete', 'multipart'], ['/presign', 'put'], ['/s3/multipart', 'multipart']]) {
    test(`to ${path}`, async () => {
      const s = server()
      before(s, (r) => {
        if (r.path === path) return { status: 200, json: { ok: true } }
        if (r.path === '/k?s=1') return { status: 203, text: OSS_ERROR('CallbackFailed') }
      })
      await assert.rejects(upload(fileOf(10), { ...options, method }), { code: 'bad_answer', status: 200, message: /was answered 200 without (eventId|url|uploadId)/ })
      assert.equal(requests.filter((r) => r.path === path).length, 1)
    })
  }
  test('a page is told at once', async () => {
    const s = server()
    before(s, () => ({ status: 200, text: '<!doctype html><title>App</title>' }))
    await assert.rejects(upload(fileOf(10), options), { code: 'bad_answer', message: /Check `endpoint`/ })
    assert.equal(requests.length, 1)
  })
  test('what was cut off is asked again', async (t) => {
    fastRetries(t)
    const s = server()
    let cut = 0
    before(s, (r) => (r.path === '/presign' && !cut++ ? { status: 200, text: '{"method":"PU' } : undefined))
    await upload(fileOf(10), options)
    assert.equal(sent('POST', '/presign').length, 2)
  })
})

test('a callback that failed is told of, though /confirm repaired it', async () => {
  const s = server()
  before(s, (r) => {
    if (r.method !== 'PUT') return
    s.stored = r.body
    return { status: 203, text: OSS_ERROR('CallbackFailed') }
  })
  const u = new Upload(fileOf(10), options)
  await u.start()
  assert.equal(u.progress.fault.code, 'callback_failed')
  assert.match(u.progress.fault.message, /CALLBACK_URL/)
})

test('a confirmation in vain says that the file is stored', async () => {
  const s = server()
  before(s, (r) => {
    if (r.method === 'PUT') return { status: 203, text: OSS_ERROR('CallbackFailed') }
    if (r.path === '/confirm') return { status: 422, json: { code: 'object_mismatch', message: 'Other bytes.' } }
  })
  await assert.rejects(upload(fileOf(10), options), { code: 'object_mismatch', message: 'The file is stored, and not confirmed; trying again sends no byte. Other bytes.' })
})

test('each function may have an address of its own', async () => {
  const s = server()
  const endpoint = { presign: 'https://a.example/', complete: 'https://b.example' }
  await upload(fileOf(10), { ...options, endpoint })
  const u = new Upload(fileOf(350 * KiB), { ...options, endpoint, method: 'multipart' })
  before(s, (r) => (r.path.startsWith('/part/') ? new Promise(() => {}) : undefined))
  u.start()
  while (!sent('PUT', '/part/').length) await new Promise((resolve) => setTimeout(resolve, 1))
  u.pause()
  assert.equal(requests.find((r) => r.path === '/presign').url, 'https://a.example/presign')
  assert.equal(requests.find((r) => r.path === '/s3/multipart').url, 'https://b.example/s3/multipart')
  assert.equal(interrupted(endpoint, options.storage).length, 1)
  assert.equal(interrupted('https://a.example', options.storage).length, 0)
})

test('onRequest tells of every request, and of no secret', async (t) => {
  fastRetries(t)
  const s = server()
  const seen = []
  const more = { ...options, onRequest: (r) => seen.push(r) }
  let puts = 0
  before(s, (r) => (r.path === '/k?s=1' && ++puts === 1 ? { status: 500 } : undefined))
  await upload(fileOf(10), more)
  assert.deepEqual(seen.map((r) => [r.method, r.target, r.route, r.status]), [
    ['POST', 'functions', '/presign', 200],
    ['PUT', 'storage', '/k', 500],
    ['POST', 'functions', '/confirm', 404],
    ['PUT', 'storage', '/k', 200],
  ])
  seen.length = 0
  await upload(fileOf(150 * KiB), { ...more, method: 'multipart' })
  assert.deepEqual([...new Set(seen.map((r) => `${r.method} ${r.route}`))].sort(), [
    'GET /s3/multipart/{uploadId}/batch',
    'POST /s3/multipart',
    'POST /s3/multipart/{uploadId}/complete',
    'PUT /part/1?partNumber=1',
    'PUT /part/2?partNumber=2',
  ])
  assert.ok(seen.every((r) => Number.isInteger(r.ms)))
})

describe('uploadAll', () => {
  const named = (count) => Array.from({ length: count }, (_, i) => fileOf(10 + i, `${i}.png`))

  test('tells each outcome in the order of the files', async () => {
    const s = server()
    before(s, (r) => (r.path === '/presign' && r.body.filename === '1.png' ? { status: 403, json: { code: 'forbidden', message: 'no' } } : undefined))
    const files = named(4)
    const seen = new Map()
    const outcomes = await uploadAll(files, { ...options, onProgress: (progress, file, u) => seen.set(file, [u, progress.phase]) })
    assert.deepEqual(outcomes.map((o) => o.file), files)
    assert.deepEqual(outcomes.map((o) => o.receipt?.eventId ?? o.error.code), ['evt_1', 'forbidden', 'evt_1', 'evt_1'])
    assert.deepEqual(files.map((f) => seen.get(f)[1]), ['done', 'failed', 'done', 'done'])
    assert.ok(outcomes.every((o) => o.upload === seen.get(o.file)[0]))
  })

  test('sends as many at a time as asked', async () => {
    const s = server()
    let now = 0
    let most = 0
    before(s, async (r) => {
      if (r.method !== 'PUT') return
      most = Math.max(most, ++now)
      await new Promise((resolve) => setTimeout(resolve, 5))
      now--
    })
    await uploadAll(named(7), { ...options, concurrency: 2 })
    assert.equal(most, 2)
    assert.equal(sent('PUT', '/k').length, 7)
  })

  test('one that is paused leaves its turn, and its outcome is waited for', async () => {
    const s = server()
    let held
    before(s, (r) => (r.method === 'PUT' && r.body.name === '0.png' && !held ? new Promise((resolve) => (held = resolve)) : undefined))
    let first
    const done = uploadAll(named(3), { ...options, concurrency: 1, onProgress: (p, file, u) => { if (file.name === '0.png') first = u } })
    while (!held) await new Promise((resolve) => setTimeout(resolve, 1))
    first.pause()
    while (sent('PUT', '/k').length < 3) await new Promise((resolve) => setTimeout(resolve, 1))
    first.resume()
    assert.deepEqual((await done).map((o) => o.receipt?.eventId), ['evt_1', 'evt_1', 'evt_1'])
  })

  test('one signal cancels all, also those that wait', async () => {
    const s = server()
    const controller = new AbortController()
    before(s, (r) => { if (r.method === 'PUT') { controller.abort(); return new Promise(() => {}) } })
    const outcomes = await uploadAll(named(3), { ...options, concurrency: 1, signal: controller.signal })
    assert.deepEqual(outcomes.map((o) => o.error.code), ['cancelled', 'cancelled', 'cancelled'])
    assert.equal(sent('POST', '/presign').length, 1)
  })

  test('each file may have options of its own', async () => {
    const s = server()
    const vars = []
    before(s, (r) => { if (r.path === '/presign') vars.push(r.body.vars.n) })
    await uploadAll(named(2), { ...options, concurrency: 1, optionsOf: (file, i) => ({ vars: { n: `${i} ${file.name}` } }) })
    assert.deepEqual(vars, ['0 0.png', '1 1.png'])
  })

  test('no files are no work', async () => assert.deepEqual(await uploadAll([], options), []))
})
