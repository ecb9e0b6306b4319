package oss

import (
	"net"
	"net/http"
	"net/url"
	"sort"
	"strings"
)

// target is what a request addresses: the service (no bucket), a bucket (no
// key) or an object.
type target struct {
	bucket, key string

	// canonicalURI is "/bucket/key" as the signature covers it: taken from
	// the raw path, every segment decoded and encoded again, so that a
	// client may encode "~" or not, but may not move a "/" in or out of a
	// segment.
	canonicalURI string
}

// readTarget splits the raw path of the request line. baseHost is the domain
// whose subdomains are buckets; any other host is addressed in path style:
//
//	http://127.0.0.1:8581/bucket/key       path style
//	http://bucket.oss.localhost:8581/key   virtual hosted
func readTarget(r *http.Request, baseHost string) (target, error) {
	path, _ := rawTarget(r)
	if bucket, ok := bucketOfHost(r.Host, baseHost); ok {
		path = "/" + bucket + path
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if bucket == "" {
		return target{canonicalURI: "/"}, nil
	}
	t := target{}
	var err error
	if t.bucket, err = url.PathUnescape(bucket); err != nil {
		return target{}, err
	}
	segments := strings.Split(key, "/")
	decoded := make([]string, len(segments))
	encoded := make([]string, len(segments))
	for i, segment := range segments {
		if decoded[i], err = url.PathUnescape(segment); err != nil {
			return target{}, err
		}
		encoded[i] = percentEncode(decoded[i])
	}
	t.key = strings.Join(decoded, "/")
	t.canonicalURI = "/" + percentEncode(t.bucket) + "/" + strings.Join(encoded, "/")
	return t, nil
}

// rawTarget returns path and query exactly as the request line had them.
func rawTarget(r *http.Request) (path, query string) {
	uri := r.RequestURI
	if strings.HasPrefix(uri, "http://") || strings.HasPrefix(uri, "https://") {
		// The absolute form, as a client sends it to a proxy.
		_, rest, _ := strings.Cut(uri, "://")
		if slash := strings.IndexByte(rest, '/'); slash >= 0 {
			uri = rest[slash:]
		} else {
			uri = "/"
		}
	}
	path, query, _ = strings.Cut(uri, "?")
	return path, query
}

// bucketOfHost returns the bucket that a virtual-hosted request names.
func bucketOfHost(host, baseHost string) (string, bool) {
	if baseHost == "" {
		return "", false
	}
	bucket, ok := strings.CutSuffix(hostname(host), "."+hostname(baseHost))
	return bucket, ok && bucket != ""
}

// hostname is host without its port, in lower case.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(host)
}

// param is one decoded query parameter.
type param struct{ name, value string }

// params is a query in the order of the wire, repetitions kept.
type params []param

// readParams decodes a raw query. A literal "+" is read as a space, which is
// what the official signers assume of it.
func readParams(rawQuery string) (params, error) {
	var list params
	for pair := range strings.SplitSeq(rawQuery, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			return nil, err
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return nil, err
		}
		list = append(list, param{name, value})
	}
	return list, nil
}

func (p params) has(name string) bool { return p.count(name) > 0 }

func (p params) count(name string) int {
	n := 0
	for _, q := range p {
		if q.name == name {
			n++
		}
	}
	return n
}

// get returns the first value of name, or "".
func (p params) get(name string) string {
	for _, q := range p {
		if q.name == name {
			return q.value
		}
	}
	return ""
}

// canonical writes the query as the signature covers it:
//
//	callback=eyJ9&uploads&x-oss-date=20231217T025437Z
//
// sorted by encoded name, without the signature itself, an empty value
// without "=".
func (p params) canonical() string {
	type pair struct{ name, text string }
	var pairs []pair
	for _, q := range p {
		if q.name == "x-oss-signature" {
			continue
		}
		name := percentEncode(q.name)
		text := name
		if q.value != "" {
			text += "=" + percentEncode(q.value)
		}
		pairs = append(pairs, pair{name, text})
	}
	sort.SliceStable(pairs, func(i, j int) bool { return pairs[i].name < pairs[j].name })
	texts := make([]string, len(pairs))
	for i, pair := range pairs {
		texts[i] = pair.text
	}
	return strings.Join(texts, "&")
}

// percentEncode encodes every byte but A-Z a-z 0-9 - _ . ~
func percentEncode(s string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' ||
			c == '-' || c == '_' || c == '.' || c == '~' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	return b.String()
}
