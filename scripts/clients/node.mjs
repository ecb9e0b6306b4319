// Uploads FILE and prints the receipt. Needs Node 20 or later.
//
//   OSSUPLOAD_ENDPOINT=https://upload.example.com OSSUPLOAD_TOKEN=… node node.mjs FILE
import { openAsBlob } from "node:fs";
import { basename } from "node:path";

const { OSSUPLOAD_ENDPOINT, OSSUPLOAD_TOKEN } = process.env;
const path = process.argv[2];

const post = (route, body) =>
  fetch(OSSUPLOAD_ENDPOINT + route, {
    method: "POST",
    headers: { Authorization: `Bearer ${OSSUPLOAD_TOKEN}`, "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });

// ok passes an answer of 200 and throws the code of any other, which is JSON
// from the functions and XML from OSS.
async function ok(what, res) {
  if (res.status === 200) return res;
  const [, code = ""] = (await res.text()).match(/(?:"code":\s*"|<Code>)(\w+)/) ?? [];
  throw new Error(`${what}: ${res.status} ${code}`);
}

// A blob of a file is read while it is sent, and fetch knows its length, which
// is signed. A read stream would be sent chunked and refused.
const file = await openAsBlob(path);

// Without a contentType the extension of the name decides.
const presigned = await post("/presign", { filename: basename(path), size: file.size });
const grant = await (await ok("asking for a URL", presigned)).json();

// All headers exactly as granted, Content-Type among them.
let res = await fetch(grant.url, {
  method: grant.method,
  headers: grant.headers,
  body: file,
  signal: AbortSignal.timeout(3_600_000),
});

// 203 is not success: the object is stored, but the application was not told.
// /confirm tells it and has the receipt; it may be asked again and again.
if (res.status === 203) {
  for (let seconds = 1; ; seconds *= 2) {
    res = await post("/confirm", { uploadToken: grant.uploadToken });
    if (res.status < 500 || seconds > 16) break;
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  }
}
console.log(await (await ok("uploading", res)).text());
