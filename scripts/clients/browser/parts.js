// The parts of a multipart upload, and their URLs.

const BATCH = 100 // part URLs asked for at once
const URL_LIFE = 10 * 60_000 // ms; part URLs live 15 minutes

/** The parts of a file: [{number, start, end}]. An empty file is one part. */
export function planParts(size, partSize) {
  const parts = []
  for (let start = 0; start < size || !parts.length; start += partSize) {
    parts.push({ number: parts.length + 1, start, end: Math.min(start + partSize, size) })
  }
  return parts
}

/** The URL of a part. */
export function fillTemplate(template, partNumber, signature) {
  return template.replace('{partNumber}', partNumber).replace('{signature}', signature)
}

/**
 * Returns a function that gives the URL of a part of `count`. It asks for many
 * at once where the server can do that. `ask` gets what stands below the upload
 * from the functions.
 */
export function partURLs(ask, count) {
  let batch = true
  let known // {template, signatures}
  let until
  let asking

  const askMany = async (first) => {
    const last = Math.min(first + BATCH - 1, count)
    try {
      known = await ask(`/batch?partNumbers=${first}-${last}&as=template`)
      until = Date.now() + URL_LIFE
      batch = !!known.signatures?.[first]
    } catch (error) {
      if (error.status !== 404 && error.status !== 400) throw error
      batch = false
    }
  }
  return async (number, refused) => {
    if (refused) known = undefined
    while (batch && !(known?.signatures[number] && Date.now() < until)) {
      await (asking ??= askMany(number).finally(() => (asking = undefined)))
    }
    if (batch) return fillTemplate(known.template, number, known.signatures[number])
    return (await ask(`/${number}`)).url
  }
}
