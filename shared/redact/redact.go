// Package redact makes a copy of an event that keeps its shape and none of its
// secrets, so that what a deployed function receives can be written to its log,
// handed on, and replayed elsewhere.
//
// It denies by default. What stays is listed: names that are made of the words in
// words.go, values that values.go allows under their name, the words of our own
// routes, true, false and null, a part number in its place of a path, and under a few
// names of ours and the platform's, numbers of up to three digits. An element of a
// list is never kept as a number: bytes and one-time codes come as lists. In the place
// of everything else stands what it looked like:
//
//	<#3 36 hex-dash>          the third distinct value, its bytes, its characters
//	<#4 201 dotted 36.121.43> parts between dots, as a JWT has them
//	<#5 17 token %2 +1>       with two percent escapes and a plus
//	<#6 13 number>            a number of JSON; decimal if it is not whole
//
// Equal values of one event have one number. Nothing is derived from a value but
// this: no prefix of it, and no hash. Around values that have a structure of their
// own stands an object of one member:
//
//	{"<json 29>": …}          JSON in a string of 29 bytes
//	{"<base64 40>": …}        base64
//	{"<form 90>": [["bucket", "<#7 5 alnum>"], …]}
//
// Order, types, repeated members, the letter case of names and the slashes of a
// path stay as they were. What is too much is counted: "<cut 98990>" ends a list of
// which so many are not shown, and "<object 512>" is one that lies too deep.
//
// It imports rawjson, to take an event apart as it came.
package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ossupload/shared/rawjson"
)

const (
	maxDepth    = 12  // objects and lists, those inside of strings among them
	maxMembers  = 100 // of one object that are shown
	maxElements = 20  // of one list that are shown

	// maxItem is more than anything that is written between two looks at the limit:
	// a path, or the brackets that are still to be closed.
	maxItem = 2 << 10
)

// Redactor redacts what belongs to one event. It is not safe for concurrent use.
type Redactor struct {
	numbers map[string]int // of distinct values, by kind and text
}

// New returns a Redactor that has seen nothing.
func New() *Redactor { return &Redactor{numbers: map[string]int{}} }

// JSON returns text redacted, as valid JSON of at most limit bytes; a limit below
// 4 KiB counts as 4 KiB. Of text that is no JSON it tells the length and the place
// and kind of the first fault.
func (r *Redactor) JSON(text []byte, limit int) json.RawMessage {
	w := &writer{Redactor: r, limit: max(limit, 2*maxItem) - maxItem}
	if rawjson.Valid(text) {
		w.value("", bytes.TrimSpace(text), 0)
	} else {
		w.text(fault(text))
	}
	return w.out
}

// fault describes text that is no JSON. The message of encoding/json quotes the
// character that it stumbled over, so that only what follows it is looked at.
func fault(text []byte) string {
	err := json.Unmarshal(text, new(json.RawMessage))
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return fmt.Sprintf("<invalid %d>", len(text))
	}
	for _, known := range []string{
		"unexpected end of JSON input", "exceeded max depth", "looking for beginning of value", "looking for beginning of object key string",
		"after object key", "after object key:value pair", "after array element", "after top-level value",
		"in string literal", "in string escape code", "in numeric literal",
	} {
		if strings.HasSuffix(syntax.Error(), known) {
			return fmt.Sprintf("<invalid %d at %d %s>", len(text), syntax.Offset, known)
		}
	}
	return fmt.Sprintf("<invalid %d at %d>", len(text), syntax.Offset)
}

// placeholder is what stands in the place of s.
func (r *Redactor) placeholder(s, class string) string {
	n, ok := r.numbers[s]
	if !ok {
		n = len(r.numbers) + 1
		r.numbers[s] = n
	}
	return fmt.Sprintf("<#%d %d %s>", n, len(s), class)
}

// writer writes one redacted text.
type writer struct {
	*Redactor
	out   []byte
	limit int
}

func (w *writer) full() bool { return len(w.out) > w.limit }

func (w *writer) raw(s string) { w.out = append(w.out, s...) }

// text writes a string in quotes. It is never one that needs an escape: all that
// is kept consists of letters, digits and harmless signs.
func (w *writer) text(s string) {
	w.raw(`"`)
	w.raw(s)
	w.raw(`"`)
}

// separate writes the comma before what follows something.
func (w *writer) separate(shown int) {
	if shown > 0 {
		w.raw(",")
	}
}

// value writes what stands under a name; the elements of a list stand under its
// name, but for numbers, which stand under none.
func (w *writer) value(name string, value []byte, depth int) {
	tooMuch := depth >= maxDepth || w.full()
	switch c := value[0]; {
	case c == '{' && tooMuch:
		w.text(fmt.Sprintf("<object %d>", len(value)))
	case c == '[' && tooMuch:
		w.text(fmt.Sprintf("<list %d>", len(value)))
	case c == '{':
		w.object(value, depth)
	case c == '[':
		w.list(name, value, depth)
	case c == '"':
		s, _ := rawjson.String(value)
		w.str(name, s, depth)
	case isNumber(value):
		w.number(name, string(value))
	default:
		w.raw(string(value)) // true, false, null
	}
}

// maxNumber is how many digits a number may have that is kept: nobody's telephone.
const maxNumber = 3

func (w *writer) number(name, s string) {
	switch {
	case strings.ContainsAny(s, ".eE"):
		w.text(w.placeholder(s, "decimal"))
	case len(s) > maxNumber || !slices.Contains(counts, strings.ToLower(name)):
		w.text(w.placeholder(s, "number"))
	default:
		w.raw(s)
	}
}

func isNumber(value []byte) bool { return value[0] == '-' || '0' <= value[0] && value[0] <= '9' }

func (w *writer) object(object []byte, depth int) {
	encoded := depth == 0 && hasEncodedBody(object)
	w.raw("{")
	shown, cut := 0, 0
	for s := rawjson.NewScanner(object); s.Next('}'); {
		quoted, value := s.Name(), s.Value()
		if shown == maxMembers || w.full() {
			cut++
			continue
		}
		w.separate(shown)
		shown++
		name, _ := rawjson.String(quoted)
		w.text(w.name(name))
		w.raw(":")
		if encoded && name == bodyName && value[0] == '"' {
			text, _ := rawjson.String(value)
			w.encoded(text, depth+1)
			continue
		}
		w.value(name, value, depth+1)
	}
	if cut > 0 {
		w.separate(shown)
		w.raw(fmt.Sprintf(`"<cut %d>":null`, cut))
	}
	w.raw("}")
}

func (w *writer) list(name string, list []byte, depth int) {
	w.raw("[")
	shown, cut := 0, 0
	for s := rawjson.NewScanner(list); s.Next(']'); {
		value := s.Value()
		if shown == maxElements || w.full() {
			cut++
			continue
		}
		w.separate(shown)
		shown++
		if isNumber(value) {
			w.number("", string(value))
			continue
		}
		w.value(name, value, depth+1)
	}
	if cut > 0 {
		w.separate(shown)
		w.text(fmt.Sprintf("<cut %d>", cut))
	}
	w.raw("]")
}

const bodyName = "body"

// hasEncodedBody reports whether an event says that its body is base64.
func hasEncodedBody(event []byte) bool {
	for s := rawjson.NewScanner(event); s.Next('}'); {
		name, value := s.Name(), s.Value()
		if rawjson.Is(name, "isBase64Encoded") {
			return bytes.EqualFold(bytes.Trim(value, `"`), []byte("true"))
		}
	}
	return false
}

// encoded writes a body that the event says is base64.
func (w *writer) encoded(text string, depth int) {
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil || w.full() || text == "" {
		w.str(bodyName, text, depth)
		return
	}
	w.raw(fmt.Sprintf(`{"<base64 %d>":`, len(text)))
	w.str(bodyName, string(decoded), depth+1)
	w.raw("}")
}

// str writes a string that stands under a name.
func (w *writer) str(name, s string, depth int) {
	switch {
	case s == "" || allowed(name, s):
		w.text(s)
	case depth < maxDepth && !w.full() && structured(s):
		w.raw(fmt.Sprintf(`{"<json %d>":`, len(s)))
		w.value("", []byte(strings.TrimSpace(s)), depth+1)
		w.raw("}")
	case name == bodyName && isForm(s):
		w.form(s)
	case isPath(name, s):
		w.path(s)
	default:
		w.text(w.hidden(name, s))
	}
}

// structured reports whether a string is itself an object or a list of JSON.
func structured(s string) bool {
	trimmed := strings.TrimSpace(s)
	return trimmed != "" && (trimmed[0] == '{' || trimmed[0] == '[') && rawjson.Valid([]byte(trimmed))
}
