// put.mjs URL FILE HEADER... sends FILE by node:http, as axios does too.
import { readFileSync } from "node:fs";
import { request } from "node:http";

const [url, path, ...headers] = process.argv.slice(2);
const body = readFileSync(path);
const req = request(url, {
  method: "PUT",
  headers: { ...Object.fromEntries(headers.map((h) => h.split(": ", 2))), "Content-Length": body.length },
});
req.on("response", (res) => res.pipe(process.stdout));
req.end(body);
