package redact

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// class says what characters s consists of, and how many of them are escapes of a
// URL. It is all that is told of a value beside its length.
func class(s string) string {
	rest, escapes := unescaped(s)
	told := form(rest)
	if escapes > 0 {
		told += fmt.Sprintf(" %%%d", escapes)
	}
	if plus := strings.Count(s, "+"); plus > 0 {
		told += fmt.Sprintf(" +%d", plus)
	}
	return told
}

// unescaped is s without its percent escapes, and how many there were.
func unescaped(s string) (rest string, escapes int) {
	if strings.IndexByte(s, '%') < 0 {
		return s, 0
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && charset(s[i+1:i+3])&^(digit|lowerHex|upperHex) == 0 {
			escapes++
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String(), escapes
}

// chars is a set of kinds of characters.
type chars int

const (
	digit chars = 1 << iota
	lowerHex
	upperHex
	letter // any other
	dash   // or underscore: base64 of URLs
	slash  // or plus, or equals sign: base64
	dot
	sign // any other that is seen
	blank
	control
	beyond // ASCII
)

func charset(s string) chars {
	table := kinds()
	var set chars
	for i := range len(s) {
		set |= table[s[i]]
	}
	return set
}

// kinds are the kinds of all bytes.
var kinds = sync.OnceValue(func() *[256]chars {
	var table [256]chars
	for c := range table {
		switch {
		case c >= utf8.RuneSelf:
			table[c] = beyond
		case c < ' ' || c == 0x7f:
			table[c] = control
		default:
			table[c] = sign
		}
	}
	for kind, members := range map[chars]string{
		lowerHex: "abcdef", digit: "0123456789", letter: "ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ", upperHex: "ABCDEF",
		dash: "-_", slash: "+/=", dot: ".", blank: " ",
	} {
		for _, c := range []byte(members) {
			table[c] = kind
		}
	}
	return &table
})

const alphanumeric = digit | lowerHex | upperHex | letter

// form names the narrowest kind of text that s is.
func form(s string) string {
	if known := wellKnown(s); known != "" {
		return known
	}
	set := charset(s)
	for _, kind := range []struct {
		name string
		of   chars
	}{
		{"digits", digit}, {"hex", digit | lowerHex}, {"HEX", digit | upperHex}, {"alnum", alphanumeric},
		{"base64url", alphanumeric | dash}, {"base64", alphanumeric | slash},
	} {
		if set&^kind.of == 0 {
			return kind.name
		}
	}
	if set&^(alphanumeric|dash|dot) == 0 {
		if lengths := dotted(s); lengths != "" {
			return "dotted " + lengths
		}
	}
	switch {
	case set&control != 0:
		return "control"
	case set&beyond != 0:
		return "utf8"
	case set&blank != 0:
		return "ascii"
	}
	return "token"
}

// wellKnown names the formats that functions read, of texts that are short.
func wellKnown(s string) string {
	if strings.HasPrefix(s, "https://") {
		return "https-url"
	}
	if strings.HasPrefix(s, "http://") {
		return "http-url"
	}
	if len(s) > 45 {
		return ""
	}
	if _, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return "rfc3339"
	}
	if a, err := netip.ParseAddr(s); err == nil {
		if a.Is4() {
			return "ipv4"
		}
		return "ipv6"
	}
	if len(s) == len("00000000-0000-0000-0000-000000000000") && charset(s)&^(digit|lowerHex|upperHex|dash) == 0 {
		if charset(s)&upperHex != 0 {
			return "HEX-dash"
		}
		return "hex-dash"
	}
	return ""
}

// dotted are the lengths of two to four parts between dots: hosts, file names,
// tokens.
func dotted(s string) string {
	if strings.Count(s, ".") > 3 {
		return ""
	}
	parts := strings.Split(s, ".")
	lengths := make([]string, len(parts))
	for i, part := range parts {
		if part == "" {
			return ""
		}
		lengths[i] = fmt.Sprint(len(part))
	}
	return strings.Join(lengths, ".")
}
