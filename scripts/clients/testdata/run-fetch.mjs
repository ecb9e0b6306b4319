// Gives fetch.mjs what a browser gives it: a File. node run-fetch.mjs FILE
import { openAsBlob } from "node:fs";
import { basename } from "node:path";
import { upload } from "../fetch.mjs";

const { OSSUPLOAD_ENDPOINT, OSSUPLOAD_TOKEN } = process.env;
const path = process.argv[2];
const file = new File([await openAsBlob(path)], basename(path));
console.log(JSON.stringify(await upload(file, OSSUPLOAD_ENDPOINT, OSSUPLOAD_TOKEN)));
