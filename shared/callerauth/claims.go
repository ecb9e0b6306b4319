package callerauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxContext  = 512 // bytes of compact JSON
	maxTypeName = 255 // bytes of type/subtype, RFC 6838, 4.2
)

// claimSet is the payload of a token, each claim as it was written. The
// library's own claim types take a claim of the wrong kind for an absent one in
// places, and names in any case; here both are errors or other claims.
type claimSet map[string]json.RawMessage

// UnmarshalJSON refuses duplicate names and bytes that are not UTF-8, which
// encoding/json would silently replace. It is called before the signature is
// checked, so everything else waits.
func (c *claimSet) UnmarshalJSON(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("claims are not UTF-8")
	}
	members, err := object(data)
	if err != nil {
		return err
	}
	*c = members
	return nil
}

// The getters of jwt.Claims. The library calls those of issuer and audience only
// when one is expected.

func (c claimSet) GetExpirationTime() (*jwt.NumericDate, error) {
	if _, ok := c["exp"]; !ok {
		return nil, fmt.Errorf("%w: exp is missing", ErrClaim)
	}
	return c.date("exp")
}

func (c claimSet) GetNotBefore() (*jwt.NumericDate, error) { return c.date("nbf") }

func (c claimSet) GetIssuedAt() (*jwt.NumericDate, error) { return c.date("iat") }

func (c claimSet) GetIssuer() (string, error) {
	issuer, ok := text(c["iss"])
	if !ok || issuer == "" {
		return "", ErrIssuer
	}
	return issuer, nil
}

func (c claimSet) GetAudience() (jwt.ClaimStrings, error) {
	if one, ok := text(c["aud"]); ok && one != "" {
		return jwt.ClaimStrings{one}, nil
	}
	many, ok := texts(c["aud"])
	// An empty name stands for nobody, and a list must name somebody.
	if !ok || len(many) == 0 || slices.Contains(many, "") {
		return nil, ErrAudience
	}
	return many, nil
}

// GetSubject is never called: no subject is configured.
func (c claimSet) GetSubject() (string, error) { return "", nil }

// date reads a NumericDate: seconds since 1970, cut to whole ones. An absent
// claim is nil.
func (c claimSet) date(name string) (*jwt.NumericDate, error) {
	const year10000 = 253402300800 // RFC 3339 ends before it, and int64 is far
	raw, ok := c[name]
	if !ok {
		return nil, nil
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || seconds < 0 || seconds >= year10000 {
		return nil, fmt.Errorf("%w: %s is not a time", ErrClaim, name)
	}
	return &jwt.NumericDate{Time: time.Unix(int64(seconds), 0).UTC()}, nil
}

// caller reads a payload whose signature, times, issuer and audience have been
// verified.
func (c claimSet) caller(subjectClaim string) (Caller, error) {
	subject, ok := text(c[subjectClaim])
	if !ok {
		return Caller{}, fmt.Errorf("%w: the claim is missing or not a string", ErrSubject)
	}
	if err := checkSubject(subject); err != nil {
		return Caller{}, err
	}
	expires, err := c.GetExpirationTime()
	if err != nil {
		return Caller{}, err
	}
	upload, err := c.upload()
	if err != nil {
		return Caller{}, err
	}
	return Caller{Subject: subject, Expires: expires.Time, Limits: upload}, nil
}

// upload reads the claim of that name. What it cannot read it refuses: to
// ignore a limit would be to lift it.
func (c claimSet) upload() (Limits, error) {
	raw, ok := c["upload"]
	if !ok {
		return Limits{}, nil
	}
	members, err := object(raw)
	if err != nil {
		return Limits{}, fmt.Errorf("%w: upload is not a plain object", ErrClaim)
	}
	var u Limits
	for name, value := range members {
		var err error
		switch name {
		case "context":
			u.Context, err = uploadContext(value)
		case "maxSize":
			u.MaxSize, err = uploadMaxSize(value)
		case "contentTypes":
			u.ContentTypes, err = uploadContentTypes(value)
		default:
			err = fmt.Errorf("%w: upload has an unknown member", ErrClaim)
		}
		if err != nil {
			return Limits{}, err
		}
	}
	return u, nil
}

func uploadContext(value json.RawMessage) (json.RawMessage, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, value); err != nil || compact.Len() > maxContext {
		return nil, fmt.Errorf("%w: upload.context is longer than %d bytes", ErrClaim, maxContext)
	}
	return compact.Bytes(), nil
}

func uploadMaxSize(value json.RawMessage) (*int64, error) {
	size, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || size < 0 {
		return nil, fmt.Errorf("%w: upload.maxSize is not a whole number of bytes", ErrClaim)
	}
	return &size, nil
}

func uploadContentTypes(value json.RawMessage) ([]string, error) {
	types, ok := texts(value)
	// A reader who checks the length would take an empty list for no limit.
	if !ok || len(types) == 0 {
		return nil, fmt.Errorf("%w: upload.contentTypes is not a list of types", ErrClaim)
	}
	for _, t := range types {
		if t == "" || len(t) > maxTypeName {
			return nil, fmt.Errorf("%w: upload.contentTypes holds an entry that is not a type", ErrClaim)
		}
	}
	return types, nil
}

// object splits a JSON object into its members. Names are compared as they are,
// and no name may come twice.
func object(data []byte) (map[string]json.RawMessage, error) {
	errObject := errors.New("not an object with distinct names")
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errObject
	}
	members := make(map[string]json.RawMessage)
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, errObject
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errObject
		}
		if _, ok := members[name]; ok {
			return nil, errObject
		}
		members[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, errObject
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errObject
	}
	return members, nil
}

// text reads a JSON string; ok is false for anything else, null included.
func text(raw json.RawMessage) (s string, ok bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return s, json.Unmarshal(raw, &s) == nil
}

// texts reads an array of JSON strings.
func texts(raw json.RawMessage) ([]string, bool) {
	var items []json.RawMessage
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &items) != nil {
		return nil, false
	}
	list := make([]string, len(items))
	for i, item := range items {
		s, ok := text(item)
		if !ok {
			return nil, false
		}
		list[i] = s
	}
	return list, true
}
