package oss

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Keys may hold control characters, which XML 1.0 cannot write, not even by number.
// Clients write them by number nevertheless, "&#x01;", and OSS reads them. Here
// hideControls puts each into an escape that XML takes for text, and showControls
// takes it out of what was read:
//
//	"\uf8ff" and two hexadecimal digits; "\uf8ff" itself is "\uf8ff--"

const controlEscape = "\uf8ff"

var characterReference = regexp.MustCompile(`&#(x[0-9a-fA-F]{1,8}|[0-9]{1,8});`)

func hideControls(document []byte) []byte {
	text := strings.ReplaceAll(string(document), controlEscape, controlEscape+"--")
	return []byte(characterReference.ReplaceAllStringFunc(text, func(reference string) string {
		digits, base := reference[2:len(reference)-1], 10
		if digits[0] == 'x' {
			digits, base = digits[1:], 16
		}
		n, err := strconv.ParseUint(digits, base, 32)
		if err != nil || n >= ' ' {
			return reference
		}
		return fmt.Sprintf("%s%02x", controlEscape, n)
	}))
}

func showControls(text string) string {
	before, rest, found := strings.Cut(text, controlEscape)
	if !found {
		return text
	}
	var b strings.Builder
	for b.WriteString(before); found; b.WriteString(before) {
		if len(rest) < 2 {
			return text
		}
		if n, err := strconv.ParseUint(rest[:2], 16, 8); err == nil {
			b.WriteByte(byte(n))
		} else {
			b.WriteString(controlEscape)
		}
		before, rest, found = strings.Cut(rest[2:], controlEscape)
	}
	return b.String()
}
