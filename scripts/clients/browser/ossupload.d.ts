/** What OSS stored and the application was told. */
export interface Receipt {
  /** The object's URL, unsigned. */
  location: string
  bucket: string
  key: string
  /** Bytes. */
  size: number
  /** Without quotes. */
  etag: string
  /** CRC-64/XZ in decimal. */
  crc64: string
  contentType: string
  versionId?: string
  filename: string
  metadata: Record<string, string> | null
  vars: Record<string, string> | null
  /** The application's own word about the caller, from the caller's token. */
  context?: unknown
  /** RFC 3339. */
  uploadedAt: string
  /** The id of the event: one for the same bytes, however often it is delivered. */
  eventId: string
  /** Whether your backend took the event; if not, it is queued and delivered later. */
  delivered: boolean
  /** The receipt as a JWT, for a backend that gets it from the browser. */
  receiptToken?: string
}

/**
 * `ready` → `preparing` → `sending` → `completing` (multipart) or `confirming`
 * (the answer to the upload was lost, or the application was not told) → `done`;
 * or `paused`, `failed`, `cancelled`.
 */
export type Phase =
  | 'ready'
  | 'preparing'
  | 'sending'
  | 'completing'
  | 'confirming'
  | 'paused'
  | 'done'
  | 'failed'
  | 'cancelled'

export interface Progress {
  phase: Phase
  /** Bytes of the file that were sent. It falls when a part has to be sent again. */
  loaded: number
  /** Bytes of the file. */
  total: number
  /** The part that this report is about, from 1; 0 when it is about none. */
  part: number
  /** Number of parts; 1 for PUT and form, 0 until it is known. */
  parts: number
  /** Bytes of `part` that were sent. */
  partLoaded: number
  /** Requests that had to be repeated so far. */
  retries: number
  /** Whether the upload waits for the browser to be online. */
  offline: boolean
  /**
   * What went wrong last since start or resume, although the upload goes on or is
   * done: a request that is repeated, or a callback that `/confirm` made up for.
   */
  fault: UploadError | undefined
}

/** One address for all routes, or one for each function. */
export type Endpoint = string | URL | { presign: string | URL; complete: string | URL }

/** A request that is over. It holds no token, no signature and no query but a part's number. */
export interface RequestReport {
  method: string
  /** The path; upload ids are left out. */
  route: string
  target: 'functions' | 'storage'
  /** 0: no answer came. */
  status: number
  /** From the request's begin to its end. */
  ms: number
}

/** Where the state of multipart uploads outlives the page; localStorage is one. */
export interface UploadStorage {
  getItem(key: string): string | null | undefined | Promise<string | null | undefined>
  setItem(key: string, value: string): unknown
  removeItem(key: string): unknown
}

export interface UploadOptions {
  /**
   * Base URL of the functions, as `https://upload.example.com`, or one for each;
   * default: the page's own origin.
   */
  endpoint?: Endpoint
  /**
   * The caller's token. It is asked for at every start and resume, and again,
   * with the token that was refused, after an answer of 401.
   */
  getToken?: (refused?: string) => string | undefined | Promise<string | undefined>
  /** The header that `AUTH_TOKEN_HEADER` of the functions names; default `Authorization`. */
  tokenHeader?: string
  onProgress?: (progress: Progress) => void
  /** Told of every request, for a log of yours. */
  onRequest?: (request: RequestReport) => void
  /** Aborting it cancels the upload, parts included. */
  signal?: AbortSignal
  /** Default `auto`: multipart from `multipartFrom` on, else PUT. */
  method?: 'auto' | 'put' | 'form' | 'multipart'
  /** Bytes; default 16 MiB. */
  multipartFrom?: number
  /** Bytes of a part, at least 102,400; by default the server chooses. */
  partSize?: number
  /** Parts sent at once; default 4. */
  parallel?: number
  /** How often a request is repeated after passing faults; default 6, about half a minute. */
  retries?: number
  /** Strings that the event hands to your backend. */
  vars?: Record<string, string>
  /** Stored with the object; names of `[a-z0-9-]`. */
  metadata?: Record<string, string>
  /** Default: the file's, and else one that fits its name. */
  contentType?: string
  /** Default: the file's. */
  filename?: string
  /**
   * Keeps which multipart upload a file belongs to, so that it goes on after a
   * reload; default localStorage, null keeps nothing. What is kept is of use
   * only together with the caller's token.
   */
  storage?: UploadStorage | null
}

/**
 * The message is one line that ends with what mends it, for a developer's eyes.
 * Codes are those of the functions (`unauthenticated`, `invalid_request`,
 * `throttled`, …) and these:
 *
 * - `network`: no answer came; `details` is `{host, why}`, where why is
 *   `unreachable` or `broken`.
 * - `cors`: the host answers, and keeps its answers from this page.
 * - `storage_refused`: OSS refused the bytes; `details.code` is its own code.
 * - `bad_answer`: something answered that is neither the functions nor OSS.
 * - `file_changed`: the file was changed or removed after it was chosen.
 * - `checksum_mismatch`: other bytes are stored than are in the file.
 * - `cancelled`
 * - `unexpected`: `cause` tells, as when getToken fails.
 *
 * These are never an upload's end, and seen as `fault` of its progress only:
 *
 * - `offline`: the upload waits.
 * - `callback_failed`: the file is stored, OSS's callback failed, and `/confirm` is
 *   asked for the receipt.
 */
export class UploadError extends Error {
  constructor(
    code: string,
    message?: string,
    more?: { status?: number; requestId?: string; details?: unknown; cause?: unknown },
  )
  code: string
  /** Of the HTTP answer; 0 when there was none. */
  status: number
  /** For a look into the functions' logs, or OSS's own. */
  requestId?: string
  details?: any
  cause?: unknown
}

/** One upload, which can be paused, resumed and cancelled. */
export class Upload {
  constructor(file: File | Blob | InterruptedUpload, options?: UploadOptions)
  readonly phase: Phase
  readonly progress: Progress
  /**
   * The receipt, or an UploadError. It survives pauses; after a failure, start
   * and resume put a new promise in its place.
   */
  readonly done: Promise<Receipt>
  /** Begins, or goes on after a pause or a failure. Returns `done`. */
  start(): Promise<Receipt>
  /** The same as start. */
  resume(): Promise<Receipt>
  /** Stops sending. Parts that are stored stay; a PUT or form begins again on resume. */
  pause(): void
  /**
   * Ends the upload for good and has its parts deleted; resolves when they are
   * or cannot be, and never rejects. Also for an upload that an earlier visit
   * left behind, with `{name, size, lastModified}` as the file.
   */
  cancel(): Promise<void>
}

/** Uploads a file and resolves with the receipt. */
export function upload(file: File | Blob, options?: UploadOptions): Promise<Receipt>

export interface UploadAllOptions<F extends File | Blob = File> extends Omit<UploadOptions, 'onProgress'> {
  /** Files at a time; default 3. One that is paused leaves its turn to others. */
  concurrency?: number
  /** Each file's own progress, and the upload, to pause or cancel it. */
  onProgress?: (progress: Progress, file: F, upload: Upload) => void
  /** What differs for a file, as `vars`. */
  optionsOf?: (file: F, index: number) => Omit<UploadOptions, 'onProgress'> | undefined
}

/** What became of a file: a receipt or an error. */
export type Outcome<F extends File | Blob = File> =
  | { file: F; upload: Upload; receipt: Receipt; error?: undefined }
  | { file: F; upload: Upload; receipt?: undefined; error: UploadError }

/**
 * Uploads many files, some at a time. It never rejects: one that fails does not
 * end the others. Outcomes are in the order of the files.
 */
export function uploadAll<F extends File | Blob>(files: Iterable<F> | ArrayLike<F>, options?: UploadAllOptions<F>): Promise<Outcome<F>[]>

export interface InterruptedUpload {
  name: string
  size: number
  lastModified: number
}

/**
 * Uploads that an earlier visit left unfinished. Uploading the same file to
 * the same endpoint with the same options goes on with it.
 */
export function interrupted(endpoint?: Endpoint, storage?: Storage): InterruptedUpload[]

/** CRC-64/XZ of bytes; `crc` is that of the bytes before them. */
export function crc64(bytes: Uint8Array, crc?: bigint): bigint

/** The CRC-64/XZ of pieces joined, each `[crc, length]`. */
export function combineCRC64(pieces: Iterable<[crc: bigint, length: number]>): bigint

/** The parts of a file. An empty file is one part. */
export function planParts(size: number, partSize: number): { number: number; start: number; end: number }[]

/** The URL of a part, from the compact answer of the batch route. */
export function fillTemplate(template: string, partNumber: number, signature: string): string

/** Milliseconds to wait after failure 0, 1, 2, … */
export function backoff(attempt: number, random?: () => number): number
