package signing

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
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
	request := Request{Method: "POST", Bucket: form.Bucket, Key: form.Key, Expires: form.Expires}
	if err := check(cred, request); err != nil {
		return PresignedForm{}, err
	}
	if err := form.check(); err != nil {
		return PresignedForm{}, err
	}
	now = now.UTC().Truncate(time.Second)
	date, datetime := now.Format("20060102"), now.Format("20060102T150405Z")
	expiresAt := now.Add(form.Expires)

	fields := maps.Clone(form.Fields)
	if fields == nil {
		fields = make(map[string]string)
	}
	fields["key"] = form.Key
	fields["x-oss-signature-version"] = algorithm
	fields["x-oss-credential"] = cred.AccessKeyID + "/" + date + "/" + s.region + "/" + product + "/aliyun_v4_request"
	fields["x-oss-date"] = datetime
	if cred.SecurityToken != "" {
		fields["x-oss-security-token"] = cred.SecurityToken
	}
	conditions := []any{
		map[string]string{"bucket": form.Bucket},
		[]any{"content-length-range", form.MinSize, form.MaxSize},
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		conditions = append(conditions, []string{"eq", "$" + name, fields[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(form.NotIn)) {
		conditions = append(conditions, []any{"not-in", "$" + name, form.NotIn[name]})
	}
	policy, err := json.Marshal(map[string]any{
		"expiration": expiresAt.Format("2006-01-02T15:04:05.000Z"),
		"conditions": conditions,
	})
	if err != nil {
		return PresignedForm{}, fmt.Errorf("encoding policy: %w", err)
	}
	fields["policy"] = base64.StdEncoding.EncodeToString(policy)
	key := s.keys.get(cred.AccessKeySecret, date, s.region, product)
	fields["x-oss-signature"] = key.signPolicy(fields["policy"])
	return PresignedForm{
		URL:       s.endpoint.URL(form.Bucket, ""),
		Fields:    fields,
		ExpiresAt: expiresAt,
	}, nil
}

func (f Form) check() error {
	if f.MinSize < 0 || f.MaxSize < f.MinSize || f.MaxSize > maxFormSize {
		return fmt.Errorf("%w: a file of %d to %d bytes", ErrForm, f.MinSize, f.MaxSize)
	}
	if strings.Contains(f.Key, "$") {
		return fmt.Errorf("%w: the key has a dollar sign, as in ${filename}, which OSS fills in", ErrForm)
	}
	seen := make(map[string]bool, len(f.Fields))
	for name, value := range f.Fields {
		low := strings.ToLower(name)
		if seen[low] {
			return fmt.Errorf("%w: field %q stands twice", ErrForm, low)
		}
		if err := checkField(low, value); err != nil {
			return err
		}
		seen[low] = true
	}
	return nil
}

func checkField(low, value string) error {
	switch {
	case !isToken(strings.TrimPrefix(low, "x:")) || strings.Contains(low, "$"):
		return fmt.Errorf("%w: field %q", ErrForm, low)
	case ofForm(low):
		return fmt.Errorf("%w: field %q is the form's own", ErrForm, low)
	case !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
		return fmt.Errorf("%w: the value of field %q has control characters", ErrForm, low)
	case strings.Contains(value, "$"):
		// A policy spells it "\$", which is no JSON; how OSS reads the variants
		// is not documented.
		return fmt.Errorf("%w: the value of field %q has a dollar sign", ErrForm, low)
	}
	return nil
}

// ofForm reports whether PresignForm itself sets a field. "expires" is a header
// of the object here, not a part of a signature.
func ofForm(low string) bool {
	switch low {
	case "key", "policy", "file", "bucket":
		return true
	}
	return low != "expires" && ofSignature(low)
}
