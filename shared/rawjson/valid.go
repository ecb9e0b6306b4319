package rawjson

import "bytes"

// maxDepth is how deep objects and lists may nest, as in encoding/json.
const maxDepth = 10_000

// Valid is json.Valid in a fraction of its time: it is what a stranger's body costs
// at the least.
func Valid(text []byte) bool {
	const usual = 16 // open at once
	v := validator{text: text, open: make([]byte, 0, usual)}
	for v.begin() {
		for more := false; !more; {
			if len(v.open) == 0 {
				v.space()
				return v.at == len(text)
			}
			var ok bool
			if more, ok = v.end(); !ok {
				return false
			}
		}
	}
	return false
}

// validator goes through text without recursion, since any depth must not cost
// more than its bytes.
type validator struct {
	text []byte
	at   int
	open []byte // the closing brackets of what is open
}

// begin passes the beginning of a value: all of it, or an opening bracket with
// what stands before the first value inside.
func (v *validator) begin() bool {
	for {
		v.space()
		switch c := v.next(); c {
		case '{', '[':
			if len(v.open) == maxDepth {
				return false
			}
			v.open = append(v.open, c+2) // as it closes
			v.at++
			if v.space(); v.next() == c+2 {
				return true // it is empty, and end will close it
			}
			if c == '{' && !v.name() {
				return false
			}
		case '"':
			return v.string()
		case 't':
			return v.word("true")
		case 'f':
			return v.word("false")
		case 'n':
			return v.word("null")
		default:
			return v.number()
		}
	}
}

// end passes what stands behind a value inside of another: a comma, and more is
// true, or the closing bracket.
func (v *validator) end() (more, ok bool) {
	v.space()
	closing := v.open[len(v.open)-1]
	switch v.next() {
	case ',':
		v.at++
		return true, closing == ']' || v.name()
	case closing:
		v.at++
		v.open = v.open[:len(v.open)-1]
		return false, true
	}
	return false, false
}

// name passes a name and its colon.
func (v *validator) name() bool {
	v.space()
	if v.next() != '"' || !v.string() {
		return false
	}
	v.space()
	if v.next() != ':' {
		return false
	}
	v.at++
	return true
}

// next is the byte that comes next, 0 at the end.
func (v *validator) next() byte {
	if v.at == len(v.text) {
		return 0
	}
	return v.text[v.at]
}

func (v *validator) space() {
	if v.at < len(v.text) && v.text[v.at] <= ' ' {
		v.spaces()
	}
}

func (v *validator) spaces() {
	for ; v.at < len(v.text); v.at++ {
		switch v.text[v.at] {
		case ' ', '\t', '\r', '\n':
		default:
			return
		}
	}
}

func (v *validator) word(w string) bool {
	if !bytes.HasPrefix(v.text[v.at:], []byte(w)) {
		return false
	}
	v.at += len(w)
	return true
}

// string passes a string; what is not UTF-8 is let through, as encoding/json does.
func (v *validator) string() bool {
	for v.at++; ; {
		v.at += plainRun(v.text[v.at:])
		switch v.next() {
		case '"':
			v.at++
			return true
		case '\\':
			if !v.escape() {
				return false
			}
		default:
			return false
		}
	}
}

// plainRun is how many bytes stand for themselves at the beginning of text.
func plainRun(text []byte) int {
	for i, c := range text {
		if c == '"' || c == '\\' || c < ' ' {
			return i
		}
	}
	return len(text)
}

// escape passes a backslash and what belongs to it.
func (v *validator) escape() bool {
	v.at++
	switch v.next() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		v.at++
		return true
	case 'u':
		v.at++
		for range 4 {
			if c := v.next() | 0x20; !('0' <= c && c <= '9' && v.next() == c || 'a' <= c && c <= 'f') {
				return false
			}
			v.at++
		}
		return true
	}
	return false
}

// number passes a number: -?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?
func (v *validator) number() bool {
	if v.next() == '-' {
		v.at++
	}
	from := v.at
	v.digits()
	if n := v.at - from; n == 0 || n > 1 && v.text[from] == '0' {
		return false
	}
	switch v.next() {
	case '.', 'e', 'E':
		return v.fraction()
	}
	return true
}

// fraction passes what follows the whole part of a number.
func (v *validator) fraction() bool {
	if v.next() == '.' {
		v.at++
		if !v.digits() {
			return false
		}
	}
	if c := v.next(); c != 'e' && c != 'E' {
		return true
	}
	v.at++
	if c := v.next(); c == '+' || c == '-' {
		v.at++
	}
	return v.digits()
}

// digits passes digits, and reports whether there is one at least.
func (v *validator) digits() bool {
	text, at := v.text, v.at
	for at < len(text) && '0' <= text[at] && text[at] <= '9' {
		at++
	}
	some := at > v.at
	v.at = at
	return some
}
