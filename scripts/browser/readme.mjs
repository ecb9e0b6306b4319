// The application of the README, and its element.

import { hold, holding, open, release, shoot } from './browser.mjs'

let page

/** Uploads files through the element, and gives the keys in the receipts. */
export async function appUpload({ url, files }) {
  page = await open(url, { fresh: true, ready: 'oss-upload' })
  await page.locator('oss-upload input').setInputFiles(files)
  await page.waitForFunction((n) => document.querySelector('oss-upload').receipts.length === n, files.length)
  await shoot({ name: 'app' })
  return page.evaluate(() => document.querySelector('oss-upload').receipts.map((receipt) => receipt.key))
}

/** What the element says of a file that is refused. */
export async function appRefusal({ file }) {
  await page.locator('oss-upload input').setInputFiles(file)
  await page.locator('oss-upload .again:visible').waitFor()
  await shoot({ name: 'app-refused' })
  return page.locator('oss-upload li:last-child .says').textContent()
}

/**
 * A form with the element in it, as its user meets it: whether it may be sent while
 * nothing is chosen, while something is being uploaded and afterwards, and what is
 * sent; then after the file was removed. The form is moved under way, which is when
 * the storage gets no byte yet.
 */
export async function appForm({ file }) {
  await page.evaluate(() => {
    const form = document.createElement('form')
    form.innerHTML = '<oss-upload name="photo" required></oss-upload>'
    for (const name of ['endpoint', 'token']) form.firstChild.setAttribute(name, document.querySelector('oss-upload').getAttribute(name))
    document.body.append(form)
  })
  const look = () => page.evaluate(() => ({ valid: document.forms[0].checkValidity(), sent: new FormData(document.forms[0]).getAll('photo') }))
  const empty = await look()
  await hold({ method: 'PUT', url: '.' })
  await page.locator('form oss-upload input').setInputFiles(file)
  await holding()
  const begun = await look()
  await page.evaluate(() => document.body.append(document.forms[0])) // which moves it
  await release()
  await page.waitForFunction(() => document.querySelector('form oss-upload').receipts.length === 1)
  const done = await look()
  await page.locator('form oss-upload .remove').click()
  const removed = await look()
  return { empty, begun, done, removed }
}

/** Runs a snippet that uploads the file of an input, as a module of the page, and gives the receipt's key. */
export async function appSnippet({ code, file }) {
  await page.evaluate(() => {
    document.body.insertAdjacentHTML('beforeend', '<input id="input" type="file"><progress id="bar" value="0"></progress>')
  })
  await page.locator('#input').setInputFiles(file)
  await page.addScriptTag({ type: 'module', content: `${code}\nwindow.receipt = receipt` })
  const receipt = await page.waitForFunction(() => window.receipt)
  return { key: (await receipt.jsonValue()).key, progress: await page.locator('#bar').evaluate((bar) => bar.value) }
}
