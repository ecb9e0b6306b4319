package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"ossupload/shared/rawjson"
)

const (
	// maxRebuilt bounds all that is made for one event, what is quoted again and
	// encoded counted each time: a line may claim any length, and quotes double.
	maxRebuilt = 16 << 20

	// maxDepth is that of package redact, and a form's fields within.
	maxDepth = 12 + 2
)

var (
	errTooLong = fmt.Errorf("rebuilding the event: it takes over %d bytes", maxRebuilt)
	errForm    = errors.New("rebuilding the event: it has a part that no recorder writes")

	valueForm   = regexp.MustCompile(`<#(\d{1,6}) (\d{1,9}) ([A-Za-z0-9-]+)( \d{1,9}(?:\.\d{1,9}){1,3})?( %\d{1,9})?( \+\d{1,9})?>`)
	numberForm  = regexp.MustCompile(`^<#(\d{1,6}) (\d{1,9}) (number|decimal)>$`)
	wrapperForm = regexp.MustCompile(`^<(json|base64|form) (\d{1,9})>$`)
	cutForm     = regexp.MustCompile(`^<cut \d+>$`)
	emptyForm   = regexp.MustCompile(`^<(object|list) \d+>$`)
	invalidForm = regexp.MustCompile(`^<invalid (\d{1,9})( at [^<>]*)?>$`)
)

// builder makes an event of what package redact left of one. The same shape always
// becomes the same event.
type builder struct {
	bearer string // stands for the tokens of callers; empty: they are made up
	used   int    // bytes
	depth  int
	err    error // the first
}

// rebuild returns an event of the shape that was recorded.
func rebuild(shape json.RawMessage, bearer string) ([]byte, error) {
	b := &builder{bearer: bearer}
	if s, ok := rawjson.String(shape); ok {
		if m := invalidForm.FindStringSubmatch(s); m != nil {
			return []byte(strings.Repeat("?", b.length(m[1]))), b.err
		}
	}
	event := b.value(shape)
	return event, b.err
}

func (b *builder) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// take counts so many bytes that are to be made, and reports whether they may.
func (b *builder) take(n int) bool {
	if n > maxRebuilt-b.used {
		b.fail(errTooLong)
	}
	if b.err != nil {
		return false
	}
	b.used += n
	return true
}

// enter goes one level deeper, and reports whether there is anything to do there.
// What enters leaves again.
func (b *builder) enter() bool {
	if b.depth++; b.depth > maxDepth {
		b.fail(errForm)
	}
	return b.err == nil
}

func (b *builder) leave() { b.depth-- }

// length reads a length and counts it.
func (b *builder) length(digits string) int {
	n := b.number(digits)
	if !b.take(n) {
		return 0
	}
	return n
}

// value rebuilds a value of JSON.
func (b *builder) value(shape []byte) []byte {
	defer b.leave()
	if !b.enter() {
		return []byte("null")
	}
	if elements, ok := rawjson.Elements(shape); ok {
		out := []byte{'['}
		for element := range elements {
			if s, _ := rawjson.String(element); cutForm.MatchString(s) {
				continue
			}
			out = append(separated(out), b.value(element)...)
		}
		return append(out, ']')
	}
	if members, ok := rawjson.Members(shape); ok {
		return b.object(members)
	}
	s, ok := rawjson.String(shape)
	if !ok {
		return shape
	}
	if m := numberForm.FindStringSubmatch(s); m != nil {
		return []byte(madeNumber(m[3], b.number(m[1]), b.length(m[2])))
	}
	if m := emptyForm.FindStringSubmatch(s); m != nil {
		return []byte(map[string]string{"object": "{}", "list": "[]"}[m[1]])
	}
	return b.quoted(b.text(s))
}

func (b *builder) object(members []rawjson.Member) []byte {
	if text, ok := b.wrapped(members); ok {
		return b.quoted(text)
	}
	out := []byte{'{'}
	for _, m := range members {
		if cutForm.MatchString(m.Name) {
			continue
		}
		out = append(separated(out), b.quoted(b.text(m.Name))...)
		out = append(append(out, ':'), b.value(m.Value)...)
	}
	return append(out, '}')
}

// separated puts a comma behind what is not an opening bracket.
func separated(out []byte) []byte {
	if len(out) > 1 {
		return append(out, ',')
	}
	return out
}

// wrapped rebuilds a string that has a structure of its own.
func (b *builder) wrapped(members []rawjson.Member) (string, bool) {
	if len(members) != 1 {
		return "", false
	}
	m := wrapperForm.FindStringSubmatch(members[0].Name)
	if m == nil {
		return "", false
	}
	inner := members[0].Value
	switch m[1] {
	case "json":
		text := string(b.value(inner))
		// White space is all that can be missing, unless something was cut.
		if blanks := b.number(m[2]) - len(text); blanks > 0 && b.take(blanks) {
			text += strings.Repeat(" ", blanks)
		}
		return text, true
	case "base64":
		decoded := b.inner(inner)
		if !b.take(base64.StdEncoding.EncodedLen(len(decoded))) {
			return "", true
		}
		return base64.StdEncoding.EncodeToString([]byte(decoded)), true
	}
	return b.form(inner), true
}

// inner rebuilds a string inside of another.
func (b *builder) inner(shape []byte) string {
	defer b.leave()
	if !b.enter() {
		return ""
	}
	if members, ok := rawjson.Members(shape); ok {
		if text, ok := b.wrapped(members); ok {
			return text
		}
	}
	s, ok := rawjson.String(shape)
	if !ok {
		b.fail(errForm)
	}
	return b.text(s)
}

func (b *builder) form(shape []byte) string {
	pairs, ok := rawjson.Elements(shape)
	if !ok {
		b.fail(errForm)
		return ""
	}
	var form []string
	for pair := range pairs {
		parts, ok := rawjson.Elements(pair)
		if !ok {
			continue // the rest was cut
		}
		var texts []string
		for part := range parts {
			texts = append(texts, b.inner(part))
		}
		form = append(form, strings.Join(texts, "="))
	}
	return strings.Join(form, "&")
}

// text puts values where the recorder took some out.
func (b *builder) text(s string) string {
	if scheme, value, found := strings.Cut(s, " "); found && b.bearer != "" && strings.EqualFold(scheme, "bearer") && strings.HasPrefix(value, "<#") {
		return scheme + " " + b.bearer
	}
	return valueForm.ReplaceAllStringFunc(s, func(place string) string {
		m := valueForm.FindStringSubmatch(place)
		count := func(s string) int {
			if s == "" {
				return 0
			}
			return b.length(strings.TrimLeft(s, " %+"))
		}
		return madeText(made{
			number: b.number(m[1]), length: b.length(m[2]), class: m[3], parts: strings.TrimSpace(m[4]), escapes: count(m[5]), pluses: count(m[6]),
		})
	})
}

func (b *builder) number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		b.fail(errForm)
	}
	return n
}

// quoted is s as a string of JSON, which may be six times as long.
func (b *builder) quoted(s string) []byte {
	if !b.take(len(s)) {
		return []byte(`""`)
	}
	out, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("replay: a string does not encode: %v", err))
	}
	if !b.take(len(out) - len(s)) {
		return []byte(`""`)
	}
	return out
}
