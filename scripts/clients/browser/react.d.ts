import type { Phase, Progress, Receipt, Upload, UploadError, UploadOptions } from './ossupload.js'

export interface UseUpload {
  /** Begins an upload; one that is under way is paused. */
  start(file: File | Blob, more?: UploadOptions): Upload
  pause(): void
  /** Goes on after a pause or a failure. */
  resume(): void
  cancel(): Promise<void> | undefined
  /** `idle` before the first upload. */
  phase: Phase | 'idle'
  progress: Progress | undefined
  receipt: Receipt | undefined
  error: UploadError | undefined
}

/** One upload at a time, as state of a component. */
export function useUpload(options?: UploadOptions): UseUpload
