package oss

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// position is what goes over the wire where a fact is unknown.
type position struct {
	fact string
	show func(*fixture) string
	want map[string]string // by value of the fact
}

var positions = slices.Concat(signPositions)

// Whatever an unknown fact is taken to be shows, and no two values show the same.
func TestPositions(t *testing.T) {
	for _, p := range positions {
		shown := map[string]string{}
		for value, want := range p.want {
			t.Run(p.fact+"="+value, func(t *testing.T) {
				got := p.show(newFixture(t, assume(t, p.fact+"="+value)))
				if got != want {
					t.Errorf("%s, want %s", got, want)
				}
				if other, ok := shown[got]; ok {
					t.Errorf("%s, as with %s", got, other)
				}
				shown[got] = value
			})
		}
	}
}

// said is what an answer comes to: "403 AccessDenied 0002-00000235".
func said(r reply) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", r.status, r.Code, r.EC))
}

var signPositions = []position{
	{"sign.payload-hash", func(f *fixture) string {
		return said(f.sendSigned("PUT", "/bucket/k", map[string]string{"x-oss-content-sha256": strings.Repeat("0", 64)}))
	}, map[string]string{"refused": "400 InvalidArgument", "ignored": "200"}},
	{"sign.unsorted-headers", func(f *fixture) string {
		signed := f.presignedPut("k", "b", "a")
		unsorted := strings.Replace(signed.URL, "x-oss-additional-headers=a%3Bb", "x-oss-additional-headers=b%3Ba", 1)
		if unsorted == signed.URL {
			f.t.Fatalf("%s has no additional headers", signed.URL)
		}
		// The list is signed as it stands in the URL.
		return said(f.sendSigned("PUT", unsorted[len(f.web.URL):], map[string]string{"a": "1", "b": "1"}))
	}, map[string]string{"taken": "200", "refused": "400 InvalidArgument 0002-00000209"}},
	{"sign.instant-of-expiry", func(f *fixture) string {
		signed := f.presignedPut("k")
		end := signed.Expiration.Truncate(time.Second)
		var answers []string
		for _, offset := range []time.Duration{-1, 0, time.Second - 1, time.Second} {
			f.setNow(end.Add(offset))
			answers = append(answers, said(f.send(signed.Method, signed.URL, nil, "")))
		}
		return strings.Join(answers, ", ")
	}, map[string]string{
		"refused": "200, 403 AccessDenied 0002-00000236, 403 AccessDenied 0002-00000236, 403 AccessDenied 0002-00000236",
		"taken":   "200, 200, 200, 403 AccessDenied 0002-00000236",
	}},
	{"sign.too-early", func(f *fixture) string {
		signed := f.presignedPut("k")
		f.setNow(time.Now().Add(-time.Hour))
		return said(f.send(signed.Method, signed.URL, nil, ""))
	}, map[string]string{"403": "403 AccessDenied 0002-00000235", "400": "400 InvalidArgument 0002-00000235"}},
	{"sign.foreign-token", func(f *fixture) string {
		foreign := permanent
		foreign.SecurityToken = temporary.SecurityToken
		signed := f.presign(foreign, &oss.PutObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k")})
		return said(f.send(signed.Method, signed.URL, nil, ""))
	}, map[string]string{"told apart": "403 AccessKeyIdAndSecurityTokenNotMatch", "InvalidSecurityToken": "403 InvalidSecurityToken"}},
}

func (f *fixture) presignedPut(key string, additional ...string) *oss.PresignResult {
	f.t.Helper()
	header := map[string]string{}
	for _, name := range additional {
		header[name] = "1"
	}
	return f.presign(permanent, &oss.PutObjectRequest{
		Bucket: oss.Ptr(testBucket), Key: oss.Ptr(key), RequestCommon: oss.RequestCommon{Headers: header},
	}, func(c *oss.Config) { c.WithAdditionalHeaders(additional) })
}

// sendSigned signs what the official signers would not make, with the stand-in's
// own idea of what is signed: in the URL if that has a signature, which is replaced,
// or else in a header.
func (f *fixture) sendSigned(method, target string, header map[string]string) reply {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), method, f.web.URL+target, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	now := time.Now().UTC()
	inURL := request.URL.Query().Get("x-oss-signature")
	authorization := fmt.Sprintf("%s Credential=%s/%s/%s/%s/%s,Signature=",
		algorithm, permanent.AccessKeyID, now.Format("20060102"), testRegion, product, scopeTerminator)
	if inURL == "" {
		request.Header.Set("x-oss-date", now.Format(timeLayout))
		request.Header.Set("Authorization", authorization+"none")
	}
	request.RequestURI = target
	query, err := readParams(request.URL.RawQuery)
	if err != nil {
		f.t.Fatal(err)
	}
	at, err := readTarget(request, "")
	if err != nil {
		f.t.Fatal(err)
	}
	p, fault := readPresented(request, at, query, f.s.cfg.Assume)
	if fault != nil {
		// The server says so as well.
		p = &presented{signature: "none"}
	}
	request.RequestURI = ""
	signature := p.expectedSignature(permanent.AccessKeySecret)
	if inURL == "" {
		request.Header.Set("Authorization", authorization+signature)
		return f.do(request)
	}
	request.URL.RawQuery = strings.Replace(request.URL.RawQuery, url.QueryEscape(inURL), signature, 1)
	return f.do(request)
}
