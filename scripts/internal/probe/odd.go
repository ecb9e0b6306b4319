package probe

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"ossupload/shared/signing"
)

const (
	algorithm       = "OSS4-HMAC-SHA256"
	unsignedPayload = "UNSIGNED-PAYLOAD"
	dateLayout      = "20060102T150405Z"
)

// odd is how a call is signed by no sound signer. The zero value signs as all of
// them do, in the headers.
type odd struct {
	cred    signing.Credentials // the target's, if empty
	date    time.Time           // now, if zero
	expires time.Duration       // more than zero: in the URL

	path    string   // the canonical path, if it is not that of the bucket and the key
	host    string   // the host that is signed, if it is not the request's
	payload string   // the last line, if it is not UNSIGNED-PAYLOAD
	listed  []string // additional headers, in the order of the request
	signed  []string // the same in that of the canonical request; as listed if nil
}

// sign makes a request for c as o says (the forms are in package signing).
func (r *run) sign(ctx context.Context, c call, o odd) *http.Request {
	if o.cred.AccessKeyID == "" {
		o.cred = r.Credentials
	}
	if o.date.IsZero() {
		o.date = r.Now()
	}
	if o.path == "" {
		o.path = "/" + r.Bucket + "/" + c.key
	}
	if o.signed == nil {
		o.signed = o.listed
	}
	date := o.date.UTC().Format(dateLayout)
	scope := date[:8] + "/" + r.Region + "/oss/aliyun_v4_request"
	c.query, c.header = cloned(c.query), cloned(c.header)
	if o.expires > 0 {
		maps.Copy(c.query, map[string]string{
			"x-oss-signature-version": algorithm, "x-oss-credential": o.cred.AccessKeyID + "/" + scope, "x-oss-date": date,
			"x-oss-expires": strconv.Itoa(int(o.expires / time.Second)),
		})
		if o.cred.SecurityToken != "" {
			c.query["x-oss-security-token"] = o.cred.SecurityToken
		}
		if len(o.listed) > 0 {
			c.query["x-oss-additional-headers"] = strings.Join(o.listed, ";")
		}
	} else {
		if c.header["x-oss-content-sha256"] == "" {
			c.header["x-oss-content-sha256"] = unsignedPayload
		}
		c.header["x-oss-date"] = date
		if o.cred.SecurityToken != "" {
			c.header["x-oss-security-token"] = o.cred.SecurityToken
		}
	}
	signature := o.signature(date, scope, c, r.Region)
	if o.expires > 0 {
		c.query["x-oss-signature"] = signature
		return r.request(ctx, c)
	}
	list := ""
	if len(o.listed) > 0 {
		list = ",AdditionalHeaders=" + strings.Join(o.listed, ";")
	}
	c.header["Authorization"] = algorithm + " Credential=" + o.cred.AccessKeyID + "/" + scope + list + ",Signature=" + signature
	return r.request(ctx, c)
}

// signature signs the canonical request.
func (o odd) signature(date, scope string, c call, region string) string {
	header := map[string]string{}
	for name, value := range c.header {
		name = strings.ToLower(name)
		if name == "content-type" || name == "content-md5" || strings.HasPrefix(name, "x-oss-") || slices.Contains(o.listed, name) {
			header[name] = value
		}
	}
	if slices.Contains(o.listed, "host") {
		header["host"] = o.host
	}
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(header)) {
		lines.WriteString(name + ":" + header[name] + "\n")
	}
	payload := o.payload
	if payload == "" {
		payload = unsignedPayload
	}
	path := strings.ReplaceAll(rpcEscape(o.path), "%2F", "/")
	canonical := strings.Join([]string{c.method, path, canonicalQuery(c.query), lines.String(), strings.Join(o.signed, ";"), payload}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	return signText(o.cred.AccessKeySecret, date[:8], region, strings.Join([]string{algorithm, date, scope, hex.EncodeToString(sum[:])}, "\n"))
}

// signText signs with the key of one day and region.
func signText(secret, day, region, text string) string {
	key := []byte("aliyun_v4" + secret)
	for _, part := range []string{day, region, "oss", "aliyun_v4_request", text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// canonicalQuery is sorted and encoded; an empty value leaves the bare name.
func canonicalQuery(query map[string]string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(query)) {
		pair := rpcEscape(name)
		if query[name] != "" {
			pair += "=" + rpcEscape(query[name])
		}
		pairs = append(pairs, pair)
	}
	return strings.Join(pairs, "&")
}

func cloned(m map[string]string) map[string]string {
	c := maps.Clone(m)
	if c == nil {
		c = map[string]string{}
	}
	return c
}

// hostOf is the host of a request to the bucket.
func (r *run) hostOf() string { return r.request(context.Background(), call{method: "GET"}).URL.Host }
