// OSS's own SDK with credentials of POST /sts.

import { readFile } from 'node:fs/promises'
import OSS from 'ali-oss'

/** Puts a file, and sends it in parts. */
export async function stsUpload({ credentials, key, file }) {
  const client = newClient(credentials)
  await client.put(`${key}-put`, file)
  await client.multipartUpload(`${key}-parts`, file, { partSize: 1 << 20, parallel: 3 })
}

/** Tries what the credentials are not for: status and code of each refusal. */
export async function stsRefused({ credentials, key, outside, file }) {
  const client = newClient(credentials)
  const tries = {
    'put outside': () => client.put(outside, file),
    'multipart outside': () => client.multipartUpload(outside, file, { partSize: 1 << 20 }),
    get: () => client.get(key),
    delete: () => client.delete(key),
    list: () => client.listV2({ prefix: credentials.prefix }),
    'list uploads': () => client.listUploads({ prefix: credentials.prefix }),
  }
  const refusals = {}
  for (const [name, attempt] of Object.entries(tries)) {
    refusals[name] = await attempt().then(
      () => 'allowed',
      ({ status, code }) => `${status} ${code}`,
    )
  }
  return refusals
}

function newClient({ AccessKeyId, AccessKeySecret, SecurityToken, bucket, region, endpoint }) {
  return new OSS({
    accessKeyId: AccessKeyId,
    accessKeySecret: AccessKeySecret,
    stsToken: SecurityToken,
    refreshSTSTokenInterval: 3_600_000, // not while this runs
    authorizationV4: true,
    bucket,
    region,
    endpoint,
    // The bucket in the path: the address of the stand-in is an IP. At OSS,
    // leave it out.
    sldEnable: true,
  })
}

/** Runs a snippet that uploads with credentials, and gives the prefix that they are for. */
export async function stsSnippet({ code, gateway, token, path }) {
  const AsyncFunction = (async () => {}).constructor
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const run = new AsyncFunction('OSS', 'fetch', 'headers', 'file', `${code}\nreturn credentials.prefix`)
  return run(OSS, (url, options) => fetch(gateway + url, options), headers, await readFile(path))
}
