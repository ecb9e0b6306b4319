package signing_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"ossupload/shared/signing"
)

// peer is the official SDK for the same bucket, endpoint and credentials.
func peer(endpoint string, style signing.Style, cred signing.Credentials, additional []string) *oss.Client {
	config := oss.NewConfig().WithRegion("cn-hangzhou").WithEndpoint(endpoint).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(cred.AccessKeyID, cred.AccessKeySecret, cred.SecurityToken)).
		WithUsePathStyle(style == signing.PathStyle).WithUseCName(style == signing.CNAME).
		WithAdditionalHeaders(additional)
	return oss.NewClient(config)
}

// sdkRequest is req as the SDK's own type of it.
func sdkRequest(req signing.Request) any {
	query, header := signing.Map(req.Query), signing.Map(req.Header)
	common := oss.RequestCommon{Headers: header, Parameters: query}
	switch {
	case req.Method == "GET":
		return &oss.GetObjectRequest{Bucket: &req.Bucket, Key: &req.Key, RequestCommon: common}
	case query["uploadId"] != "":
		number, _ := strconv.Atoi(query["partNumber"])
		id := query["uploadId"]
		return &oss.UploadPartRequest{Bucket: &req.Bucket, Key: &req.Key, PartNumber: int32(number), UploadId: &id, RequestCommon: common}
	default:
		return &oss.PutObjectRequest{Bucket: &req.Bucket, Key: &req.Key, RequestCommon: common}
	}
}

// equalsSDK presigns req with the SDK, whose clock is the machine's, and again
// with ours at the time that the SDK's URL shows. It returns the SDK's error if
// the SDK refuses req, and has compared nothing then.
func equalsSDK(t *testing.T, endpoint string, style signing.Style, cred signing.Credentials, req signing.Request) (refused error) {
	t.Helper()
	theirs, now, err := presignedBySDK(t, peer(endpoint, style, cred, req.AdditionalHeaders), req)
	if err != nil {
		return err
	}
	e, err := signing.ParseEndpoint(endpoint, style)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := signing.New("cn-hangzhou", e)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := signer.Presign(cred, req, now)
	if err != nil {
		t.Fatalf("Presign: %v", err)
	}
	if ours.URL != theirs.URL {
		t.Errorf("URL =\n%s\nwant, as the SDK,\n%s\nfor %+v", ours.URL, theirs.URL, req)
	}
	lower := make(map[string]string)
	for _, h := range req.Sent() {
		lower[strings.ToLower(h.Name)] = h.Value
	}
	want := make(map[string]string)
	for name, value := range theirs.SignedHeaders {
		want[strings.ToLower(name)] = value
	}
	if !maps.Equal(lower, want) {
		t.Errorf("headers = %v, want %v", lower, want)
	}
	return nil
}

// presignedBySDK is the SDK's answer and the second in which it signed. The SDK
// takes the clock twice: where a second ends in between, its life comes out a
// second shorter, as short as nothing, and it is asked again.
func presignedBySDK(t *testing.T, client *oss.Client, req signing.Request) (*oss.PresignResult, time.Time, error) {
	t.Helper()
	for range 100 {
		theirs, err := client.Presign(context.Background(), sdkRequest(req), oss.PresignExpires(req.Expires))
		if err != nil {
			return nil, time.Time{}, err
		}
		u, err := url.Parse(theirs.URL)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse("20060102T150405Z", u.Query().Get("x-oss-date"))
		if err != nil {
			t.Fatal(err)
		}
		if u.Query().Get("x-oss-expires") == strconv.FormatInt(int64(req.Expires/time.Second), 10) {
			return theirs, now, nil
		}
	}
	t.Fatalf("the SDK never signed for %v within one second", req.Expires)
	return nil, time.Time{}, nil
}

var endpoints = []struct {
	raw   string
	style signing.Style
}{
	{"oss-cn-hangzhou.aliyuncs.com", signing.VirtualHosted},
	{"https://oss-cn-hangzhou-internal.aliyuncs.com", signing.VirtualHosted},
	{"http://oss-accelerate.aliyuncs.com", signing.VirtualHosted},
	{"cn-hangzhou.oss.aliyuncs.com", signing.VirtualHosted},
	{"oss-cn-hangzhou.aliyuncs.com", signing.PathStyle},
	{"https://cdn.example.com", signing.CNAME},
	{"http://127.0.0.1:8581", signing.VirtualHosted},
	{"http://192.0.2.1", signing.PathStyle},
}

// anything makes text of at most n bytes out of the bytes that signers get
// wrong.
func anything(r *rand.Rand, n int) string {
	pieces := []string{
		"a", "Z", "0", " ", "+", "%", "%20", "%2F", "/", "//", "?", "#", "&", "=", "~", "*", "'", "(", ")", "!", "@", ":", ";", ",", "|", "\\", "\"", "<", "{", "}",
		"夏", "é", "🎬", "\u00a0", ".", "..", "-", "_",
	}
	var b strings.Builder
	for b.Len() < n {
		p := pieces[r.IntN(len(pieces))]
		if b.Len()+len(p) > n {
			break
		}
		b.WriteString(p)
	}
	return b.String()
}

func randomKey(r *rand.Rand) string {
	n := 1 + r.IntN(40)
	if r.IntN(20) == 0 {
		n = 1023
	}
	return "k" + anything(r, n-1)
}

// randomRequest is any request that this project makes, and odder ones.
func randomRequest(r *rand.Rand) signing.Request {
	req := signing.Request{Bucket: "examplebucket", Key: randomKey(r), Expires: time.Duration(1+r.IntN(604800)) * time.Second}
	maybe := func(set map[string]string, name, value string) {
		if r.IntN(2) == 0 {
			set[name] = value
		}
	}
	value := func() string { return "v" + strings.Trim(anything(r, r.IntN(60)), " \u00a0") }
	query, header := map[string]string{}, map[string]string{}
	switch r.IntN(3) {
	case 0:
		req.Method = "GET"
		maybe(query, "versionId", "CAEQ"+value())
		maybe(query, "x-oss-process", "image/resize,w_100/"+value())
		maybe(query, "response-content-disposition", "attachment; filename*=UTF-8''"+value())
	case 1:
		req.Method = "PUT"
		query["partNumber"], query["uploadId"] = strconv.Itoa(1+r.IntN(10000)), "0004B9894A22E5B1888A1E29F823"
	default:
		req.Method = "PUT"
		maybe(query, "callback", value()+"==")
		maybe(query, "callback-var", value()+"=")
		maybe(header, "Content-Type", []string{"image/png", "application/octet-stream", "text/plain;charset=UTF-8", " text/plain "}[r.IntN(4)])
		maybe(header, "Content-MD5", "ICy5YqxZB1uWSwcVLSNLcA==")
		maybe(header, "x-oss-forbid-overwrite", "true")
		maybe(header, "x-oss-storage-class", "IA")
		maybe(header, "x-oss-tagging", "a=b&c="+value())
		maybe(header, "x-oss-callback", value())
		maybe(header, "X-Oss-Meta-Odd", value())
		maybe(header, "x-oss-meta-empty", "")
		maybe(header, "x-oss-meta-blank", "  ")
		maybe(header, "x-oss-meta-spaced", "  a  b ")
	}
	if req.Method == "PUT" && r.IntN(2) == 0 {
		header["content-length"] = strconv.Itoa(r.IntN(1 << 30))
		req.AdditionalHeaders = []string{"Content-Length"}
	}
	if r.IntN(4) == 0 {
		header["Cache-Control"] = value()
		req.AdditionalHeaders = append(req.AdditionalHeaders, "cache-control")
	}
	maybe(query, "+"+anything(r, 4), value())
	maybe(query, string("-.0Z_a~"[r.IntN(7)])+[]string{"", "callback", "x-oss-date", "partNumber", "Z", "_", "~"}[r.IntN(7)], value())
	maybe(query, "x-oss-"+[]string{"ac-subject", "d", "expires0", "process", "signature-", "signature-versio", "z"}[r.IntN(7)], value())
	maybe(query, "z-empty", "")
	req.Query, req.Header = signing.Query(query), signing.Header(header)
	return req
}

func TestPresignEqualsSDK(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range 3000 {
		cred := signing.Credentials{AccessKeyID: "LTAIexample", AccessKeySecret: "sk" + anything(r, 10)}
		if r.IntN(2) == 0 {
			cred = signing.Credentials{AccessKeyID: "STS.example", AccessKeySecret: "sk", SecurityToken: "tok/+=" + anything(r, 20)}
		}
		e := endpoints[r.IntN(len(endpoints))]
		req := randomRequest(r)
		if refused := equalsSDK(t, e.raw, e.style, cred, req); refused != nil || t.Failed() {
			t.Fatalf("case %d of seed %d: the SDK refuses with %v", i, seed, refused)
		}
	}
}

func FuzzPresignEqualsSDK(f *testing.F) {
	f.Add("k.png", "image/png", "bar", "a=b", "tok/+=", uint16(900), uint8(0))
	f.Add("夏 a+b%20🎬.txt", "", "é", "", "", uint16(1), uint8(1))
	f.Add(strings.Repeat("x", 1023), "text/plain", "  x ", "+ ", "t", uint16(65535), uint8(5))
	f.Add("a//b/../c", "application/octet-stream", "", "|", "", uint16(3600), uint8(6))
	f.Fuzz(func(t *testing.T, key, contentType, meta, query, token string, expires uint16, endpoint uint8) {
		cred := signing.Credentials{AccessKeyID: "ak", AccessKeySecret: "sk", SecurityToken: token}
		req := signing.Request{
			Method: "PUT", Bucket: "examplebucket", Key: key, Expires: time.Duration(expires) * time.Second,
			Header: []signing.Param{{"content-length", "5"}, {"content-type", contentType}, {"x-oss-meta-a", meta}},
			Query:  []signing.Param{{"callback", query}}, AdditionalHeaders: []string{"content-length"},
		}
		e := endpoints[int(endpoint)%len(endpoints)]
		parsed, err := signing.ParseEndpoint(e.raw, e.style)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := signing.New("cn-hangzhou", parsed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := signer.Presign(cred, req, time.Now()); err != nil {
			return // refused by us; TestRefuses says why
		}
		if refused := equalsSDK(t, e.raw, e.style, cred, req); refused != nil {
			t.Skipf("the SDK refuses: %v", refused) // of this input alone
		}
	})
}

// The random requests must hold what they are meant to hold.
func TestRandomRequestsAreOdd(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var all []string
	longest := 0
	for range 500 {
		req := randomRequest(r)
		all = append(all, fmt.Sprint(req))
		longest = max(longest, len(req.Key))
	}
	text := strings.Join(all, "\n")
	for _, odd := range []string{"夏", "🎬", "+", "%", "callback", "x-oss-meta-blank", "Content-MD5", "uploadId", "versionId"} {
		if !strings.Contains(text, odd) {
			t.Errorf("500 random requests hold no %q", odd)
		}
	}
	if longest < 1015 {
		t.Errorf("the longest key has %d bytes, want about 1023", longest)
	}
	if !slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, "[Content-Length") }) {
		t.Error("no random request signs its length")
	}
}
