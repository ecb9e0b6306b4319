// Bundles uppy.js for the page of the local stack and plain.js for a page of
// its own, each with both versions of Uppy as they are published:
//
//   node bundle.mjs DIR    →  DIR/uppy5/uppy.js  DIR/uppy6/uppy.js
//                             DIR/plain/plain5.js  DIR/plain/plain6.js
//                             DIR/plain/plain.html

import { copyFile } from 'node:fs/promises'
import { build } from 'esbuild'

const [dir] = process.argv.slice(2)

for (const version of [5, 6]) {
  const options = {
    alias: { '@uppy/aws-s3': `uppy${version}-aws-s3`, '@uppy/core': `uppy${version}-core` },
    bundle: true,
    define: { 'process.env.NODE_ENV': '"production"' },
    format: 'esm',
    logLevel: 'warning',
    minify: true,
    target: 'es2022',
  }
  await build({ ...options, entryPoints: ['uppy.js'], outfile: `${dir}/uppy${version}/uppy.js` })
  await build({ ...options, entryPoints: ['plain.js'], outfile: `${dir}/plain/plain${version}.js` })
}
await copyFile('plain.html', `${dir}/plain/plain.html`)
