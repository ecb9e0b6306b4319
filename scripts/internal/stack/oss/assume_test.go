package oss

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/facts"
)

// position is what goes over the wire where a fact is unknown.
type position struct {
	fact string
	show func(*fixture) string
	want map[string]string // by value of the fact
}

var positions = slices.Concat(signPositions, accessPositions, multipartPositions, copyPositions, deletePositions, versionPositions, formPositions, callbackPositions)

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

// elsewhere reports whether a fact is one that OSS has no part in: the stand-ins
// of Function Compute and STS take its values.
func elsewhere(id string) bool {
	area, _, _ := strings.Cut(id, ".")
	return slices.Contains([]string{"fc", "gateway", "sts", "credentials"}, area) || id == "trigger.cloudevent"
}

// Every value of every unknown fact is a position, the first without a word.
func TestPositionsAreAll(t *testing.T) {
	shown := map[string]position{}
	for _, p := range positions {
		if _, twice := shown[p.fact]; twice {
			t.Errorf("%s is shown twice", p.fact)
		}
		shown[p.fact] = p
	}
	for _, f := range facts.All() {
		if f.Status != facts.Unknown || elsewhere(f.ID) {
			continue
		}
		p, ok := shown[f.ID]
		delete(shown, f.ID)
		if values := slices.Sorted(maps.Keys(p.want)); !slices.Equal(values, slices.Sorted(slices.Values(f.Values))) {
			t.Errorf("%s is shown as %q, and may be %q", f.ID, values, f.Values)
		}
		if !ok {
			continue
		}
		if got := p.show(newFixture(t)); got != p.want[f.Values[0]] {
			t.Errorf("%s: %s, want %s if nothing is assumed", f.ID, got, p.want[f.Values[0]])
		}
	}
	for id := range shown {
		t.Errorf("%q is shown and is no unknown fact", id)
	}
}

// Every other answer is that of another value than the first.
func TestOtherRefusals(t *testing.T) {
	for _, other := range otherRefusals {
		if (facts.Assumptions{}).Is(other.fact, other.value) {
			t.Errorf("%s=%s is what holds if nothing is assumed", other.fact, other.value)
		}
	}
}

// said is what an answer comes to: "403 AccessDenied 0002-00000235".
func said(r reply) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", r.status, r.Code, r.EC))
}

// failed is the same of what the official SDK returns.
func failed(err error) string {
	var e *oss.ServiceError
	switch {
	case err == nil:
		return "done"
	case errors.As(err, &e):
		return strings.TrimSpace(fmt.Sprintf("%d %s %s", e.StatusCode, e.Code, e.EC))
	}
	return err.Error()
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

var accessPositions = []position{
	{"access.policy-before-bucket", func(f *fixture) string {
		f.setAccount(allowing())
		client, absent := f.client(temporary), oss.Ptr("absent")
		_, put := client.PutObject(f.t.Context(), &oss.PutObjectRequest{Bucket: absent, Key: oss.Ptr("k")})
		f.setAccount(allowing("oss:PutObject"))
		_, copied := client.CopyObject(f.t.Context(), &oss.CopyObjectRequest{
			Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), SourceBucket: absent, SourceKey: oss.Ptr("k"),
		})
		f.setAccount(allowing())
		form := f.newForm(temporary, "k")
		form.url = f.web.URL + "/absent/"
		form.sign(nil)
		_, made := client.PutBucket(f.t.Context(), &oss.PutBucketRequest{Bucket: absent})
		return failed(put) + ", " + failed(copied) + ", " + said(f.post(form)) + ", " + failed(made)
	}, map[string]string{
		"policy": strings.Repeat("403 AccessDenied 0003-00000801, ", 3) + "403 AccessDenied 0003-00000801",
		"bucket": strings.Repeat("404 NoSuchBucket 0015-00000101, ", 3) + "403 AccessDenied 0003-00000801",
	}},
	{"access.acl-action", func(f *fixture) string {
		f.setAccount(allowing("oss:PutObject"))
		_, put := f.client(temporary).PutObject(f.t.Context(), &oss.PutObjectRequest{
			Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), Acl: oss.ObjectACLPublicRead,
		})
		form := f.newForm(temporary, "k")
		form.fields["x-oss-object-acl"] = "public-read"
		form.sign(nil)
		return failed(put) + ", " + said(f.post(form))
	}, map[string]string{"needed": "403 AccessDenied 0003-00000801, 403 AccessDenied 0003-00000801", "not needed": "done, 204"}},
	{"access.head-without-list", func(f *fixture) string {
		f.setAccount(allowing("oss:GetObject"))
		client := f.client(temporary)
		_, head := client.HeadObject(f.t.Context(), &oss.HeadObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("absent")})
		_, meta := client.GetObjectMeta(f.t.Context(), &oss.GetObjectMetaRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("absent")})
		f.setAccount(allowing("oss:GetObject", "oss:ListObjects"))
		_, lister := client.HeadObject(f.t.Context(), &oss.HeadObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("absent")})
		return failed(head) + ", " + failed(meta) + ", " + failed(lister)
	}, map[string]string{
		"404": "404 NoSuchKey 0026-00000001, 404 NoSuchKey 0026-00000001, 404 NoSuchKey 0026-00000001",
		"403": "403 AccessDenied 0003-00000801, 403 AccessDenied 0003-00000801, 404 NoSuchKey 0026-00000001",
	}},
	{"meta.names", func(f *fixture) string {
		_, err := f.client(permanent).PutObject(f.t.Context(), &oss.PutObjectRequest{
			Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), Metadata: map[string]string{"a.b_c": "value"},
		})
		if err != nil {
			return failed(err)
		}
		return f.head("k").Metadata["a.b_c"]
	}, map[string]string{"refused": "400 InvalidArgument", "taken": "value"}},
	{"meta.too-large", func(f *fixture) string {
		_, err := f.client(permanent).PutObject(f.t.Context(), &oss.PutObjectRequest{
			Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), Metadata: map[string]string{"a": strings.Repeat("x", maxMetadata)},
		})
		return failed(err)
	}, map[string]string{"InvalidArgument": "400 InvalidArgument", "MetadataTooLarge": "400 MetadataTooLarge"}},
}

// allowing is the temporary account with a policy that allows these actions.
func allowing(actions ...string) Account {
	a := temporary
	a.Allows = func(action, _ string, _ map[string]string) bool { return slices.Contains(actions, action) }
	return a
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
