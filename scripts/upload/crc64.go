package main

import (
	"hash/crc64"
	"math/bits"
	"strconv"
)

// crcTable makes hash/crc64 compute CRC-64/XZ, which is what OSS answers in
// x-oss-hash-crc64ecma: its polynomial is reflected, its register begins and
// ends inverted, and the CRC of "123456789" is 11051210869376104954.
var crcTable = crc64.MakeTable(crc64.ECMA)

// combineCRC64 is the CRC of two texts in a row: of one with CRC first, then of
// one with CRC second and a length in bytes.
//
// A CRC is a remainder of polynomials over GF(2). Text that follows multiplies
// what came before by x to the number of its bits; the inversions at both ends
// cancel out.
func combineCRC64(first, second uint64, length int64) uint64 {
	const (
		one = 1 << 63       // reflected: the highest bit is the coefficient of x^0
		x8  = 1 << (63 - 8) // x^8: one byte
	)
	shift, square := uint64(one), uint64(x8)
	for n := uint64(length); n > 0; n >>= 1 {
		if n&1 == 1 {
			shift = multiply(shift, square)
		}
		square = multiply(square, square)
	}
	return multiply(first, shift) ^ second
}

// multiply is the product of two reflected polynomials modulo that of the CRC.
func multiply(a, b uint64) uint64 {
	var product uint64
	for ; a != 0; a &^= 1 << 63 {
		// Skip to the next coefficient of a that is not zero.
		zeros := bits.LeadingZeros64(a)
		a <<= zeros
		for range zeros {
			b = timesX(b)
		}
		product ^= b
	}
	return product
}

// timesX multiplies by x: with the lowest bit x^63 becomes x^64, which the
// polynomial replaces.
func timesX(b uint64) uint64 {
	if b&1 == 1 {
		return b>>1 ^ crc64.ECMA
	}
	return b >> 1
}

// decimal is the form in which CRCs travel.
func decimal(crc uint64) string { return strconv.FormatUint(crc, 10) }
