// Holds the types against what they describe: the snippets of README.md are
// compiled, and what is exported has to be declared, and the other way round.
// It writes into the folder above, which has to be a copy.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

import * as client from '../ossupload.js'
import * as react from '../react.js'

const at = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url))
const options = {
  strict: true,
  noEmit: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  jsx: ts.JsxEmit.ReactJSX,
  skipLibCheck: false,
  types: ['react'],
}

// What the snippets take from their surroundings.
const AROUND = `
declare const input: { files: File[] & FileList }
declare const bar: { value: number }
declare const token: string
declare const controller: AbortController
declare function show(name: string, what: string | number): void
`

const WRONG = `import { upload, uploadAll, Upload, type Outcome, type Progress } from 'ossupload'
// @ts-expect-error no such method
upload(new File([], 'a'), { method: 'patch' })
// @ts-expect-error one address is missing
upload(new File([], 'a'), { endpoint: { presign: 'https://a.example' } })
// @ts-expect-error vars are strings
upload(new File([], 'a'), { vars: { n: 1 } })
// @ts-expect-error that is no option
uploadAll([new File([], 'a')], { parallelFiles: 3 })
// @ts-expect-error a phase is read only
new Upload(new File([], 'a')).phase = 'done'
const outcome: Outcome = (await uploadAll([new File([], 'a')]))[0]!
// @ts-expect-error a receipt may be missing
outcome.receipt.key
if (outcome.error) outcome.error.code.toUpperCase()
else outcome.receipt.key.toUpperCase()
const progress: Progress = outcome.upload.progress
progress.fault?.details
import 'ossupload/element'
const element = document.querySelector('oss-upload')!
element.addEventListener('receipt', ({ detail }) => detail.key.toUpperCase())
element.add(element.receipts.map(({ filename }) => new File([], filename)))
// @ts-expect-error receipts are read only
element.receipts = []
`

const snippets = [...readFileSync(at('README.md'), 'utf8').matchAll(/^```(jsx?)\n(.*?)^```/gms)].map(([, kind, code], i) => {
  const file = at(`snippet${i}.${kind === 'jsx' ? 'tsx' : 'mts'}`)
  writeFileSync(file, AROUND + code)
  return file
})
writeFileSync(at('wrong.mts'), WRONG)

// One program for all, since the libraries of the browser are read for each.
const program = ts.createProgram([...snippets, at('wrong.mts'), at('ossupload.d.ts'), at('react.d.ts')], options)
const checker = program.getTypeChecker()

const complaints = (file) =>
  ts
    .getPreEmitDiagnostics(program, file && program.getSourceFile(file))
    .map((d) => `${d.file?.fileName.split('/').at(-1)}: ${ts.flattenDiagnosticMessageText(d.messageText, '\n')}`)

test('the types are sound, and the snippets of README.md compile', () => {
  assert.ok(snippets.length >= 4)
  assert.deepEqual(complaints(), [])
})

test('types refuse what the client does not take', () => assert.deepEqual(complaints(at('wrong.mts')), []))

function declared(name) {
  const symbols = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(at(name))))
  const members = (symbol) => [...(symbol.members?.keys() ?? [])].filter((n) => !n.startsWith('__'))
  const values = symbols.filter((s) => s.flags & ts.SymbolFlags.Value)
  return { values: values.map((s) => s.name).sort(), members: (n) => members(symbols.find((s) => s.name === n)).sort() }
}

test('what is exported is what is declared', () => {
  assert.deepEqual(Object.keys(client).sort(), declared('ossupload.d.ts').values)
  assert.deepEqual(Object.keys(react).sort(), declared('react.d.ts').values)
})

test('classes and objects have the members that are declared', () => {
  const { members } = declared('ossupload.d.ts')
  const upload = new client.Upload(new File([], 'a'), { storage: null })
  const own = new Set([...Object.keys(upload), ...Object.getOwnPropertyNames(client.Upload.prototype)])
  own.delete('constructor')
  assert.deepEqual([...own].sort(), members('Upload'))
  assert.deepEqual(Object.keys(upload.progress).sort(), members('Progress'))
  const error = new client.UploadError('c', 'm', { cause: 1 })
  const inherited = ['name']
  assert.deepEqual(Object.getOwnPropertyNames(error).filter((n) => !['stack', 'message', ...inherited].includes(n)).sort(), members('UploadError'))
})

// Options are read by name: destructured, or from #options.
test('every option that is declared is read, and none besides', () => {
  const { members } = declared('ossupload.d.ts')
  const source = readFileSync(at('upload.js'), 'utf8')
  const one = [...source.matchAll(/#options\.(\w+)/g)].map(([, name]) => name)
  const many = [...source.matchAll(/const \{([^}]*)\} = (?:this\.#)?options\b/g)].flatMap(([, names]) => names.split(',').map((n) => n.split(/[=:]/)[0].trim()))
  const read = new Set([...one, ...many].filter((name) => !name.startsWith('...')))
  assert.deepEqual([...read].sort(), members('UploadOptions'))
})
