package poison

import (
	"net/url"
	"strings"
)

// value is what is put into a field.
type value struct {
	name string
	json string // in a body or among the parameters of an event
	text string // in a path
}

// evil are pieces of text that are legal nowhere, or only if they are escaped.
var evil = []value{
	{"NUL", `\u0000`, "\x00"},
	{"CR", `\r`, "\r"},
	{"LF", `\n`, "\n"},
	{"a header", `\r\nX-Evil: 1`, "\r\nX-Evil: 1"},
	{"a tab", `\t`, "\t"},
	{"DEL", `\u007f`, "\x7f"},
	{"NEL", `\u0085`, "\u0085"},
	{"U+2028", `\u2028`, "\u2028"},
	{"U+202E", `\u202e`, "\u202e"},
	{"half a pair", `\ud800`, "\xed\xa0\x80"},
	{"the other half", `\udc00`, "\xed\xb0\x80"},
	{"what is not UTF-8", "\xff", "\xff"},
	{"quotes", `\"';`, `"';`},
	{"markup", `<script>`, `<script>`},
	{"escapes", `%0d%0a`, `%0d%0a`},
}

// Malformed reports whether the case makes the body one that is invalid_json on any
// route: a name twice, or a byte that JSON cannot hold.
func (c Case) Malformed() bool {
	return c.field.from == "json" && (strings.HasPrefix(c.value.name, "twice") || strings.HasPrefix(c.value.name, "a raw "))
}

// raw are bytes that no JSON string can hold.
var raw = []value{{"a raw NUL", "\x00", ""}, {"a raw LF", "\n", ""}}

// odd are values of other types, and numbers at the edge.
var odd = []string{
	`1e400`, `-1e400`, `-0`, `-0.0`, `0`, `1.5`, `-1`, `1e3`, `4611686018427387904`, `9223372036854775807`, `9223372036854775808`, `18446744073709551616`,
	`null`, `true`, `""`, `"null"`, `"1"`, `"1e400"`, `"-0"`, `"-1"`, `"1.5"`, `"9223372036854775808"`, `[]`, `[null]`, `[[]]`, `{}`, `{"a":null}`, `{"a":{}}`,
}

// valuesFor are all values for a field with this sound one.
func valuesFor(f field, sound string) []value {
	switch {
	case f.from == "json":
		return valuesOfBody(f, sound)
	case f.from == "query":
		return valuesOfQuery(f, sound)
	}
	var all []value
	for _, v := range odd {
		all = append(all, value{name: v, text: strings.Trim(v, `"`)})
	}
	for _, e := range evil {
		for _, at := range places(e.name, e.text, sound) {
			all = append(all, value{name: at.name, text: at.json})
		}
	}
	return all
}

func valuesOfBody(f field, sound string) (all []value) {
	inner, isText := "", f.isName || sound == "" || sound[0] == '"'
	if isText && sound != "" {
		inner = sound[1 : len(sound)-1]
	}
	for _, e := range append(evil, raw...) {
		for _, at := range places(e.name, e.json, inner) {
			all = append(all, value{name: at.name, json: `"` + at.json + `"`})
		}
	}
	if f.isName {
		return all
	}
	for _, v := range odd {
		all = append(all, value{name: v, json: v})
	}
	if sound == "" {
		sound = "{}"
	}
	escaped := `\u00` + hexOf(f.own[0]) + f.own[1:]
	return append(all,
		value{name: "twice", json: sound + `,"` + f.own + `":` + sound},
		value{name: "twice, written in two ways", json: sound + `,"` + escaped + `":` + sound},
	)
}

func valuesOfQuery(f field, sound string) (all []value) {
	for _, e := range evil {
		for _, at := range places(e.name, e.json, sound) {
			all = append(all, value{name: at.name, json: `"` + at.json + `"`})
		}
		all = append(all, value{name: e.name + ", encoded", json: asJSON(url.QueryEscape(sound + e.text))})
	}
	if f.isName {
		return all
	}
	for _, v := range odd {
		all = append(all, value{name: v, json: asJSON(strings.Trim(v, `"`))})
	}
	twice := asJSON(sound)
	return append(all, value{name: "twice", json: "[" + twice + "," + twice + "]"}, value{name: "without a value", json: "null"})
}

// places are text alone, and behind, before and within what is sound.
func places(name, text, sound string) []value {
	all := []value{{name: name, json: text}}
	if sound != "" {
		half := len(sound) / 2
		all = append(all,
			value{name: name + " behind", json: sound + text},
			value{name: name + " before", json: text + sound},
			value{name: name + " within", json: sound[:half] + text + sound[half:]},
		)
	}
	return all
}

func hexOf(c byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[c>>4], digits[c&15]})
}

// Strings are the texts that are put into fields, for what is no JSON.
func Strings() (all []string) {
	for _, e := range evil {
		all = append(all, e.text)
	}
	for _, v := range odd {
		all = append(all, strings.Trim(v, `"`))
	}
	return all
}
