package main

import (
	"fmt"
	"strconv"
	"strings"
)

// made is what is known of a value that was cut out.
type made struct {
	number, length  int
	class, parts    string
	escapes, pluses int
}

// madeText makes a value up. Values of different numbers differ where their length
// leaves room for it.
func madeText(m made) string {
	if m.class == "rfc3339" {
		return madeTime(m.number, m.length, m.pluses > 0)
	}
	rest := m.length - 3*m.escapes - m.pluses
	if rest < 0 {
		return filled("", m.number, m.length, alphabets["alnum"], "")
	}
	return madeClass(m, rest) + strings.Repeat("%2F", m.escapes) + strings.Repeat("+", m.pluses)
}

// madeClass makes up so many bytes of the class.
func madeClass(m made, length int) string {
	switch m.class {
	case "ipv4":
		return madeIPv4(length)
	case "ipv6":
		return madeIPv6(length)
	case "hex-dash", "HEX-dash":
		return madeUUID(m.number, length, m.class == "HEX-dash")
	case "https-url", "http-url":
		scheme := strings.TrimSuffix(m.class, "-url") + "://"
		return filled(scheme, m.number, length, letters, "")
	case "dotted":
		return madeDotted(m.number, length, m.parts)
	}
	alphabet, ok := alphabets[m.class]
	if !ok {
		alphabet = alphabets["alnum"]
	}
	mark := marks[m.class]
	if m.class == "base64" && length > 1 && length%4 == 0 {
		mark = "="
	}
	return filled("", m.number, length, alphabet, mark)
}

// letters make no number and no address.
const letters = "ghijklmnopqrstuvwxyz"

// alphabets are the characters of a class, and marks what makes a text one of that
// class and of no narrower one.
var (
	alphabets = map[string]string{
		"digits": "1234567890", "hex": "abcdef0123456789", "HEX": "ABCDEF0123456789", "alnum": letters + "0123456789ABCDEF",
	}
	marks = map[string]string{
		"hex": "a", "HEX": "A", "alnum": "k", "base64url": "-", "base64": "/", "token": "~", "ascii": " k", "utf8": "é", "control": "\n",
	}
)

// filled makes a text of so many bytes: prefix, the number in the alphabet as often
// as it takes, and mark at the end.
func filled(prefix string, number, length int, alphabet, mark string) string {
	mark = mark[:min(len(mark), length)]
	var word strings.Builder
	for n := number; ; n /= len(alphabet) {
		word.WriteByte(alphabet[n%len(alphabet)])
		if n < len(alphabet) {
			break
		}
	}
	body := max(length-len(prefix)-len(mark), 0)
	return (prefix + strings.Repeat(word.String(), body/word.Len()+1)[:body] + mark)[:length]
}

func madeNumber(class string, number, length int) string {
	if class == "decimal" && length > 2 {
		return filled("1.", number, length, "123456789", "")
	}
	digits := "123456789"
	if length == 1 {
		digits += "0" // which begins no longer number
	}
	return filled("", number, length, digits, "")
}

// madeTime is a time of RFC 3339 with as many digits behind the second as fit.
func madeTime(number, length int, plus bool) string {
	text := fmt.Sprintf("2026-01-02T03:%02d:%02d", number/60%60, number%60)
	const noFraction = len("2026-01-02T03:04:05-08:00")
	zone := "Z"
	switch {
	case plus:
		zone = "+08:00"
	case length == noFraction, length > noFraction+len(".1234"):
		zone = "-08:00"
	}
	if fraction := length - len(text) - len(zone); fraction > 1 {
		text += "." + strings.Repeat("0", min(fraction-1, 9))
	}
	return text + zone
}

// madeIPv4 is an address of documentation, as long as asked.
func madeIPv4(length int) string {
	addresses := []string{"1.1.1.1", "1.1.1.10", "1.1.1.100", "192.0.2.1", "192.0.2.10", "192.0.2.100", "203.0.113.19", "203.0.113.100", "198.151.100.10", "198.151.100.100"}
	for _, a := range addresses {
		if len(a) == length {
			return a
		}
	}
	return "203.0.113.7"
}

// madeIPv6 has eight groups if they fit, and else "::" before those that do.
func madeIPv6(length int) string {
	const most, least = 8*4 + 7, 8 + 7
	text, groups := "", 8
	digits := min(length, most) - 7
	if length < least {
		text = "::"
		length -= len(text)
		groups = (length + 5) / 5 // of up to four digits, and a colon between
		digits = length - groups + 1
	}
	for ; groups > 0; groups-- {
		n := max((digits+groups-1)/groups, 0)
		text += strings.Repeat("a", n)
		if digits -= n; groups > 1 {
			text += ":"
		}
	}
	return text
}

func madeUUID(number, length int, capitals bool) string {
	text := fmt.Sprintf("%08d-0000-4000-8000-00000000000a", number)
	if capitals {
		text = strings.ToUpper(text)
	}
	if len(text) != length {
		return filled(text, number, length, alphabets["hex"], "")
	}
	return text
}

func madeDotted(number, length int, parts string) string {
	var texts []string
	sum := 0
	for part := range strings.SplitSeq(parts, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n > length {
			return filled("", number, length, alphabets["alnum"], "")
		}
		sum += n
		texts = append(texts, filled("", number, n, letters, ""))
	}
	if sum+len(texts)-1 != length {
		return filled("", number, length, alphabets["alnum"], "")
	}
	return strings.Join(texts, ".")
}
