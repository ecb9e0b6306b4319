package probe

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/signer"

	"ossupload/shared/signing"
)

// call is an ordinary call of OSS, signed in its headers.
type call struct {
	method string
	key    string // empty: the bucket itself
	bucket string // empty: the target's
	query  map[string]string
	header map[string]string
	body   string
	as     *signing.Credentials // nil: the target's
}

// reply is an answer. How it prints can be published.
type reply struct {
	status   int
	code, ec string // of an error
	header   http.Header
	body     string
}

// String is the status, and of an error its code and EC.
func (a reply) String() string {
	return strings.Join(strings.Fields(fmt.Sprintf("%d %s %s", a.status, a.code, a.ec)), " ")
}

// ok reports whether a call succeeded. 203 is a success of OSS alone: an upload
// whose callback failed.
func (a reply) ok() bool { return a.status/100 == 2 && a.status != http.StatusNonAuthoritativeInfo }

// do makes a call. It stops the probe if there is no answer.
func (r *run) do(ctx context.Context, c call) reply {
	request := r.request(ctx, c)
	cred := r.Credentials
	if c.as != nil {
		cred = *c.as
	}
	bucket := c.bucket
	if bucket == "" {
		bucket = r.Bucket
	}
	err := (&signer.SignerV4{}).Sign(ctx, &signer.SigningContext{
		Product: ptr("oss"), Region: &r.Region, Bucket: &bucket, Key: &c.key, Request: request, Time: r.Now(),
		Credentials: &credentials.Credentials{AccessKeyID: cred.AccessKeyID, AccessKeySecret: cred.AccessKeySecret, SecurityToken: cred.SecurityToken},
	})
	if err != nil {
		stop("signing a call failed")
	}
	answer := r.send(request)
	r.notice(answer, c.as == nil)
	if _, initiates := c.query["uploads"]; initiates && c.method == http.MethodPost && answer.ok() {
		r.begun = append(r.begun, thing{key: c.key, uploadID: element(answer.body, "UploadId")})
	}
	return answer
}

func ptr[T any](v T) *T { return &v }

// request is a call before it is signed.
func (r *run) request(ctx context.Context, c call) *http.Request {
	bucket := c.bucket
	if bucket == "" {
		bucket = r.Bucket
	}
	query := url.Values{}
	for name, value := range c.query {
		query.Set(name, value)
	}
	target := r.Endpoint.URL(bucket, c.key)
	if len(query) > 0 {
		// An empty value stands as "name=", which is signed as the bare name.
		target += "?" + strings.ReplaceAll(query.Encode(), "+", "%20")
	}
	request, err := http.NewRequestWithContext(ctx, c.method, target, strings.NewReader(c.body))
	if err != nil {
		stop("making a request failed")
	}
	for name, value := range c.header {
		request.Header.Set(name, value)
	}
	return request
}

// presigned is a URL and the headers that are sent with it.
type presigned struct {
	signing.Presigned
	header []signing.Param
}

// presign signs a request in its URL as the functions do. It stops the probe if
// that is refused.
func (r *run) presign(req signing.Request) presigned {
	if req.Bucket == "" {
		req.Bucket = r.Bucket
	}
	if req.Expires == 0 {
		req.Expires = 10 * time.Minute
	}
	p, err := r.presigner.Presign(r.Credentials, req, r.Now())
	if err != nil {
		stop("presigning failed: %v", err)
	}
	return presigned{p, req.Sent()}
}

// use makes the call that a URL allows, with further headers or others: an empty
// value leaves a header out.
func (r *run) use(ctx context.Context, p presigned, body string, change map[string]string) reply {
	request, err := http.NewRequestWithContext(ctx, p.Method, p.URL, strings.NewReader(body))
	if err != nil {
		stop("making a request failed")
	}
	for _, h := range p.header {
		request.Header.Set(h.Name, h.Value)
	}
	for name, value := range change {
		request.Header.Set(name, value)
		if value == "" {
			request.Header.Del(name)
		}
	}
	return r.send(request)
}

// send makes a call that is signed already, in the time and with the answer that a
// call may have. It stops the probe if there is no answer.
func (r *run) send(request *http.Request) reply {
	answer := r.sendBy(r.client, request)
	r.notice(answer, false)
	return answer
}

func (r *run) sendBy(client *http.Client, request *http.Request) reply {
	answer, err := exchange(client, request)
	if err != nil {
		stop("%s: %s", request.Method, reason(err))
	}
	r.versioned = r.versioned || answer.header.Get(versionHeader) != ""
	return answer
}

// exchange makes a call, and finishes it also if its context ends meanwhile: what a
// call that was left alone makes could appear after the cleanup.
func exchange(client *http.Client, request *http.Request) (reply, error) {
	if err := request.Context().Err(); err != nil {
		return reply{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(request.Context()), callTimeout)
	defer cancel()
	response, err := client.Do(request.WithContext(ctx))
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return reply{}, err
	}
	if len(body) > maxAnswer {
		return reply{}, fmt.Errorf("reading an answer: it is longer than %d bytes", maxAnswer)
	}
	answer := reply{status: response.StatusCode, header: response.Header, body: string(body)}
	if !answer.ok() {
		document := answer.body
		if text, err := base64.StdEncoding.DecodeString(response.Header.Get("x-oss-err")); err == nil && len(text) > 0 {
			document = string(text) // of a HEAD
		}
		answer.code, answer.ec = plain(element(document, "Code")), plain(element(document, "EC"))
		if answer.ec == "" {
			answer.ec = plain(response.Header.Get("x-oss-ec"))
		}
	}
	return answer, nil
}

// plain is a code as it may be published: a server may say what it likes. The
// longest code of OSS has 35 characters, a signature 64.
func plain(code string) string {
	if len(code) > 48 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.") != "" {
		return "(odd)"
	}
	return code
}

// element is the text of the first element of this name in a document, or empty.
func element(document, name string) string {
	decoder := xml.NewDecoder(strings.NewReader(document))
	for {
		token, err := decoder.Token()
		if err != nil {
			return ""
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == name {
			var text string
			if err := decoder.DecodeElement(&text, &start); err != nil {
				return ""
			}
			return text
		}
	}
}

// want stops the probe unless a call that prepares it was answered with one of
// these statuses, or with any success if none is given.
func (r *run) want(a reply, statuses ...int) {
	for _, status := range statuses {
		if a.status == status {
			return
		}
	}
	if len(statuses) > 0 || !a.ok() {
		stop("a call that prepares it was answered %v", a)
	}
}

// put stores an object as a preparation.
func (r *run) put(ctx context.Context, key, body string, header map[string]string) reply {
	answer := r.do(ctx, call{method: "PUT", key: key, body: body, header: header})
	r.want(answer)
	return answer
}
