package probe

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"ossupload/shared/signing"
)

// session is an answer of AssumeRole.
type session struct {
	signing.Credentials
	expiration time.Time
}

// assume gives credentials of the role, narrowed by a session policy if it is not
// empty. It stops the probe if STS refuses.
func (r *run) assume(ctx context.Context, policy string) session {
	params := map[string]string{}
	if policy != "" {
		params["Policy"] = policy
	}
	s, answer := r.assumeRole(ctx, params)
	if answer.status != http.StatusOK || s.AccessKeyID == "" {
		stop("STS answered %v", answer)
	}
	return s
}

// assumeRole calls AssumeRole ("AssumeRole", STS API reference; its signature is
// that of "Request syntax and signature method V2 for RPC APIs"):
//
//	string to sign = POST&%2F&encode(parameters, sorted, as a query)
//	Signature      = base64(HMAC-SHA1(secret "&", string to sign))
//
// params are added to, or replace, the parameters that every call has.
func (r *run) assumeRole(ctx context.Context, params map[string]string) (session, reply) {
	all := map[string]string{
		"Action": "AssumeRole", "Version": "2015-04-01", "Format": "JSON",
		"AccessKeyId": r.Credentials.AccessKeyID, "SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0",
		"SignatureNonce": rand.Text(), "Timestamp": r.Now().UTC().Format("2006-01-02T15:04:05Z"),
		"RoleArn": r.RoleARN, "RoleSessionName": "ossupload-probe", "DurationSeconds": "900",
	}
	if r.Credentials.SecurityToken != "" {
		all["SecurityToken"] = r.Credentials.SecurityToken
	}
	maps.Copy(all, params)
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		pairs = append(pairs, rpcEscape(name)+"="+rpcEscape(all[name]))
	}
	form := strings.Join(pairs, "&")
	mac := hmac.New(sha1.New, []byte(r.Credentials.AccessKeySecret+"&"))
	mac.Write([]byte("POST&%2F&" + rpcEscape(form)))
	form += "&Signature=" + rpcEscape(base64.StdEncoding.EncodeToString(mac.Sum(nil)))

	endpoint := r.STSEndpoint
	if endpoint == "" {
		endpoint = "https://sts." + r.Region + ".aliyuncs.com"
	}
	request, err := http.NewRequestWithContext(ctx, "POST", endpoint+"/", strings.NewReader(form))
	if err != nil {
		stop("making a request of STS failed")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := r.sendBy(r.stsClient, request)
	var document struct {
		Code        string
		RequestID   string `json:"RequestId"`
		Credentials struct {
			AccessKeyID     string `json:"AccessKeyId"`
			AccessKeySecret string
			SecurityToken   string
			Expiration      time.Time
		}
	}
	if err := json.Unmarshal([]byte(answer.body), &document); err != nil {
		stop("STS answered %d and no JSON", answer.status)
	}
	answer.code = plain(document.Code)
	if answer.overloaded() || document.RequestID == "" || strings.HasPrefix(document.Code, "Throttling") {
		r.trouble = &answer
	}
	c := document.Credentials
	s := session{signing.Credentials{AccessKeyID: c.AccessKeyID, AccessKeySecret: c.AccessKeySecret, SecurityToken: c.SecurityToken}, c.Expiration}
	r.keepSecret(s.Credentials)
	return s, answer
}

// rpcEscape encodes every byte but RFC 3986's unreserved characters.
func rpcEscape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// allowing is a session policy that allows actions on all objects below the
// run's folder.
func (r *run) allowing(actions ...string) string { return r.sessionPolicy(actions, "/"+r.folder+"*") }

// sessionPolicy is a session policy that allows actions on resources of the bucket, each
// a slash and a key, or empty.
func (r *run) sessionPolicy(actions []string, resources ...string) string {
	for i := range resources {
		resources[i] = "acs:oss:*:*:" + r.Bucket + resources[i]
	}
	text, err := json.Marshal(map[string]any{"Version": "1", "Statement": []any{map[string]any{
		"Effect": "Allow", "Action": actions, "Resource": resources,
	}}})
	if err != nil {
		stop("writing a session policy failed")
	}
	return string(text)
}
