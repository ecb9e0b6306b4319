// Gives wechat/upload.js what a mini program gives it: wx. The fields of a form
// come first and the file last, as in WeChat. node run-wechat.mjs FILE
import { openAsBlob } from "node:fs";
import { basename } from "node:path";
import { createRequire } from "node:module";

const answer = async ({ success, fail }, sent) => {
  try {
    const res = await sent;
    success({ statusCode: res.status, data: await res.text() });
  } catch (e) {
    fail({ errMsg: e.message });
  }
};

globalThis.wx = {
  request: ({ url, method, header, data, ...rest }) =>
    answer(rest, fetch(url, { method, headers: header, body: JSON.stringify(data) })),
  uploadFile: async ({ url, filePath, name, formData, ...rest }) => {
    const body = new FormData();
    for (const [field, value] of Object.entries(formData)) body.append(field, value);
    body.append(name, await openAsBlob(filePath), basename(filePath));
    return answer(rest, fetch(url, { method: "POST", body }));
  },
};

const { upload } = createRequire(import.meta.url)("../wechat/upload.js");
const { OSSUPLOAD_ENDPOINT, OSSUPLOAD_TOKEN } = process.env;
const path = process.argv[2];
const file = { path, name: basename(path), size: (await openAsBlob(path)).size };
console.log(JSON.stringify(await upload(file, OSSUPLOAD_ENDPOINT, OSSUPLOAD_TOKEN)));
