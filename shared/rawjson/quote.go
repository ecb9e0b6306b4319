package rawjson

import "unicode/utf8"

// AppendQuote appends s as a JSON string, as encoding/json writes it without HTML
// escaping: what is not UTF-8 becomes U+FFFD, and U+2028 and U+2029, which would
// end a line of JavaScript, are escaped.
func AppendQuote(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for {
		n := quotedRun(s)
		dst = append(dst, s[:n]...)
		if s = s[n:]; s == "" {
			return append(dst, '"')
		}
		if s[0] < utf8.RuneSelf {
			dst = appendEscape(dst, s[0])
			s = s[1:]
			continue
		}
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, `\ufffd`...)
		case r == '\u2028', r == '\u2029':
			dst = append(dst, `\u202`...)
			dst = append(dst, hexDigits[r&0xf])
		default:
			dst = append(dst, s[:size]...)
		}
		s = s[size:]
	}
}

// quotedRun is how many bytes at the beginning of s stand for themselves in quotes.
func quotedRun(s string) int {
	for i := range len(s) {
		if !plainInQuotes[s[i]] {
			return i
		}
	}
	return len(s)
}

// plainInQuotes are the bytes that stand for themselves: to look one up takes a third
// of the time of four comparisons, and long URLs are quoted in every answer.
var plainInQuotes = func() (plain [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		plain[c] = c != '"' && c != '\\'
	}
	return plain
}()

const hexDigits = "0123456789abcdef"

// appendEscape appends a quote, a backslash or a control character.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}
