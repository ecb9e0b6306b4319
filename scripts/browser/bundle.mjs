// Bundles uppy.js for the page of the local stack and plain.js for a page of
// its own, each with both versions of Uppy as they are published:
//
//   node bundle.mjs DIR    →  DIR/uppy5/uppy.js  DIR/uppy6/uppy.js
//                             DIR/plain/plain5.js  DIR/plain/plain6.js
//                             DIR/plain/plain.html
//
// and UPPY.md's own code, as it is printed there, for a page with Dashboard:
//
//                             DIR/plain/dashboard5.js  DIR/plain/dashboard6.js
//                             DIR/plain/dashboard5.css DIR/plain/dashboard6.css
//                             DIR/plain/dashboard.html

import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { build } from 'esbuild'

const [dir] = process.argv.slice(2)
const printed = `${dir}/printed`

await mkdir(printed, { recursive: true })
const text = await readFile('UPPY.md', 'utf8')
const unused = new Set()
for (const [, code, name] of text.matchAll(/^```js\n(\/\/ (\w+\.js)\n.*?)^```$/gms)) {
  await writeFile(`${printed}/${name}`, code)
  unused.add(name)
}
await copyFile('app.js', `${printed}/app.js`)

for (const version of [5, 6]) {
  const options = {
    alias: Object.fromEntries(
      ['aws-s3', 'core', 'dashboard', 'golden-retriever'].map((name) => [`@uppy/${name}`, `uppy${version}-${name}`]),
    ),
    bundle: true,
    define: { 'process.env.NODE_ENV': '"production"' },
    format: 'esm',
    logLevel: 'warning',
    minify: true,
    target: 'es2022',
  }
  await build({ ...options, entryPoints: ['uppy.js'], outfile: `${dir}/uppy${version}/uppy.js` })
  await build({ ...options, entryPoints: ['plain.js'], outfile: `${dir}/plain/plain${version}.js` })
  const { metafile } = await build({
    ...options,
    entryPoints: [`${printed}/uppy${version}.js`],
    metafile: true,
    outfile: `${dir}/plain/dashboard${version}.js`,
  })
  for (const file of Object.keys(metafile.inputs)) unused.delete(basename(file))
}
if (unused.size) throw new Error(`UPPY.md prints what no page runs: ${[...unused]}`)
for (const page of ['plain.html', 'dashboard.html']) await copyFile(page, `${dir}/plain/${page}`)
