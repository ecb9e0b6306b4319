package sts

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"ossupload/scripts/internal/stack/ram"
)

const (
	// timestampSkew is how far a Timestamp may lie before or after now.
	timestampSkew   = 15 * time.Minute
	timestampLayout = "2006-01-02T15:04:05Z"
)

// readParams returns the parameters of the query and of the form body
// together, as RPC signs them. A name that comes twice is refused: signer and
// reader could otherwise mean different values.
func readParams(w http.ResponseWriter, r *http.Request) (map[string]string, *apiError) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, invalid("Body", "The request body cannot be read or is too large.")
	}
	sources := []string{r.URL.RawQuery}
	if len(body) > 0 {
		mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if mediaType != "application/x-www-form-urlencoded" {
			return nil, invalid("Body", "The request body is not a form.")
		}
		sources = append(sources, string(body))
	}
	params := make(map[string]string)
	for _, source := range sources {
		values, err := url.ParseQuery(source)
		if err != nil {
			return nil, invalid("Encoding", "The parameters are not well encoded.")
		}
		for name, value := range values {
			if _, ok := params[name]; ok || len(value) != 1 {
				return nil, invalid("Repeated", "A parameter is supplied more than once.")
			}
			params[name] = value[0]
		}
	}
	return params, nil
}

func checkOperation(r *http.Request, params map[string]string) *apiError {
	switch {
	case r.Method != http.MethodPost:
		return errMethod
	case params["Action"] == "":
		return missing("Action")
	case params["Action"] != "AssumeRole" || r.URL.Path != "/":
		return errAction
	case params["Version"] != "2015-04-01":
		return errVersion
	case params["Format"] != "JSON":
		return invalid("Format", "Only the format JSON is imitated here.")
	}
	return nil
}

// authenticate returns the caller, once the signature over params proves that
// it holds the secret and means this call, now, for the first time.
func (s *Server) authenticate(params map[string]string) (ram.Credential, *apiError) {
	none := ram.Credential{}
	for _, name := range []string{"AccessKeyId", "Timestamp", "SignatureNonce", "Signature"} {
		if params[name] == "" {
			return none, missing(name)
		}
	}
	if params["SignatureMethod"] != "HMAC-SHA1" || params["SignatureVersion"] != "1.0" {
		return none, errSignatureMethod
	}
	now := s.cfg.Now()
	signedAt, err := time.Parse(timestampLayout, params["Timestamp"])
	if err != nil {
		return none, errTimestampFormat
	}
	if now.Sub(signedAt).Abs() > timestampSkew {
		return none, errTimestampExpired
	}
	caller, ok := s.cfg.Store.Lookup(params["AccessKeyId"])
	if !ok {
		return none, errAccessKey
	}
	token := params["SecurityToken"]
	if caller.SecurityToken != "" && token == "" {
		return none, errTokenMissing
	}
	if subtle.ConstantTimeCompare([]byte(token), []byte(caller.SecurityToken)) != 1 {
		return none, errTokenMismatch
	}
	if !caller.Expires.IsZero() && !now.Before(caller.Expires) {
		return none, errTokenExpired
	}
	want := signature(http.MethodPost, params, caller.AccessKeySecret)
	if !hmac.Equal([]byte(params["Signature"]), []byte(want)) {
		return none, errSignature
	}
	// Only a nonce that was signed is remembered, so nobody can use up
	// another caller's.
	if !s.useNonce(caller.AccessKeyID+" "+params["SignatureNonce"], now, signedAt) {
		return none, errNonceUsed
	}
	return caller, nil
}

// useNonce reports whether the nonce is new, and remembers it for as long as
// its Timestamp would be accepted again.
func (s *Server) useNonce(nonce string, now, signedAt time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.nonces, func(_ string, until time.Time) bool { return now.After(until) })
	if _, used := s.nonces[nonce]; used {
		return false
	}
	s.nonces[nonce] = signedAt.Add(timestampSkew)
	return true
}

// signature computes the RPC signature, version 1.0, of "Request signatures" in
// the Alibaba Cloud SDK documentation:
//
//	canonical  name=value pairs, both encoded, sorted by name, joined with &,
//	           without Signature
//	to sign    POST & %2F & encoded canonical
//	signature  base64(HMAC-SHA1(secret + "&", to sign))
func signature(method string, params map[string]string, secret string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if name != "Signature" {
			pairs = append(pairs, percentEncode(name)+"="+percentEncode(params[name]))
		}
	}
	mac := hmac.New(sha1.New, []byte(secret+"&"))
	io.WriteString(mac, method+"&%2F&"+percentEncode(strings.Join(pairs, "&")))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// percentEncode leaves the unreserved characters of RFC 3986 and encodes every
// other byte.
func percentEncode(text string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9',
			c == '-', c == '_', c == '.', c == '~':
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}
