package signing

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Form is what a POST form will allow: one object under one key, every field
// as it stands here.
//
// OSS holds a form only against the conditions of its policy; a field that no
// condition names is applied as the client sends it. So a field that a client
// must not add has to be here, with the value it may have.
type Form struct {
	Bucket string
	Key    string // concrete, without a dollar sign

	// Fields are sent as they stand and pinned by an exact condition each. An
	// empty value pins a field to be empty.
	Fields map[string]string

	// NotIn names fields that may be absent, and the values that they may not
	// have: for a field that has no harmless value to pin.
	NotIn map[string][]string

	// MinSize and MaxSize bound the file in bytes, both included.
	MinSize, MaxSize int64

	// Expires is whole seconds, from one to seven days.
	Expires time.Duration
}

// PresignedForm is a form to be sent as multipart/form-data: every field, then
// the file, last, under the name "file".
type PresignedForm struct {
	URL       string            // the bucket, not the object
	Fields    map[string]string // key, policy and signature among them
	ExpiresAt time.Time         // from here on OSS refuses it
}

// maxFormSize is OSS's limit for a form's file: 5 GB.
const maxFormSize = 5 << 30

// PresignForm signs a policy that allows exactly form ("PostObject" and
// "PostObject signature version 4", OSS API reference):
//
//	{"expiration":"2026-11-20T10:27:40.000Z","conditions":[
//	  {"bucket":"examplebucket"},
//	  ["content-length-range",1,10],
//	  ["eq","$key","a.png"], … one for each field]}
//
//	string to sign  = base64(policy), exactly as it is sent
//	x-oss-signature = hex(HMAC(key, string to sign)), the key as in a URL
//
// It fails with one of the sentinels of this package.
func (s *Signer) PresignForm(cred Credentials, form Form, now time.Time) (PresignedForm, error) {
	now = now.UTC().Truncate(time.Second)
	k, err := s.key(cred, Request{Method: "POST", Bucket: form.Bucket, Key: form.Key, Expires: form.Expires}, now)
	if err != nil {
		return PresignedForm{}, err
	}
	own := []Param{
		{"key", form.Key},
		{"x-oss-credential", k.credential},
		{"x-oss-date", string(k.appendTime(nil, now))},
		{"x-oss-signature-version", algorithm},
	}
	if cred.SecurityToken != "" {
		own = append(own, Param{"x-oss-security-token", cred.SecurityToken})
	}
	fields, err := form.sorted(own)
	if err != nil {
		return PresignedForm{}, err
	}
	expiresAt := now.Add(form.Expires)
	k.mu.Lock()
	defer k.mu.Unlock()
	d := &k.draft
	d.canonical = form.appendPolicy(d.canonical[:0], fields, expiresAt)
	d.url = base64.StdEncoding.AppendEncode(d.url[:0], d.canonical)

	sent := make(map[string]string, len(fields)+2)
	for _, f := range fields {
		sent[f.Name] = f.Value
	}
	sent["policy"], sent["x-oss-signature"] = string(d.url), string(k.sign(d.url))
	return PresignedForm{URL: s.endpoint.URL(form.Bucket, ""), Fields: sent, ExpiresAt: expiresAt}, nil
}

// appendPolicy appends the policy, written by hand: reflection over a list of
// lists costs more than all the rest of a form.
func (f Form) appendPolicy(dst []byte, fields []Param, expiresAt time.Time) []byte {
	dst = append(dst, `{"expiration":"`...)
	dst = expiresAt.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	dst = append(dst, `","conditions":[{"bucket":`...)
	dst = appendQuoted(dst, "", f.Bucket)
	dst = append(dst, `},["content-length-range",`...)
	dst = append(strconv.AppendInt(dst, f.MinSize, 10), ',')
	dst = append(strconv.AppendInt(dst, f.MaxSize, 10), ']')
	for _, field := range fields {
		dst = appendQuoted(append(dst, `,["eq",`...), "$", field.Name)
		dst = append(appendQuoted(append(dst, ','), "", field.Value), ']')
	}
	for _, name := range slices.Sorted(maps.Keys(f.NotIn)) {
		dst = append(appendQuoted(append(dst, `,["not-in",`...), "$", name), ",["...)
		for i, value := range f.NotIn[name] {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendQuoted(dst, "", value)
		}
		dst = append(dst, "]]"...)
	}
	return append(dst, "]}"...)
}

// appendQuoted appends prefix and s, which are UTF-8, as one JSON string.
func appendQuoted(dst []byte, prefix, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(append(dst, '"'), prefix...)
	for {
		n := run(s, unquoted)
		dst = append(dst, s[:n]...)
		if n == len(s) {
			return append(dst, '"')
		}
		dst = append(dst, `\u00`...)
		dst = append(dst, hex[s[n]>>4], hex[s[n]&15])
		s = s[n+1:]
	}
}

// check refuses what is wrong beside the fields.
func (f Form) check() error {
	if f.MinSize < 0 || f.MaxSize < f.MinSize || f.MaxSize > maxFormSize {
		return fmt.Errorf("%w: a file of %d to %d bytes", ErrForm, f.MinSize, f.MaxSize)
	}
	if strings.Contains(f.Key, "$") {
		return fmt.Errorf("%w: the key has a dollar sign, as in ${filename}, which OSS fills in", ErrForm)
	}
	for name, values := range f.NotIn {
		if err := checkField(Param{Name: name}); err != nil {
			return err
		}
		for _, value := range values {
			if err := checkField(Param{name, value}); err != nil {
				return err
			}
		}
	}
	return nil
}

// sorted checks the form, and returns its fields and those of the signature.
func (f Form) sorted(own []Param) ([]Param, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	fields := make([]Param, len(own), len(own)+len(f.Fields))
	copy(fields, own)
	for name, value := range f.Fields {
		field := Param{name, value}
		if ofForm(name) {
			return nil, fmt.Errorf("%w: field %q is the form's own", ErrForm, name)
		}
		if err := checkField(field); err != nil {
			return nil, err
		}
		fields = append(fields, field)
	}
	slices.SortFunc(fields, func(a, b Param) int { return compareFold(a.Name, b.Name) })
	for i := range fields[1:] {
		if compareFold(fields[i].Name, fields[i+1].Name) == 0 {
			return nil, fmt.Errorf("%w: field %q stands twice", ErrForm, fields[i].Name)
		}
	}
	return fields, nil
}

// checkField refuses what a policy could not say, or a client not send.
func checkField(f Param) error {
	name := f.Name
	if len(name) > 2 && compareFold(name[:2], "x:") == 0 { // a variable of the callback
		name = name[2:]
	}
	switch {
	case !isToken(name) || strings.Contains(name, "$"):
		return fmt.Errorf("%w: field %q", ErrForm, f.Name)
	case strings.Contains(f.Value, "$"):
		// A policy spells it "\$", which is no JSON; how OSS reads the variants
		// is not documented.
		return fmt.Errorf("%w: the value of field %q has a dollar sign", ErrForm, f.Name)
	case !all(f.Value, printable) && (!utf8.ValidString(f.Value) || strings.ContainsFunc(f.Value, unicode.IsControl)):
		return fmt.Errorf("%w: the value of field %q has control characters", ErrForm, f.Name)
	}
	return nil
}

// ofForm reports whether PresignForm itself sets a field. "expires" is a header
// of the object here, not a part of a signature.
func ofForm(name string) bool {
	switch strings.ToLower(name) {
	case "key", "policy", "file", "bucket":
		return true
	case "expires":
		return false
	}
	return ofSignature(name)
}
