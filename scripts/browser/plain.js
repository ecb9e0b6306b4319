// Uppy as an application has it: its own options, no wrapper. The driver calls
// begin once and then the methods of window.uppy.

import AwsS3 from '@uppy/aws-s3'
import Uppy from '@uppy/core'

const MiB = 1 << 20

window.begin = ({ parts, token, ...options }) => {
  const uppy = (window.uppy = new Uppy())
  window.uploaded = []
  window.failed = []
  window.partsStored = 0
  uppy.use(AwsS3, {
    ...options,
    id: 'AwsS3',
    ...(token && { headers: { Authorization: `Bearer ${token}` } }),
    shouldUseMultipart: parts,
    getChunkSize: () => 5 * MiB,
  })
  uppy.on('s3-multipart:part-uploaded', () => window.partsStored++)
  uppy.on('upload-success', (file, { uploadURL, body }) => window.uploaded.push({ uploadURL, ...body }))
  uppy.on('upload-error', (file, { name, message }) => window.failed.push({ name, message }))
  const [file] = document.querySelector('#file').files
  window.id = uppy.addFile({ name: file.name, type: file.type, data: file, meta: { album: 'first' } })
  uppy.upload()
}

// reuse puts another plugin in the place of the one that is there.
window.reuse = (options) => {
  window.uppy.removePlugin(window.uppy.getPlugin('AwsS3'))
  window.uppy.use(AwsS3, { ...options, id: 'AwsS3', shouldUseMultipart: true, getChunkSize: () => 5 * MiB })
}
