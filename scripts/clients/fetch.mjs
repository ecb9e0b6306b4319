// Uploads one File from a browser (or Node 20) and resolves with the receipt:
//
//   import { upload } from "./fetch.mjs";
//   input.onchange = async () =>
//     console.log(await upload(input.files[0], "https://upload.example.com", token));
//
// An error has the status of the answer, and code, details and requestId if the
// functions gave them. fetch tells no progress of an upload; XMLHttpRequest sends
// the same request and does.

export async function upload(file, endpoint, token) {
  // ask asks until the answer has a field, within reason.
  const ask = async (route, field, body) => {
    for (const seconds of [1, 2, 4, 8, 0]) {
      const answer = await send(endpoint + route, {
        method: "POST",
        headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(30_000),
      });
      if (has(answer, field) || refused(answer) || !seconds) return answer;
      await sleep(seconds);
    }
  };

  // A browser that does not know the type says "": then the extension decides.
  const asked = await ask("/presign", "url", { filename: file.name, size: file.size, contentType: file.type });
  if (!has(asked, "url")) throw failure("asking for a URL", asked);
  const grant = asked.json;

  for (const seconds of [1, 2, 0]) {
    // All headers exactly as granted. Content-Type above all: without one fetch
    // sends the file's own, and OSS refuses what was not signed. The body is the
    // file itself, never a ReadableStream: that would be sent without the
    // Content-Length, which is signed too.
    const put = await send(grant.url, {
      method: grant.method,
      headers: grant.headers,
      body: file,
      signal: AbortSignal.timeout(3_600_000),
    });
    if (has(put, "eventId")) return put.json;

    // It may be stored all the same: 203 says that it is and that the application
    // was not told, 409 that an earlier try was, and an answer may be lost.
    // /confirm knows, tells the application and has the receipt.
    const confirmed = await ask("/confirm", "eventId", { uploadToken: grant.uploadToken });
    if (has(confirmed, "eventId")) return confirmed.json;
    if (confirmed.status !== 404) throw failure("asking whether it is stored", confirmed);
    if (refused(put) || !seconds) throw failure("uploading", put); // nothing is stored
    await sleep(seconds);
  }
}

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

// send resolves with an answer, of status 0 if none came.
async function send(url, options) {
  try {
    const res = await fetch(url, options);
    const text = await res.text();
    let json;
    try {
      json = JSON.parse(text);
    } catch {} // of OSS, in XML
    // The functions answer one line of JSON. OSS's XML has the signature in it, so
    // only what helps is shown.
    const said = text.match(/^[{\w].*|<(Code|Message|EC|RequestId)>[^<]+/g)?.join(" ") ?? "";
    return { status: res.status, json, said };
  } catch (e) {
    return { status: 0, said: `no answer: ${e.cause?.message ?? e.message}` };
  }
}

// 200 alone is no success: a function that failed may be answered with it, too.
const has = ({ status, json }, field) => status === 200 && Boolean(json?.[field]);

// refused is whether to ask again would change nothing.
const refused = ({ status }) => status >= 400 && status < 500 && status !== 409 && status !== 429;

function failure(what, { status, json, said }) {
  const { code, details, requestId } = json ?? {};
  return Object.assign(new Error(`${what}: ${status} ${said}`), { status, code, details, requestId });
}
