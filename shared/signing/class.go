package signing

import (
	"cmp"
	"unicode/utf8"
)

// class is a set of bytes, in a table that tells all of them with one look.
type class uint8

const (
	unreserved class = 1 << iota // RFC 3986: stands for itself in a URL
	inPath                       // unreserved, or the slash
	inToken                      // of a header's name (RFC 9110, 5.6.2)
	inName                       // of a bucket's name or a region's id
	printable                    // of a value, without a further look
	unquoted                     // stands for itself in a JSON string
)

var classes = classify()

func classify() (table [256]class) {
	in := func(c class, bytes string) {
		for _, b := range []byte(bytes) {
			table[b] |= c
		}
	}
	const lower, upper, digits = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
	in(unreserved|inPath|inToken, lower+upper+digits+"-._~")
	in(inPath, "/")
	in(inToken, "!#$%&'*+^`|")
	in(inName, lower+digits+"-")
	for b := ' '; b < utf8.RuneSelf-1; b++ {
		table[b] |= printable | unquoted
	}
	for b := utf8.RuneSelf; b < len(table); b++ {
		table[b] |= unquoted
	}
	table['"'] &^= unquoted
	table['\\'] &^= unquoted
	return table
}

// run is how many bytes at the beginning of s are in c. Most of a long value is
// one run: eight bytes at a time take half as long as one by one.
func run(s string, c class) int {
	n := 0
	for ; len(s)-n >= 8; n += 8 {
		b := s[n : n+8]
		if classes[b[0]]&classes[b[1]]&classes[b[2]]&classes[b[3]]&classes[b[4]]&classes[b[5]]&classes[b[6]]&classes[b[7]]&c == 0 {
			break
		}
	}
	for n < len(s) && classes[s[n]]&c != 0 {
		n++
	}
	return n
}

// all reports whether every byte of s is in c.
func all(s string, c class) bool { return run(s, c) == len(s) }

// isToken reports whether s can be a header's name.
func isToken(s string) bool { return s != "" && all(s, inToken) }

// appendEscaped appends s, whose bytes are percent-encoded but for those in kept.
func appendEscaped(dst []byte, s string, kept class) []byte {
	const hex = "0123456789ABCDEF"
	for {
		n := run(s, kept)
		dst = append(dst, s[:n]...)
		if n == len(s) {
			return dst
		}
		dst = append(dst, '%', hex[s[n]>>4], hex[s[n]&15])
		s = s[n+1:]
	}
}

// appendLower appends s in lower case, as far as it is ASCII.
func appendLower(dst []byte, s string) []byte {
	start := len(dst)
	dst = append(dst, s...)
	for i, c := range dst[start:] {
		dst[start+i] = lower(c)
	}
	return dst
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// compareFold orders names as they are in lower case.
func compareFold(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			continue // neighbours in a list begin alike
		}
		if order := cmp.Compare(lower(a[i]), lower(b[i])); order != 0 {
			return order
		}
	}
	return cmp.Compare(len(a), len(b))
}
