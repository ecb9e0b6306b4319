// Uploads FILE and prints the receipt, by fetch.mjs, which belongs beside it.
// Needs Node 20 or later.
//
//   OSSUPLOAD_ENDPOINT=https://upload.example.com OSSUPLOAD_TOKEN=… node node.mjs FILE
import { openAsBlob } from "node:fs";
import { basename } from "node:path";
import { upload } from "./fetch.mjs";

const { OSSUPLOAD_ENDPOINT, OSSUPLOAD_TOKEN } = process.env;
const path = process.argv[2];

// A blob of a file is read while it is sent, and fetch knows its length, which
// is signed. A read stream would be sent chunked and refused.
const file = new File([await openAsBlob(path)], basename(path));
try {
  console.log(JSON.stringify(await upload(file, OSSUPLOAD_ENDPOINT, OSSUPLOAD_TOKEN)));
} catch (e) {
  console.error(e.message);
  process.exitCode = 1;
}
