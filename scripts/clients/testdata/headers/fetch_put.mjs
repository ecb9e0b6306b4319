// fetch_put.mjs URL FILE HEADER... sends FILE by fetch.
import { readFile } from "node:fs/promises";

const [url, path, ...headers] = process.argv.slice(2);
const res = await fetch(url, { method: "PUT", headers: headers.map((h) => h.split(": ", 2)), body: await readFile(path) });
console.log(await res.text());
