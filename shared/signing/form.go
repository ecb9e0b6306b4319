package signing

import (
	"encoding/base64"
	"fmt"
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

	// Fields are sent as they stand and pinned by an exact condition each. They are
	// sorted by name in lower case, as Header does. An empty value pins a field to
	// be empty.
	Fields []Param

	// NotIn are fields that may be absent, and the values that they may not have:
	// for a field that has no harmless value to pin.
	NotIn []NotIn

	// MinSize and MaxSize bound the file in bytes, both included.
	MinSize, MaxSize int64

	// Expires is whole seconds, from one to seven days.
	Expires time.Duration
}

// NotIn is a field of a form and the values that it may not have.
type NotIn struct {
	Name   string
	Values []string
}

// PresignedForm is a form to be sent as multipart/form-data: every field, then
// the file, last, under the name "file".
type PresignedForm struct {
	URL       string    // the bucket, not the object
	Fields    []Param   // key, policy and signature among them
	ExpiresAt time.Time // from here on OSS refuses it
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
	if err := check(Request{Method: "POST", Bucket: form.Bucket, Key: form.Key, Expires: form.Expires}); err != nil {
		return PresignedForm{}, err
	}
	now = wholeSecond(now)
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.key(cred, now)
	if err != nil {
		return PresignedForm{}, err
	}
	var buf [16]byte
	fields, err := form.merge([]Param{
		{"key", form.Key},
		{"x-oss-credential", k.credential},
		{"x-oss-date", string(k.appendTime(buf[:0], now))},
		{"x-oss-security-token", cred.SecurityToken},
		{"x-oss-signature-version", algorithm},
	})
	if err != nil {
		return PresignedForm{}, err
	}
	expiresAt := now.Add(form.Expires)
	d := &s.draft
	d.canonical = form.appendPolicy(d.canonical[:0], fields, expiresAt)
	d.url = base64.StdEncoding.AppendEncode(d.url[:0], d.canonical)
	policy := len(d.url)
	d.url = append(d.url, k.sign(d.url)...)
	signature := len(d.url)
	d.url = s.endpoint.appendBucket(d.url, form.Bucket)
	text := string(d.url) // one allocation for three strings
	fields = append(fields, Param{"policy", text[:policy]}, Param{"x-oss-signature", text[policy:signature]})
	return PresignedForm{URL: text[signature:], Fields: fields, ExpiresAt: expiresAt}, nil
}

// appendPolicy appends the policy, written by hand: reflection over a list of
// lists costs more than all the rest of a form.
func (f Form) appendPolicy(dst []byte, fields []Param, expiresAt time.Time) []byte {
	dst = append(dst, `{"expiration":"`...)
	dst = expiresAt.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	dst = append(append(dst, `","conditions":[{"bucket":"`...), f.Bucket...)
	dst = strconv.AppendInt(append(dst, `"},["content-length-range",`...), f.MinSize, 10)
	dst = strconv.AppendInt(append(dst, ','), f.MaxSize, 10)
	for _, field := range fields {
		dst = append(append(dst, `],["eq","$`...), field.Name...)
		dst = appendQuoted(append(dst, `",`...), field.Value)
	}
	for _, not := range f.NotIn {
		dst = append(append(dst, `],["not-in","$`...), not.Name...)
		dst = append(dst, `",[`...)
		for i, value := range not.Values {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendQuoted(dst, value)
		}
		dst = append(dst, ']')
	}
	return append(dst, "]]}"...)
}

// appendQuoted appends s, which is UTF-8, as a JSON string.
func appendQuoted(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
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

// check refuses what is wrong beside bucket, key and life.
func (f Form) check() error {
	if f.MinSize < 0 || f.MaxSize < f.MinSize || f.MaxSize > maxFormSize {
		return fmt.Errorf("%w: a file of %d to %d bytes", ErrForm, f.MinSize, f.MaxSize)
	}
	if strings.Contains(f.Key, "$") {
		return fmt.Errorf("%w: the key has a dollar sign, as in ${filename}, which OSS fills in", ErrForm)
	}
	for _, not := range f.NotIn {
		if err := checkField(Param{Name: not.Name}); err != nil {
			return err
		}
		for _, value := range not.Values {
			if err := checkField(Param{not.Name, value}); err != nil {
				return err
			}
		}
	}
	return checkFields(f.Fields)
}

func checkFields(fields []Param) error {
	for i, f := range fields {
		switch {
		case ofForm(f.Name):
			return fmt.Errorf("%w: field %q is the form's own", ErrForm, f.Name)
		case i > 0 && compareFold(fields[i-1].Name, f.Name) >= 0:
			return fmt.Errorf("%w: field %q stands twice or is not sorted", ErrForm, f.Name)
		}
		if err := checkField(f); err != nil {
			return err
		}
	}
	return nil
}

// merge checks the form, and returns its fields and those of the signature, sorted,
// with room for policy and signature. A field of the signature may be empty: the
// token of a permanent key.
func (f Form) merge(own []Param) ([]Param, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	fields, rest := make([]Param, 0, len(f.Fields)+len(own)+2), f.Fields
	for _, o := range own {
		for len(rest) > 0 && compareFold(rest[0].Name, o.Name) < 0 {
			fields, rest = append(fields, rest[0]), rest[1:]
		}
		if o.Value != "" {
			fields = append(fields, o)
		}
	}
	return append(fields, rest...), nil
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
	var buf [longestOwn]byte
	low := appendLower(buf[:0], name)
	switch string(low) {
	case "key", "policy", "file", "bucket":
		return true
	case "expires":
		return false
	}
	return ofSignature(low)
}
