package main

import (
	"hash/crc64"
	"math/bits"
)

// crcJoiner computes the CRC-64/XZ of a whole from those of its pieces.
//
// A CRC is a polynomial over GF(2) modulo the ECMA polynomial P. To put n bytes
// behind a piece multiplies its CRC by x^(8n) mod P; then the CRC of those bytes
// is added. That factor is the same for all pieces of one length, which those of
// an upload are but the last: it is computed when the length changes.
//
// Polynomials are reflected, as in hash/crc64: the highest bit is x^0.
type crcJoiner struct {
	crc    uint64
	length int64 // of the last piece
	factor uint64
	// squares are x^(8·2^i): x^(8n) is the product of those that n's bits name.
	squares [64]uint64
}

// newCRCJoiner returns the joiner of no piece at all, whose CRC is 0.
func newCRCJoiner() *crcJoiner {
	j := &crcJoiner{length: -1}
	j.squares[0] = 1 << (63 - 8)
	for i := 1; i < len(j.squares); i++ {
		j.squares[i] = multiply(j.squares[i-1], j.squares[i-1])
	}
	return j
}

// add puts a piece of length bytes, which is not negative, behind what there is. No
// bytes change nothing, whatever is said to be their CRC.
func (j *crcJoiner) add(crc uint64, length int64) {
	if length == 0 {
		return
	}
	if length != j.length {
		j.length, j.factor = length, 1<<63
		for n := uint64(length); n > 0; n &= n - 1 {
			j.factor = multiply(j.factor, j.squares[bits.TrailingZeros64(n)])
		}
	}
	j.crc = multiply(j.crc, j.factor) ^ crc
}

// multiply is a·b mod P. It has no branch that depends on a bit: half of them would
// be guessed wrong.
func multiply(a, b uint64) (product uint64) {
	for ; a != 0; a <<= 1 {
		product ^= b & -(a >> 63)
		b = b>>1 ^ crc64.ECMA&-(b&1)
	}
	return product
}
