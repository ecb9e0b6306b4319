import type { Receipt, UploadError } from './ossupload.js'

/**
 * `<oss-upload endpoint token name multiple accept required disabled>`: uploads what
 * is chosen or dropped on it, and is an input of its form. Importing this module
 * defines it.
 */
export class OssUpload extends HTMLElement {
  static formAssociated: true
  /** The receipts of what is uploaded, in the order of choosing. */
  readonly receipts: Receipt[]
  /** Uploads files; one at most, in place of the last, unless the element is `multiple`. */
  add(files: Iterable<File> | ArrayLike<File>): void
}

declare global {
  interface HTMLElementTagNameMap {
    'oss-upload': OssUpload
  }
  interface HTMLElementEventMap {
    receipt: CustomEvent<Receipt>
    failure: CustomEvent<UploadError>
  }
}
