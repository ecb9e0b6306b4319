// Uploads one file from a WeChat mini program and resolves with the receipt:
//
//   const { upload } = require("./upload.js");
//   const { tempFiles } = await wx.chooseMessageFile({ count: 1 });
//   const receipt = await upload(tempFiles[0], "https://upload.example.com", token);
//
// chooseMedia tells no name: pass { path: f.tempFilePath, size: f.size, name }.
// The endpoint has to be a request domain of the mini program, and the bucket's
// domain an uploadFile domain.

async function upload(file, endpoint, token) {
  const post = (route, data) =>
    call(wx.request, {
      url: endpoint + route,
      method: "POST",
      header: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      data,
      dataType: "text",
      timeout: 30_000,
    });

  // A mini program can only send forms, so one is asked for. Without a
  // contentType the extension of the name decides.
  let res = await post("/presign", { filename: file.name, size: file.size, as: "form" });
  if (res.statusCode !== 200) throw refusal("asking for a form", res);
  const grant = JSON.parse(res.data);

  // Every field exactly as granted. wx.uploadFile puts the file behind them,
  // which matters: OSS ignores fields that follow the file. It streams the file
  // and sets the Content-Type of the form, with its boundary, by itself.
  res = await call(wx.uploadFile, {
    url: grant.url,
    filePath: file.path,
    name: "file",
    formData: grant.fields,
    timeout: 3_600_000,
  });

  // 203 is not success: the object is stored, but the application was not told.
  // /confirm tells it and has the receipt; it may be asked again and again.
  if (res.statusCode === 203) {
    for (let seconds = 1; ; seconds *= 2) {
      res = await post("/confirm", { uploadToken: grant.uploadToken });
      if (res.statusCode < 500 || seconds > 16) break;
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }
  }
  if (res.statusCode !== 200) throw refusal("uploading", res);
  return JSON.parse(res.data);
}

// call makes a promise of a function that takes callbacks; wx.uploadFile has
// none of its own.
function call(api, options) {
  return new Promise((success, reject) =>
    api({ ...options, success, fail: ({ errMsg }) => reject(new Error(errMsg)) }),
  );
}

// refusal has the code of an answer, JSON from the functions and XML from OSS.
function refusal(what, { statusCode: status, data }) {
  const [, code = ""] = data.match(/(?:"code":\s*"|<Code>)(\w+)/) || [];
  return Object.assign(new Error(`${what}: ${status} ${code}`), { status, code });
}

module.exports = { upload };
