package redact

import (
	"fmt"
	"slices"
	"strings"
)

// The forms that text has inside of events: paths, forms, names, and values of
// headers.

const (
	maxSegments = 24 // of one path that are shown
	maxPairs    = 50 // of one form that are shown
)

func isPath(name, s string) bool {
	return strings.HasPrefix(s, "/") && (strings.EqualFold(name, "path") || strings.EqualFold(name, "rawPath"))
}

// path keeps the slashes, the words of our routes, and one part number, which stands
// directly behind "multipart" and an upload's id.
func (w *writer) path(s string) {
	w.raw(`"`)
	shown, numbered := 0, false
	var above, before string
	for segment := range strings.SplitSeq(s[1:], "/") {
		if shown == maxSegments {
			w.raw(fmt.Sprintf("/<cut %d>", strings.Count(s, "/")-shown))
			break
		}
		shown++
		w.raw("/")
		part := !numbered && above == "multipart" && before != "" && isPartNumber(segment)
		numbered = numbered || part
		above, before = before, segment
		if segment != "" && !part && !slices.Contains(routes, segment) {
			segment = w.placeholder(segment, class(segment))
		}
		w.raw(segment)
	}
	w.raw(`"`)
}

// isForm reports whether a body looks like that of a form. The signs at the end of
// base64 do not make one.
func isForm(s string) bool {
	return strings.Contains(strings.TrimRight(s, "="), "=") && strings.IndexFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '"' || c == '<' }) < 0
}

// form writes the pairs in their order, and without "=" where there is none.
func (w *writer) form(s string) {
	w.raw(fmt.Sprintf(`{"<form %d>":[`, len(s)))
	shown, cut := 0, 0
	for pair := range strings.SplitSeq(s, "&") {
		if shown == maxPairs || w.full() {
			cut++
			continue
		}
		w.separate(shown)
		shown++
		name, value, found := strings.Cut(pair, "=")
		w.raw("[")
		w.text(w.name(name))
		if found {
			w.raw(",")
			if value != "" {
				value = w.hidden(name, value)
			}
			w.text(value)
		}
		w.raw("]")
	}
	if cut > 0 {
		w.separate(shown)
		w.text(fmt.Sprintf("<cut %d>", cut))
	}
	w.raw("]}")
}

// hidden is what stands for a string that is not kept as a whole.
func (w *writer) hidden(name, s string) string {
	if scheme, rest, found := strings.Cut(s, " "); found && rest != "" && slices.Contains(schemes, scheme) {
		return scheme + " " + w.placeholder(rest, class(rest))
	}
	// A media type stays without its parameters.
	if media, rest, found := strings.Cut(s, ";"); found && rest != "" && allowed(name, media) {
		return media + ";" + w.placeholder(rest, class(rest))
	}
	return w.placeholder(s, class(s))
}

// name keeps the name of a member if it is made of our words.
func (w *writer) name(name string) string {
	if name == "" || knownName(name) {
		return name
	}
	return w.placeholder(name, class(name))
}

// isPartNumber reports whether s has the one to five digits of a part number.
func isPartNumber(s string) bool {
	const most = 5
	return s != "" && len(s) <= most && strings.Trim(s, "0123456789") == ""
}
