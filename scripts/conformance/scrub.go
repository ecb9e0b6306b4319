package main

import (
	"regexp"
	"slices"
	"strings"
)

// scrubber takes out of a text what must not stand in a report that is shown to
// everybody. What a cloud answers is not to be trusted with that: errors of OSS
// hold the key's id, the string to sign and the signature of the request.
//
// It takes out the names that it is given, wherever they stand as words, and
// whatever looks like a key, a token, a signature, an id or a number of an account:
// a run of sixteen characters or more with a digit among them.
type scrubber struct{ names []*regexp.Regexp }

// removed stands for what was taken out.
const removed = "[…]"

// newScrubber keeps the given names out, which are secrets, buckets, accounts,
// roles and hosts. Empty ones are left out.
func newScrubber(names ...string) scrubber {
	// The longer first: a host may begin with the bucket.
	names = slices.SortedFunc(slices.Values(names), func(a, b string) int { return len(b) - len(a) })
	var s scrubber
	for _, name := range names {
		if name = strings.TrimSpace(name); name != "" {
			s.names = append(s.names, asWord(name))
		}
	}
	return s
}

// asWord finds a name in either case, and not within a longer word: an end of it
// that is a sign is an end anywhere.
func asWord(name string) *regexp.Regexp {
	before, after := "()", "()"
	if wordly.MatchString(name[:1]) {
		before = "(^|[^A-Za-z0-9])"
	}
	if wordly.MatchString(name[len(name)-1:]) {
		after = "($|[^A-Za-z0-9])"
	}
	return regexp.MustCompile("(?i)" + before + regexp.QuoteMeta(name) + after)
}

var wordly = regexp.MustCompile("[A-Za-z0-9]")

var (
	// long also spans what encodings make of a token's characters: %2B for +.
	long  = regexp.MustCompile(`[A-Za-z0-9+/=_.%~-]{16,}`)
	digit = regexp.MustCompile(`[0-9]`)
	// known are what is long, has digits and tells nothing: the codes of OSS's error
	// pages, names of its headers, and times.
	known = regexp.MustCompile(`^([0-9]{4}-[0-9]{8}|x-oss-[a-z0-9-]{1,20}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z?)\.?$`)
)

// text returns s without secrets, in one line.
func (s scrubber) text(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "�")), " ")
	for _, name := range s.names {
		// Twice, because neighbours share what is between them.
		text = name.ReplaceAllString(text, "${1}"+removed+"${2}")
		text = name.ReplaceAllString(text, "${1}"+removed+"${2}")
	}
	return long.ReplaceAllStringFunc(text, func(run string) string {
		if !digit.MatchString(run) || known.MatchString(run) {
			return run
		}
		return removed
	})
}
