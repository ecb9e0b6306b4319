package explain

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// seen is what arrived: OSS's own word for it if there is one, else what a
// transcript says was sent.
func seen(e exchange) *request {
	if canonical := e.refusal.element["CanonicalRequest"]; canonical != "" {
		return parseCanonical(canonical)
	}
	return e.request
}

// comparison is of a grant and of what was sent instead.
type comparison struct {
	granted *grant
	sent    *request
	// canonical: sent is OSS's canonical request, whose query is sorted and has no
	// signature, and whose path begins with the bucket.
	canonical bool
	found     []Finding
}

func (c *comparison) add(id string, f facts) {
	c.found = append(c.found, ruleOf(book.Differences, id).finding(f))
}

// differences names what was sent otherwise than it was granted.
func differences(g *grant, e exchange) []Finding {
	sent := seen(e)
	if sent == nil {
		return nil
	}
	c := &comparison{granted: g, sent: sent, canonical: e.refusal.element["CanonicalRequest"] != ""}
	if c.entities() {
		return c.found
	}
	if g == nil {
		return nil
	}
	c.method()
	c.place(e.request)
	if !g.form && len(c.found) == 0 {
		c.query()
		c.headers()
	}
	if len(c.found) == 0 && e.refusal.code == "SignatureDoesNotMatch" && !g.form {
		c.rest()
	}
	return c.found
}

// entities finds parameters whose names begin with "amp;", which needs no grant.
func (c *comparison) entities() bool {
	escaped := slices.ContainsFunc(c.sent.query, func(p parameter) bool { return strings.HasPrefix(decode(p.name), "amp;") })
	if escaped {
		c.add("query-entities", facts{})
	}
	return escaped
}

func (c *comparison) method() {
	if c.sent.method != c.granted.method {
		c.add("method", facts{"signed": c.granted.method, "sent": redact(c.sent.method)})
	}
}

// place compares hosts, if a transcript tells, and paths.
func (c *comparison) place(transcript *request) {
	if transcript != nil && transcript.host != "" && transcript.host != c.granted.url.host {
		c.add("host", facts{"signed": hostOf(c.granted.url.host), "sent": hostOf(transcript.host)})
		return
	}
	signed, sent := decode(c.granted.url.path), decode(c.sent.path)
	if sent == signed || c.canonical && strings.HasSuffix(sent, signed) {
		return
	}
	if twice := decode(sent); twice == signed || c.canonical && strings.HasSuffix(twice, signed) {
		c.add("path-encoded", facts{})
		return
	}
	c.add("path", facts{})
}

func (c *comparison) query() {
	granted := slices.DeleteFunc(slices.Clone(c.granted.url.query), func(p parameter) bool { return c.canonical && p.name == signatureName })
	if c.cut(granted) {
		return
	}
	for _, p := range granted {
		value, ok := c.sent.get(decode(p.name))
		f := facts{"name": redact(decode(p.name))}
		switch signed, sent := decode(p.value), decode(value); {
		case !ok:
			c.add("query-missing", f)
		case sent == signed:
		case decode(sent) == signed, sent == decode(signed):
			c.add("query-encoded", f)
		default:
			c.add("query-changed", f)
		}
	}
	for _, p := range c.sent.query {
		if !c.granted.url.has(decode(p.name)) {
			c.add("query-added", facts{"name": redact(decode(p.name))})
		}
	}
}

// cut finds a URL that a shell cut at an &: what was sent is the beginning of the
// query, and not all of it.
func (c *comparison) cut(granted []parameter) bool {
	sent := c.sent.query
	if c.canonical || len(sent) == 0 || len(sent) >= len(granted) {
		return false
	}
	for i, p := range sent {
		if p.name != granted[i].name {
			return false
		}
	}
	c.add("query-cut", facts{"count": strconv.Itoa(len(granted) - len(sent))})
	return true
}

// additional are the names of the headers that are signed beside those that always
// are.
func (g *grant) additional() []string {
	list, _ := g.url.get("x-oss-additional-headers")
	if list = decode(list); list == "" {
		return nil
	}
	return strings.Split(list, ";")
}

// signedByDefault reports whether a header takes part in the signature whenever it
// is sent.
func signedByDefault(name string) bool {
	return name == "content-type" || name == "content-md5" || strings.HasPrefix(name, "x-oss-")
}

func (c *comparison) headers() {
	for _, name := range sortedNames(c.granted.headers) {
		if signedByDefault(name) {
			c.grantedHeader(name)
		}
	}
	for _, name := range sortedNames(c.sent.headers) {
		if _, granted := c.granted.headers[name]; granted || !signedByDefault(name) {
			continue
		}
		if name == "content-type" {
			c.add("type-added", facts{"sent": mediaTypeOf(c.sent.headers[name])})
			continue
		}
		c.add("header-added", facts{"name": redact(name)})
	}
	if _, sent := c.sent.headers["content-length"]; !sent && !c.canonical && slices.Contains(c.granted.additional(), "content-length") {
		c.add("length-missing", facts{})
	}
}

// grantedHeader compares a header that had to be sent.
func (c *comparison) grantedHeader(name string) {
	signed := strings.TrimSpace(c.granted.headers[name])
	value, ok := c.sent.headers[name]
	sent := strings.TrimSpace(value)
	switch {
	case ok && sent == signed:
	case name == "content-type" && !ok:
		c.add("type-missing", facts{"signed": mediaTypeOf(signed)})
	case name == "content-type":
		c.add("type-changed", facts{"signed": mediaTypeOf(signed), "sent": mediaTypeOf(sent)})
	case !ok:
		c.add("header-missing", facts{"name": redact(name)})
	default:
		c.add("header-changed", facts{"name": redact(name)})
	}
}

// rest is what is left when nothing that can be compared differs. How many bytes
// were granted the answer of POST /presign does not say.
func (c *comparison) rest() {
	if length := c.sent.headers["content-length"]; length != "" && slices.Contains(c.granted.additional(), "content-length") {
		c.add("length", facts{"sent": redact(length)})
		return
	}
	c.add("same", facts{})
}

func sortedNames(headers map[string]string) []string { return slices.Sorted(maps.Keys(headers)) }
