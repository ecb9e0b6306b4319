// Uploads one file from a WeChat mini program and resolves with the receipt:
//
//   const { upload } = require("./upload.js");
//   const { tempFiles } = await wx.chooseMessageFile({ count: 1 });
//   const receipt = await upload(tempFiles[0], "https://upload.example.com", token);
//
// chooseMedia tells no name: pass { path: f.tempFilePath, size: f.size, name }.
// The endpoint has to be a request domain of the mini program, and the bucket's
// domain an uploadFile domain. An error has the status of the answer, and code,
// details and requestId if the functions gave them.

async function upload(file, endpoint, token) {
  // ask asks until the answer has a field, within reason.
  const ask = async (route, field, data) => {
    for (const seconds of [1, 2, 4, 8, 0]) {
      const answer = await send(wx.request, {
        url: endpoint + route,
        method: "POST",
        header: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
        data,
        dataType: "text",
        timeout: 30_000,
      });
      if (has(answer, field) || refused(answer) || !seconds) return answer;
      await sleep(seconds);
    }
  };

  // A mini program can only send forms, so one is asked for. Without a
  // contentType the extension of the name decides.
  const asked = await ask("/presign", "url", { filename: file.name, size: file.size, as: "form" });
  if (!has(asked, "url")) throw failure("asking for a form", asked);
  const grant = asked.json;

  for (const seconds of [1, 2, 0]) {
    // Every field exactly as granted. wx.uploadFile puts the file behind them,
    // which matters: OSS ignores fields that follow the file. It streams the file
    // and sets the Content-Type of the form, with its boundary, by itself.
    const sent = await send(wx.uploadFile, {
      url: grant.url,
      filePath: file.path,
      name: "file",
      formData: grant.fields,
      timeout: 3_600_000,
    });
    if (has(sent, "eventId")) return sent.json;

    // It may be stored all the same: 203 says that it is and that the application
    // was not told, 409 that an earlier try was, and an answer may be lost.
    // /confirm knows, tells the application and has the receipt.
    const confirmed = await ask("/confirm", "eventId", { uploadToken: grant.uploadToken });
    if (has(confirmed, "eventId")) return confirmed.json;
    if (confirmed.status !== 404) throw failure("asking whether it is stored", confirmed);
    if (refused(sent) || !seconds) throw failure("uploading", sent); // nothing is stored
    await sleep(seconds);
  }
}

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

// send resolves with an answer, of status 0 if none came. It makes a promise of
// a function that takes callbacks; wx.uploadFile has none of its own.
async function send(api, options) {
  const { statusCode: status, data: text } = await new Promise((resolve) =>
    api({ ...options, success: resolve, fail: ({ errMsg }) => resolve({ statusCode: 0, data: `no answer: ${errMsg}` }) }),
  );
  let json;
  try {
    json = JSON.parse(text);
  } catch (e) {} // of OSS, in XML
  // The functions answer one line of JSON. OSS's XML has the signature in it, so
  // only what helps is shown.
  const said = (text.match(/^[{\w].*|<(Code|Message|EC|RequestId)>[^<]+/g) || []).join(" ");
  return { status, json, said };
}

// 200 alone is no success: a function that failed may be answered with it, too.
const has = ({ status, json }, field) => status === 200 && Boolean(json && json[field]);

// refused is whether to ask again would change nothing.
const refused = ({ status }) => status >= 400 && status < 500 && status !== 409 && status !== 429;

function failure(what, { status, json, said }) {
  const { code, details, requestId } = json || {};
  return Object.assign(new Error(`${what}: ${status} ${said}`), { status, code, details, requestId });
}

module.exports = { upload };
