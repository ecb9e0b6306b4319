/**
 * A React hook over ossupload.js: one upload at a time.
 *
 *   const { start, pause, resume, cancel, progress, receipt, error } = useUpload({ endpoint, getToken })
 *   <input type="file" onChange={(e) => start(e.target.files[0])} />
 *
 * An upload is paused when its component goes away, so that a multipart upload
 * of the same file goes on later.
 */
import { useCallback, useEffect, useRef, useState } from 'react'
import { Upload } from './ossupload.js'

const idle = { progress: undefined, receipt: undefined, error: undefined }

export function useUpload(options) {
  const [state, setState] = useState(idle)
  const current = useRef(undefined)
  const latest = useRef(options) // so that start needs no new identity for new options
  useEffect(() => {
    latest.current = options
  })
  useEffect(() => () => current.current?.pause(), [])

  const run = useCallback((upload) => {
    const set = (change) => {
      if (current.current === upload) setState((before) => ({ ...before, ...change }))
    }
    set({ error: undefined })
    upload.start().then(
      (receipt) => set({ receipt }),
      (error) => error.code === 'cancelled' || set({ error }),
    )
  }, [])

  const start = useCallback(
    (file, more) => {
      current.current?.pause()
      const upload = new Upload(file, {
        ...latest.current,
        ...more,
        onProgress: (progress) => {
          if (current.current === upload) setState((before) => ({ ...before, progress }))
          ;(more?.onProgress ?? latest.current?.onProgress)?.(progress)
        },
      })
      current.current = upload
      setState({ ...idle, progress: upload.progress })
      run(upload)
      return upload
    },
    [run],
  )
  const pause = useCallback(() => current.current?.pause(), [])
  const resume = useCallback(() => current.current && run(current.current), [run])
  const cancel = useCallback(() => current.current?.cancel(), [])

  return { ...state, phase: state.progress?.phase ?? 'idle', start, pause, resume, cancel }
}
