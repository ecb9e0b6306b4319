// A page with the hook of react.js, for Chromium.
import { createRoot } from 'react-dom/client'
import { useUpload } from '../react.js'

function Field({ endpoint, token }) {
  const { start, phase, receipt, error } = useUpload({ endpoint, getToken: () => token })
  return (
    <>
      <input type="file" onChange={(e) => start(e.target.files[0])} />
      <output>{[phase, receipt?.key, error?.message].filter(Boolean).join(' ')}</output>
    </>
  )
}

export const show = (root, props) => createRoot(root).render(<Field {...props} />)
