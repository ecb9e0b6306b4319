package oss

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"ossupload/scripts/internal/facts"
)

const (
	algorithm       = "OSS4-HMAC-SHA256"
	scopeTerminator = "aliyun_v4_request"
	unsignedPayload = "UNSIGNED-PAYLOAD"
	timeLayout      = "20060102T150405Z"

	// maxSkew is the clock difference that OSS tolerates.
	maxSkew = 15 * time.Minute

	// maxExpires is seven days, in seconds.
	maxExpires = 604800

	ecSignatureMismatch = "0002-00000040"
)

// presented is the signature of one request and everything that it covers,
// read from the wire ("Include a V4 signature in the Authorization header",
// "V4 signatures in presigned URLs"). Nothing here depends on a secret.
type presented struct {
	inURL bool // signature in the query, not in the Authorization header

	accessKeyID   string
	scopeDate     string // "20231217"
	region        string
	product       string
	timestamp     string // x-oss-date as sent
	time          time.Time
	expires       time.Duration // zero in header mode
	signature     string
	securityToken string

	canonicalRequest string
}

// readPresented reads the signature that r carries. A request with none gives
// nil and no error: whether that is allowed is not the verifier's business.
func readPresented(r *http.Request, t target, query params, assume facts.Assumptions) (*presented, *apiError) {
	authorization := r.Header.Values("Authorization")
	inURL := query.has("x-oss-signature-version") || query.has("x-oss-signature") || query.has("x-oss-credential")
	var p *presented
	var additional []string
	var fault *apiError
	switch {
	case len(authorization) > 0 && (inURL || query.has("Signature")):
		return nil, invalidArgument("Authorization", "", "",
			"A request may carry a signature in the URL or in the Authorization header, not in both.")
	case len(authorization) > 1:
		return nil, invalidArgument("Authorization", "", "", "Authorization is given more than once.")
	case len(authorization) == 1:
		p, additional, fault = readAuthorization(authorization[0], r.Header, assume)
	case inURL:
		p, additional, fault = readSignedQuery(query, r.Header, assume)
	case query.has("Signature") || query.has("OSSAccessKeyId"):
		return nil, errNotImplemented("signature version 1")
	default:
		return nil, nil
	}
	if fault != nil {
		return nil, fault
	}
	p.canonicalRequest, fault = canonicalRequest(r, t, query, additional)
	return p, fault
}

// readAuthorization parses
//
//	OSS4-HMAC-SHA256 Credential=ak/20231216/cn-hangzhou/oss/aliyun_v4_request,AdditionalHeaders=abc;zabc,Signature=4a41…
//
// The space that the documents print after a comma is optional.
func readAuthorization(value string, header http.Header, assume facts.Assumptions) (*presented, []string, *apiError) {
	fields, ok := strings.CutPrefix(value, algorithm+" ")
	if !ok {
		return nil, nil, errNotImplemented("any signature but version 4")
	}
	bad := func() (*presented, []string, *apiError) {
		return nil, nil, invalidArgument("Authorization", "", "0002-00000213", "The format of the Authorization header is invalid.")
	}
	p := &presented{}
	var credential string
	var additional []string
	var fault *apiError
	seen := map[string]bool{}
	for field := range strings.SplitSeq(fields, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(field), "=")
		if !ok || seen[name] {
			return bad()
		}
		seen[name] = true
		switch name {
		case "Credential":
			credential = value
		case "AdditionalHeaders":
			if additional, fault = readAdditional(value, assume); fault != nil {
				return nil, nil, fault
			}
		case "Signature":
			p.signature = value
		default:
			return bad()
		}
	}
	if p.signature == "" || !p.setCredential(credential) {
		return bad()
	}
	p.timestamp = header.Get("x-oss-date")
	if !p.setTime() {
		return nil, nil, invalidArgument("x-oss-date", p.timestamp, "", "Invalid signing date in Authorization header.")
	}
	p.securityToken = header.Get("x-oss-security-token")
	return p, additional, nil
}

// readSignedQuery parses the parameters of a presigned URL.
func readSignedQuery(query params, header http.Header, assume facts.Assumptions) (*presented, []string, *apiError) {
	for _, name := range []string{"x-oss-signature-version", "x-oss-credential", "x-oss-date", "x-oss-expires", "x-oss-signature", "x-oss-security-token", "x-oss-additional-headers"} {
		if query.count(name) > 1 {
			return nil, nil, invalidArgument(name, "", "", "The parameter is given more than once.")
		}
	}
	if header.Get("x-oss-security-token") != "" {
		return nil, nil, errorf(http.StatusBadRequest, codeInvalidRequest, "", "Security-token must be provided by query string parameter.")
	}
	if version := query.get("x-oss-signature-version"); version != algorithm {
		return nil, nil, invalidArgument("x-oss-signature-version", version, "", "The signature version is invalid.")
	}
	p := &presented{inURL: true, signature: query.get("x-oss-signature"), securityToken: query.get("x-oss-security-token")}
	if p.signature == "" {
		return nil, nil, invalidArgument("x-oss-signature", "", "", "The signature is missing.")
	}
	if credential := query.get("x-oss-credential"); !p.setCredential(credential) {
		return nil, nil, invalidArgument("x-oss-credential", credential, "0002-00000224", "The format of the credential is invalid.")
	}
	p.timestamp = query.get("x-oss-date")
	if !p.setTime() {
		return nil, nil, invalidArgument("x-oss-date", p.timestamp, "", "The signing date is invalid or is not the date of the credential.")
	}
	var fault *apiError
	if p.expires, fault = readExpires(query); fault != nil {
		return nil, nil, fault
	}
	if !query.has("x-oss-additional-headers") {
		return p, nil, nil
	}
	additional, fault := readAdditional(query.get("x-oss-additional-headers"), assume)
	return p, additional, fault
}

// readExpires reads how long a URL lives. x-oss-expires is a duration in seconds,
// although some pages call it a UNIX timestamp.
func readExpires(query params) (time.Duration, *apiError) {
	const name = "x-oss-expires"
	value := query.get(name)
	switch seconds, err := strconv.ParseUint(value, 10, 32); {
	case !query.has(name):
		return 0, invalidArgument(name, "", "0002-00000215", "x-oss-expires is missing.")
	case value == "" || err != nil:
		return 0, invalidArgument(name, value, "0002-00000216", "x-oss-expires is not a number of seconds.")
	case seconds < 1 || seconds > maxExpires:
		return 0, invalidArgument(name, value, "0002-00000232", "x-oss-expires must be between 1 and 604800.")
	default:
		return time.Duration(seconds) * time.Second, nil
	}
}

// setCredential parses "ak/20231217/cn-hangzhou/oss/aliyun_v4_request".
func (p *presented) setCredential(credential string) bool {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || slices.Contains(parts, "") || parts[4] != scopeTerminator {
		return false
	}
	p.accessKeyID, p.scopeDate, p.region, p.product = parts[0], parts[1], parts[2], parts[3]
	return true
}

// setTime parses the timestamp, whose day must be the day of the scope.
func (p *presented) setTime() bool {
	t, err := time.Parse(timeLayout, p.timestamp)
	p.time = t
	return err == nil && strings.HasPrefix(p.timestamp, p.scopeDate+"T")
}

// readAdditional parses the list of additionally signed headers. What is
// signed anyway may not be listed.
func readAdditional(list string, assume facts.Assumptions) ([]string, *apiError) {
	bad := func() ([]string, *apiError) {
		return nil, invalidArgument("x-oss-additional-headers", list, "0002-00000209", "The additional headers are invalid.")
	}
	names := strings.Split(list, ";")
	for i, name := range names {
		if name == "" || name != strings.ToLower(name) || strings.ContainsAny(name, "_ ") ||
			signedByDefault(name) || slices.Contains(names[:i], name) {
			return bad()
		}
	}
	// unconfirmed (sign.unsorted-headers): is an unsorted list refused? The canonical form is
	// sorted either way.
	if assume.Is("sign.unsorted-headers", "refused") && !slices.IsSorted(names) {
		return bad()
	}
	sort.Strings(names)
	return names, nil
}

func signedByDefault(lowerName string) bool {
	return lowerName == "content-type" || lowerName == "content-md5" || strings.HasPrefix(lowerName, "x-oss-")
}

// canonicalRequest rebuilds the six lines that were signed:
//
//	PUT
//	/bucket/a%20b.txt
//	partNumber=1&uploadId=ABC
//	content-length:5
//	content-type:text/plain
//
//	content-length
//	UNSIGNED-PAYLOAD
//
// Every header that is signed by default takes part if it was received, so a
// header that a client adds is as visible as one that it leaves out.
func canonicalRequest(r *http.Request, t target, query params, additional []string) (string, *apiError) {
	signed := map[string]string{}
	for name, values := range r.Header {
		if lower := strings.ToLower(name); signedByDefault(lower) {
			signed[lower] = canonicalValue(values)
		}
	}
	for _, name := range additional {
		values := receivedHeader(r, name)
		if len(values) == 0 {
			return "", invalidArgument("x-oss-additional-headers", name, "", "A header that is listed in the additional headers is missing.")
		}
		signed[name] = canonicalValue(values)
	}
	names := make([]string, 0, len(signed))
	for name := range signed {
		names = append(names, name)
	}
	sort.Strings(names)
	var headers strings.Builder
	for _, name := range names {
		headers.WriteString(name + ":" + signed[name] + "\n")
	}
	return strings.Join([]string{
		r.Method,
		t.canonicalURI,
		query.canonical(),
		headers.String(),
		strings.Join(additional, ";"),
		unsignedPayload,
	}, "\n"), nil
}

// receivedHeader returns a header as it came in. net/http moves Host out of
// the map, and a request that was built in memory may have its length only
// in a field.
func receivedHeader(r *http.Request, lowerName string) []string {
	if values := r.Header.Values(lowerName); len(values) > 0 {
		return values
	}
	switch {
	case lowerName == "host" && r.Host != "":
		return []string{r.Host}
	case lowerName == "content-length" && r.ContentLength > 0:
		return []string{strconv.FormatInt(r.ContentLength, 10)}
	}
	return nil
}

// canonicalValue trims optional whitespace and joins repetitions.
func canonicalValue(values []string) string {
	trimmed := make([]string, len(values))
	for i, value := range values {
		trimmed[i] = strings.Trim(value, " \t")
	}
	return strings.Join(trimmed, ",")
}

// stringToSign is
//
//	OSS4-HMAC-SHA256
//	20231217T025437Z
//	20231217/cn-hangzhou/oss/aliyun_v4_request
//	<lower-case hex SHA-256 of the canonical request>
func (p *presented) stringToSign() string {
	sum := sha256.Sum256([]byte(p.canonicalRequest))
	scope := strings.Join([]string{p.scopeDate, p.region, p.product, scopeTerminator}, "/")
	return strings.Join([]string{algorithm, p.timestamp, scope, hex.EncodeToString(sum[:])}, "\n")
}

// signingKey derives the key of one day, region and product.
func signingKey(secret, date, region, product string) []byte {
	key := []byte("aliyun_v4" + secret)
	for _, part := range []string{date, region, product, scopeTerminator} {
		key = hmacSHA256(key, part)
	}
	return key
}

// expectedSignature is what the holder of secret would have sent.
func (p *presented) expectedSignature(secret string) string {
	key := signingKey(secret, p.scopeDate, p.region, p.product)
	return hex.EncodeToString(hmacSHA256(key, p.stringToSign()))
}

// verify reports whether the signature was made with secret.
func (p *presented) verify(secret string) *apiError {
	if subtle.ConstantTimeCompare([]byte(p.signature), []byte(p.expectedSignature(secret))) == 1 {
		return nil
	}
	e := errSignatureDoesNotMatch(p, ecSignatureMismatch)
	e.StringToSign, e.CanonicalRequest = p.stringToSign(), p.canonicalRequest
	return e
}

func errSignatureDoesNotMatch(p *presented, ec string) *apiError {
	e := errorf(http.StatusForbidden, codeSignatureDoesNotMatch, ec,
		"The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	e.OSSAccessKeyID, e.SignatureProvided = p.accessKeyID, p.signature
	return e
}

// checkScope refuses a signature for another region or product.
func (p *presented) checkScope(region, product string) *apiError {
	name, formatEC, regionEC := "Authorization", "0002-00000213", "0002-00000228"
	if p.inURL {
		name, formatEC, regionEC = "x-oss-credential", "0002-00000224", "0002-00000226"
	}
	switch {
	case p.product != product:
		return invalidArgument(name, "", formatEC, "The signing product in credential is invalid.")
	case p.region != region:
		return invalidArgument(name, "", regionEC, "The signing region in credential is invalid.")
	}
	return nil
}

// checkTime refuses a signature outside its window. A URL lives from 15
// minutes before x-oss-date to x-oss-expires after it; a header may be 15
// minutes off.
//
// unconfirmed (sign.instant-of-expiry): is the second of expiry still inside?
func (p *presented) checkTime(now time.Time, assume facts.Assumptions) *apiError {
	now = now.UTC()
	if !p.inURL {
		if now.Sub(p.time).Abs() > maxSkew {
			return errorf(http.StatusForbidden, codeRequestTimeTooSkewed, "",
				"The difference between the request time and the current time is too large.")
		}
		return nil
	}
	end := p.time.Add(p.expires)
	last := end.Add(-time.Second)
	if assume.Is("sign.instant-of-expiry", "taken") {
		last = end
	}
	var e *apiError
	switch {
	case now.Before(p.time.Add(-maxSkew)):
		// unconfirmed (sign.too-early): the status and code of this EC.
		e = refusal(assume, "sign.too-early",
			errorf(http.StatusForbidden, codeAccessDenied, "0002-00000235", "Request is used before its signing date."))
	case now.Truncate(time.Second).After(last):
		e = errorf(http.StatusForbidden, codeAccessDenied, "0002-00000236", "Request has expired.")
	default:
		return nil
	}
	e.Expires, e.ServerTime = end.Format(xmlTimeLayout), now.Format(xmlTimeLayout)
	return e
}

func hmacSHA256(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
