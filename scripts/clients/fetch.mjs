// Uploads one File from a browser (or Node 20) and resolves with the receipt:
//
//   import { upload } from "./fetch.mjs";
//   input.onchange = async () =>
//     console.log(await upload(input.files[0], "https://upload.example.com", token));
//
// fetch tells no progress of an upload; XMLHttpRequest sends the same request
// and does.

export async function upload(file, endpoint, token) {
  const post = (route, body) =>
    fetch(endpoint + route, {
      method: "POST",
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });

  // A browser that does not know the type says "": then the extension decides.
  let res = await post("/presign", { filename: file.name, size: file.size, contentType: file.type });
  if (res.status !== 200) throw await refusal("asking for a URL", res);
  const grant = await res.json();

  // All headers exactly as granted. Content-Type above all: without one fetch
  // sends the file's own, and OSS refuses what was not signed. The body is the
  // file itself, never a ReadableStream: that would be sent without the
  // Content-Length, which is signed too.
  res = await fetch(grant.url, {
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
  if (res.status !== 200) throw await refusal("uploading", res);
  return res.json();
}

// refusal has the code of an answer, JSON from the functions and XML from OSS.
async function refusal(what, res) {
  const [, code = ""] = (await res.text()).match(/(?:"code":\s*"|<Code>)(\w+)/) ?? [];
  return Object.assign(new Error(`${what}: ${res.status} ${code}`), { status: res.status, code });
}
