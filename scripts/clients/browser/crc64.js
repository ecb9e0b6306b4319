// CRC-64/XZ, which OSS keeps of every object. JavaScript has no fast 64-bit
// integers, so that the table and the loop work on halves of 32 bits.
const POLYNOMIAL = 0xc96c5795d7870f42n // bit-reversed
const HIGH = new Uint32Array(256)
const LOW = new Uint32Array(256)
for (let i = 0; i < 256; i++) {
  let crc = BigInt(i)
  for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ POLYNOMIAL : crc >> 1n
  HIGH[i] = Number(crc >> 32n)
  LOW[i] = Number(crc & 0xffffffffn)
}

/** CRC-64/XZ of bytes, as a BigInt; `crc` is that of the bytes before them. */
export function crc64(bytes, crc = 0n) {
  let high = ~Number(crc >> 32n)
  let low = ~Number(crc & 0xffffffffn)
  for (let i = 0; i < bytes.length; i++) {
    const index = (low ^ bytes[i]) & 255
    low = ((low >>> 8) | (high << 24)) ^ LOW[index]
    high = (high >>> 8) ^ HIGH[index]
  }
  return (BigInt(~high >>> 0) << 32n) | BigInt(~low >>> 0)
}

// The product of two polynomials modulo POLYNOMIAL, bit-reversed: 1 is the top
// bit.
function multiply(a, b) {
  let product = 0n
  for (let bit = 1n << 63n; bit; bit >>= 1n) {
    if (a & bit) product ^= b
    b = b & 1n ? (b >> 1n) ^ POLYNOMIAL : b >> 1n
  }
  return product
}

/** The CRC of pieces joined, each [crc, length]. */
export function combineCRC64(pieces) {
  let whole = 0n
  let known // the length that shift is for; most pieces are of one length
  let shift
  for (const [crc, length] of pieces) {
    if (length !== known) {
      // Each byte that follows multiplies the CRC of what precedes it by x^8.
      shift = 1n << 63n
      let power = 1n << 55n
      for (let n = BigInt(length); n; n >>= 1n) {
        if (n & 1n) shift = multiply(shift, power)
        power = multiply(power, power)
      }
      known = length
    }
    whole = multiply(shift, whole) ^ crc
  }
  return whole
}
