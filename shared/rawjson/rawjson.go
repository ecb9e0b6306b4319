// Package rawjson takes JSON apart and leaves its values as they were written.
// What strangers send is looked through by it, and only what was asked for
// becomes a Go value: decoding all of a body of 2 MiB costs many times what
// looking through it does. And it appends to JSON what is written too often for
// reflection.
//
// Whatever reads, but Valid, takes JSON that Valid has found valid, and may panic on
// any other. Each function passes over its text once, whatever the text holds.
package rawjson

import (
	"bytes"
	"iter"
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Member is a name and a value of a JSON object. Value is a part of the text.
type Member struct {
	Name  string
	Value []byte
}

// Members returns the members of an object in order of appearance. ok is false
// if text is no object.
func Members(text []byte) (members []Member, ok bool) {
	// Inlined, so that a list which its caller does not keep stays on the stack.
	const usual = 8
	return appendMembers(make([]Member, 0, usual), text)
}

func appendMembers(members []Member, text []byte) ([]Member, bool) {
	s := NewScanner(text)
	if s.Peek() != '{' {
		return nil, false
	}
	// All names are parts of one string.
	names, ends := make([]byte, 0, 128), make([]int, 0, 16)
	for s.Next('}') {
		names = AppendString(names, s.Name())
		ends = append(ends, len(names))
		members = append(members, Member{Value: s.Value()})
	}
	all, from := string(names), 0
	for i, end := range ends {
		members[i].Name, from = all[from:end], end
	}
	return members, true
}

// Elements returns the elements of a list. ok is false if text is no list.
func Elements(text []byte) (elements iter.Seq[[]byte], ok bool) {
	if NewScanner(text).Peek() != '[' {
		return nil, false
	}
	return func(yield func([]byte) bool) {
		for s := NewScanner(text); s.Next(']'); {
			if !yield(s.Value()) {
				return
			}
		}
	}, true
}

// String reads a string as encoding/json does: what is not UTF-8, and half a
// surrogate pair, becomes U+FFFD. ok is false if value is no string.
func String(value []byte) (s string, ok bool) {
	if value[0] != '"' {
		return "", false
	}
	plain := value[1 : len(value)-1]
	if bytes.IndexByte(plain, '\\') < 0 && utf8.Valid(plain) {
		return string(plain), true
	}
	var short [64]byte // an ETag in its escaped quotes fits, and is copied once
	if len(plain) <= len(short) {
		return string(AppendString(short[:0], value)), true
	}
	return string(AppendString(make([]byte, 0, len(plain)), value)), true
}

// Is reports whether value, a string in its quotes, reads as s. It looks no further
// than to the first difference.
func Is(value []byte, s string) bool {
	plain := value[1 : len(value)-1]
	for len(plain) > 0 {
		n := asciiRun(plain[:min(len(plain), len(s)+1)])
		var decoded [utf8.UTFMax]byte
		part := plain[:n]
		if n == 0 {
			var r rune
			r, n = character(plain)
			part = decoded[:utf8.EncodeRune(decoded[:], r)]
		}
		if len(part) > len(s) || string(part) != s[:len(part)] {
			return false
		}
		plain, s = plain[n:], s[len(part):]
	}
	return s == ""
}

// Int64 reads a whole number that is written without point and exponent. ok is
// false if value is anything else, or out of range.
func Int64(value []byte) (n int64, ok bool) {
	const longest = len("-9223372036854775808")
	if len(value) > longest {
		return 0, false
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	return n, err == nil
}

// AppendString appends to dst what String reads, of a value that is a string.
func AppendString(dst, value []byte) []byte {
	for plain := value[1 : len(value)-1]; len(plain) > 0; {
		n := asciiRun(plain)
		if n > 0 {
			dst = append(dst, plain[:n]...)
		} else {
			var r rune
			r, n = character(plain)
			dst = utf8.AppendRune(dst, r)
		}
		plain = plain[n:]
	}
	return dst
}

// asciiRun is how many bytes stand for themselves at the beginning of text.
func asciiRun(text []byte) int {
	for i, c := range text {
		if c == '\\' || c >= utf8.RuneSelf {
			return i
		}
	}
	return len(text)
}

// character reads an escape, or a character beyond ASCII, of n bytes.
func character(text []byte) (r rune, n int) {
	if text[0] != '\\' {
		return utf8.DecodeRune(text)
	}
	if text[1] != 'u' {
		return short(text[1]), 2
	}
	r = hex(text[2:6])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if rest := text[6:]; len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
		if pair := utf16.DecodeRune(r, hex(rest[2:6])); pair != unicode.ReplacementChar {
			return pair, 12
		}
	}
	return unicode.ReplacementChar, 6
}

// short is what a backslash and c stand for.
func short(c byte) rune {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return rune(c) // a quote, a slash or a backslash
}

// hex reads four hexadecimal digits.
func hex(digits []byte) (r rune) {
	for _, c := range digits {
		switch {
		case c <= '9':
			c -= '0'
		case c <= 'F':
			c -= 'A' - 10
		default:
			c -= 'a' - 10
		}
		r = r<<4 | rune(c)
	}
	return r
}
