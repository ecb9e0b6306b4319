package callerauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"ossupload/shared/rawjson"
)

const (
	maxContext   = 512  // bytes of compact JSON
	maxTypeName  = 255  // bytes of type/subtype, RFC 6838, 4.2
	maxDownloads = 64   // of a claim download
	maxKey       = 1023 // bytes, as OSS has it
	// maxLife is how far ahead exp may lie: a token without a real end is refused
	// like one without any.
	maxLife = 366 * 24 * time.Hour
)

// claimSet is the payload of a token, each claim as it was written. The
// library's own claim types take a claim of the wrong kind for an absent one in
// places, and names in any case; here both are errors or other claims.
type claimSet struct{ members }

// UnmarshalJSON refuses duplicate names and bytes that are not UTF-8, which
// encoding/json would silently replace. It is called before the signature is
// checked, so everything else waits.
func (c *claimSet) UnmarshalJSON(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("claims are not UTF-8")
	}
	// The bytes are encoding/json's, which has found them valid.
	var err error
	c.members, err = membersOf(bytes.Clone(data))
	return err
}

// The getters of jwt.Claims. The library calls those of issuer and audience only
// when one is expected.

func (c claimSet) GetExpirationTime() (*jwt.NumericDate, error) {
	if c.get("exp") == nil {
		return nil, errNoExp
	}
	return c.date("exp")
}

func (c claimSet) GetNotBefore() (*jwt.NumericDate, error) { return c.date("nbf") }

func (c claimSet) GetIssuedAt() (*jwt.NumericDate, error) { return c.date("iat") }

func (c claimSet) GetIssuer() (string, error) {
	raw := c.get("iss")
	if raw == nil {
		return "", closer(ErrIssuer, "the claim iss is missing")
	}
	issuer, ok := text(raw)
	if !ok || issuer == "" {
		return "", closer(ErrIssuer, "the claim iss is not a name")
	}
	return issuer, nil
}

func (c claimSet) GetAudience() (jwt.ClaimStrings, error) {
	raw := c.get("aud")
	if raw == nil {
		return nil, closer(ErrAudience, "the claim aud is missing")
	}
	if one, ok := text(raw); ok && one != "" {
		return jwt.ClaimStrings{one}, nil
	}
	many, ok := texts(raw)
	// An empty name stands for nobody, and a list must name somebody.
	if !ok || len(many) == 0 || slices.Contains(many, "") {
		return nil, closer(ErrAudience, "the claim aud is neither a name nor a list of names")
	}
	return many, nil
}

// GetSubject is never called: no subject is configured.
func (c claimSet) GetSubject() (string, error) { return "", nil }

// date reads a NumericDate: seconds since 1970, cut to whole ones. An absent
// claim is nil.
func (c claimSet) date(name string) (*jwt.NumericDate, error) {
	const year10000 = 253402300800 // RFC 3339 ends before it, and int64 is far
	raw := c.get(name)
	if raw == nil {
		return nil, nil
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || seconds < 0 || seconds >= year10000 {
		return nil, closer(ErrClaim, "the claim %s is not a time", name)
	}
	return &jwt.NumericDate{Time: time.Unix(int64(seconds), 0).UTC()}, nil
}

// caller reads a payload whose signature, times, issuer and audience have been
// verified.
func (c claimSet) caller(subjectClaim string, now time.Time) (Caller, error) {
	subject, err := c.subject(subjectClaim)
	if err != nil {
		return Caller{}, err
	}
	expires, err := c.GetExpirationTime()
	if err != nil {
		return Caller{}, err
	}
	if expires.After(now.Add(maxLife)) {
		return Caller{}, closer(ErrClaim, "the claim exp is more than 366 days ahead")
	}
	caller := Caller{Subject: subject, Expires: expires.Time}
	if caller.Limits, err = c.upload(); err != nil {
		return Caller{}, err
	}
	if caller.Download, err = c.download(); err != nil {
		return Caller{}, err
	}
	if caller.scopes, err = c.scope(); err != nil {
		return Caller{}, err
	}
	return caller, nil
}

func (c claimSet) subject(claim string) (string, error) {
	raw := c.get(claim)
	if raw == nil {
		return "", closer(ErrSubject, "the claim %s is missing", claim)
	}
	subject, ok := text(raw)
	if !ok {
		return "", closer(ErrSubject, "the claim %s is not a string", claim)
	}
	if fault := faultOf(subject); fault != "" {
		return "", closer(ErrSubject, "the claim %s %s", claim, fault)
	}
	return subject, nil
}

// download reads the claim {"keys": [key, …]}.
func (c claimSet) download() ([]string, error) {
	raw := c.get("download")
	if raw == nil {
		return nil, nil
	}
	members, err := object(raw)
	keys, isList := texts(members.get("keys"))
	if err != nil || len(members) != 1 || !isList || len(keys) > maxDownloads {
		return nil, closer(ErrClaim, "the claim download is not an object of keys alone, a list of at most %d", maxDownloads)
	}
	for _, key := range keys {
		if key == "" || len(key) > maxKey || !readable(key) {
			return nil, closer(ErrClaim, "the claim download.keys has an entry that is not a key")
		}
	}
	return keys, nil
}

// scope reads the claim of RFC 8693, 4.2: names in one string, with spaces
// between them. Of them it keeps ours: a scope restricts only if it names one.
func (c claimSet) scope() ([]Scope, error) {
	raw := c.get("scope")
	if raw == nil {
		return nil, nil
	}
	list, ok := text(raw)
	if !ok {
		return nil, closer(ErrClaim, "the claim scope is not a string")
	}
	var ours []Scope
	for name := range strings.FieldsSeq(list) {
		switch s := Scope(name); s {
		case ScopeUpload, ScopeDownload, ScopeSTS:
			ours = append(ours, s)
		}
	}
	return ours, nil
}

// upload reads the claim of that name. What it cannot read it refuses: to
// ignore a limit would be to lift it.
func (c claimSet) upload() (Limits, error) {
	raw := c.get("upload")
	if raw == nil {
		return Limits{}, nil
	}
	members, err := object(raw)
	if err != nil {
		return Limits{}, closer(ErrClaim, "the claim upload is not an object with distinct names")
	}
	var u Limits
	for _, m := range members {
		var err error
		switch m.Name {
		case "context":
			u.Context, err = uploadContext(m.Value)
		case "maxSize":
			u.MaxSize, err = uploadMaxSize(m.Value)
		case "contentTypes":
			u.ContentTypes, err = uploadContentTypes(m.Value)
		case "key":
			u.Key, err = uploadKey(m.Value)
		default:
			err = closer(ErrClaim, "the claim upload has an unknown member")
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
		return nil, closer(ErrClaim, "the claim upload.context is longer than %d bytes", maxContext)
	}
	return compact.Bytes(), nil
}

func uploadKey(value json.RawMessage) (string, error) {
	key, ok := text(value)
	if !ok {
		return "", closer(ErrClaim, "the claim upload.key is not a string")
	}
	if CheckName(key) != nil {
		return "", closer(ErrClaim, "the claim upload.key is not a name that an object may have")
	}
	return key, nil
}

// CheckName reports why an application cannot call an object by name, below a
// subject's prefix: 1 to 512 bytes of ASCII that need no escaping in a URL's
// path, in segments none of which is empty, "." or "..", or begins with "_",
// which are ours.
func CheckName(name string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~+=@,()/"
	if name == "" || len(name) > 512 || strings.Trim(name, allowed) != "" {
		return errors.New("must be 1 to 512 bytes of letters, digits and - _ . ~ + = @ , ( ) /")
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || segment == "." || segment == ".." || segment[0] == '_' {
			return errors.New(`must not have a segment that is empty, "." or "..", or begins with "_"`)
		}
	}
	return nil
}

func uploadMaxSize(value json.RawMessage) (*int64, error) {
	size, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || size < 0 {
		return nil, closer(ErrClaim, "the claim upload.maxSize is not a whole number of bytes")
	}
	return &size, nil
}

func uploadContentTypes(value json.RawMessage) ([]string, error) {
	types, ok := texts(value)
	// A reader who checks the length would take an empty list for no limit.
	if !ok || len(types) == 0 {
		return nil, closer(ErrClaim, "the claim upload.contentTypes is not a list of types")
	}
	for _, t := range types {
		if t == "" || len(t) > maxTypeName {
			return nil, closer(ErrClaim, "the claim upload.contentTypes has an entry that is not a type")
		}
	}
	return types, nil
}

// members are those of a JSON object, by name. Sorting a few costs less than a map, and
// many no more.
type members []rawjson.Member

// object splits a JSON object into its members, which are parts of data. Names are
// compared as they are, and no name may come twice.
func object(data []byte) (members, error) {
	if !rawjson.Valid(data) {
		return nil, errObject
	}
	return membersOf(data)
}

// membersOf is object for valid JSON.
func membersOf(data []byte) (members, error) {
	list, ok := rawjson.Members(data)
	if !ok {
		return nil, errObject
	}
	slices.SortFunc(list, func(a, b rawjson.Member) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(list); i++ {
		if list[i].Name == list[i-1].Name {
			return nil, errObject
		}
	}
	return list, nil
}

// get is the value of a member, nil if there is none.
func (m members) get(name string) json.RawMessage {
	at, ok := slices.BinarySearchFunc(m, name, func(m rawjson.Member, name string) int { return strings.Compare(m.Name, name) })
	if !ok {
		return nil
	}
	return m[at].Value
}

var errObject = errors.New("not an object with distinct names")

// text reads a JSON string; ok is false for anything else, null included, and for a
// member that is missing.
func text(raw json.RawMessage) (s string, ok bool) {
	if len(raw) == 0 {
		return "", false
	}
	return rawjson.String(raw)
}

// texts reads an array of JSON strings.
func texts(raw json.RawMessage) ([]string, bool) {
	if len(raw) == 0 {
		return nil, false
	}
	items, ok := rawjson.Elements(raw)
	if !ok {
		return nil, false
	}
	list := []string{}
	for item := range items {
		s, ok := text(item)
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}
