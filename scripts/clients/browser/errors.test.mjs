// What the client says of a refusal: each line names the mend.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { difference, lost, refused, refusedByStorage, strange } from './errors.js'

const SECRET = '0123abcd'
const url = `https://bucket.oss.example/up/a%20b.png?x-oss-date=20251122T000000Z&x-oss-signature=${SECRET}`
const granted = { method: 'PUT', url, size: 5, storage: true, headers: { 'Content-Type': 'image/png', 'x-oss-forbid-overwrite': 'true' } }

const canonical = (change = {}) => {
  const { method = 'PUT', path = '/bucket/up/a%20b.png', query = 'x-oss-date=20251122T000000Z', ...headers } = change
  const all = { 'content-length': '5', 'content-type': 'image/png', 'x-oss-forbid-overwrite': 'true', ...headers }
  const lines = Object.entries(all).filter(([, v]) => v !== undefined).map(([n, v]) => `${n}:${v}\n`)
  return [method, path, query, lines.join(''), 'content-length', 'UNSIGNED-PAYLOAD'].join('\n')
}

describe('difference', () => {
  const cases = [
    [{}, undefined],
    [{ 'content-type': 'text/plain' }, 'the header content-type arrived as "text/plain" and was granted as "image/png"'],
    [{ 'content-type': undefined }, 'the header content-type did not arrive'],
    [{ 'content-md5': 'x' }, 'the header content-md5: "x" was added'],
    [{ 'x-oss-object-acl': 'public-read' }, 'the header x-oss-object-acl: "public-read" was added'],
    [{ 'content-length': '6' }, 'the header content-length arrived as "6" and was granted as "5"'],
    [{ method: 'POST' }, 'the method arrived as POST and was granted as PUT'],
    [{ path: '/bucket/up/other.png' }, 'the path is another than the one that was granted'],
    [{ query: 'x-oss-date=20251123T000000Z' }, 'the query parameter x-oss-date is another than the one that was granted'],
  ]
  for (const [change, want] of cases) {
    test(JSON.stringify(change), () => assert.equal(difference(canonical(change), granted), want))
  }
})

const xml = (code, more = '') => `<?xml version="1.0"?>\n<Error><Code>${code}</Code><Message>m</Message><RequestId>5F0A</RequestId>${more}</Error>`
const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('\n', '&#xA;')

describe('one line, and the mend in it', () => {
  const ask = { method: 'POST', route: '/presign' }
  const api = (status, text, header) => refused({ status, text, header: (name) => header?.[name] ?? null }, ask)
  const oss = (status, text) => refusedByStorage({ status, text }, granted)
  const cases = {
    'the bucket does not know the page': [lost('cors', granted), 'cors', /CORS rule.*methods PUT.*scripts\/bucket/],
    'the functions do not know the page': [lost('cors', { ...ask, url: 'https://fc.example/presign' }), 'cors', /fc\.example.*CORS_ORIGINS/],
    'a host that is not there': [lost('unreachable', granted), 'network', /cannot be reached.*Content-Security-Policy/],
    'a broken connection': [lost('broken', granted), 'network', /bucket\.oss\.example broke/],
    offline: [lost('offline', granted), 'offline', /offline.*goes on/],
    'a header that differs': [oss(403, xml('SignatureDoesNotMatch', `<CanonicalRequest>${escaped(canonical({ 'content-type': 'a/b' }))}</CanonicalRequest>`)), 'storage_refused', /header content-type arrived as "a\/b".*proxy/],
    'a key that differs': [oss(403, xml('SignatureDoesNotMatch', `<CanonicalRequest>${escaped(canonical())}</CanonicalRequest>`)), 'storage_refused', /as it was granted.*OSS_REGION/],
    'a signature, and no more is said': [oss(403, xml('SignatureDoesNotMatch')), 'storage_refused', /changed the request/],
    'the clock of the functions': [oss(403, xml('AccessDenied', '<Expires>2025-11-22T00:15:00.000Z</Expires><ServerTime>2025-11-22T09:00:00.000Z</ServerTime>')), 'storage_refused', /ended at 2025-11-22T00:15.*OSS's clock.*T09:00.*clock of the functions/],
    'the role': [oss(403, xml('AccessDenied')), 'storage_refused', /role/],
    'a callback that fails': [oss(203, xml('CallbackFailed').replace('>m<', '>Error status : 502.<')), 'callback_failed', /CallbackFailed \(Error status : 502\).*CALLBACK_URL/],
    'a domain that may not be used': [oss(403, xml('PublicEndpointForbidden')), 'storage_refused', /OSS_CNAME/],
    'not OSS at all': [oss(404, '<html>'), 'bad_answer', /OSS_ENDPOINT/],
    'a token that has expired': [api(401, '{"code":"unauthenticated","message":"No."}', { 'WWW-Authenticate': 'Bearer error="invalid_token", error_description="token has expired"' }), 'unauthenticated', /No\. \(token has expired\)/],
    'an older gateway': [api(502, '<html>'), 'bad_answer', /502.*gateway.*log/],
    'a function that crashed': [api(502, '{"Code":"FunctionUnhandledError"}'), 'bad_answer', /FunctionUnhandledError.*log/],
    'a gateway that refuses': [api(403, ''), 'bad_answer', /Authorization/],
    'another site': [api(404, '<html>'), 'bad_answer', /endpoint/],
    'no receipt': [strange(200, { method: 'POST', route: '/confirm' }, 'eventId'), 'bad_answer', /\/confirm.*200 without eventId.*endpoint/],
  }
  for (const [name, [error, code, text]] of Object.entries(cases)) {
    test(name, () => {
      assert.equal(error.code, code)
      assert.match(error.message, text)
      assert.doesNotMatch(error.message, /\n|https?:|undefined|\.\./)
      assert.ok(!error.message.includes(SECRET))
    })
  }
  test('what the functions said comes as it came', () => {
    const json = { code: 'storage_denied', message: 'The role may not.', requestId: 'r' }
    assert.deepEqual({ ...api(502, JSON.stringify(json)) }, { name: 'UploadError', status: 502, details: undefined, code: json.code, requestId: 'r' })
  })
})
