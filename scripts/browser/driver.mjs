// Does in a browser what browser_test.go asks for: a line of JSON on standard
// input, [name, arguments], is answered by a line on standard output, {result}
// or {error}. What is asked for is a function of one of the modules below.

import { createInterface } from 'node:readline'
import * as browser from './browser.mjs'
import * as dashboard from './dashboard.mjs'
import * as page from './page.mjs'
import * as plain from './plain.mjs'
import * as readme from './readme.mjs'
import * as sts from './sts.mjs'

const calls = { ...browser, ...dashboard, ...page, ...plain, ...readme, ...sts }
const LIMIT = 90_000 // ms

for await (const line of createInterface({ input: process.stdin })) {
  const [name, args] = JSON.parse(line)
  let answer
  let timer
  try {
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${name} takes longer than ${LIMIT} ms`)), LIMIT)
    })
    answer = { result: (await Promise.race([calls[name](args), late])) ?? null }
    if (browser.blunders.length) throw new Error(browser.blunders.splice(0).join('\n'))
  } catch (error) {
    answer = { error: [error.stack, ...browser.lastRequests()].join('\n') }
    await browser.shoot({ name: `failed-${name}` }).catch(() => {})
  }
  clearTimeout(timer)
  process.stdout.write(JSON.stringify(answer) + '\n')
}
await browser.close()
