package oss

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

func TestPreflight(t *testing.T) {
	strict := func(c *Config) {
		c.CORS = []CORSRule{
			{AllowedOrigins: []string{"https://app.example"}, AllowedMethods: []string{"PUT"}, AllowedHeaders: []string{"x-oss-*", "content-type"}, ExposeHeaders: []string{"ETag"}, MaxAge: 10 * time.Minute},
			{AllowedOrigins: []string{"https://*.example"}, AllowedMethods: []string{"GET"}},
		}
	}
	standard := func(*Config) {}
	for _, test := range []struct {
		name                    string
		config                  func(*Config)
		origin, method, headers string
		status                  int
		allowOrigin             string
	}{
		{"any origin by default", standard, "http://localhost:3000", "PUT", "content-type, x-oss-meta-grant", 200, "*"},
		{"an unlisted method by default", standard, "http://localhost:3000", "PATCH", "", 403, ""},
		{"no origin", standard, "", "PUT", "", 403, ""},
		{"a listed origin", strict, "https://app.example", "PUT", "Content-Type,X-Oss-Meta-A", 200, "https://app.example"},
		{"an unlisted header", strict, "https://app.example", "PUT", "authorization", 403, ""},
		{"another origin", strict, "https://other.example", "PUT", "", 403, ""},
		{"the second rule", strict, "https://other.example", "GET", "", 200, "https://other.example"},
		{"another scheme", strict, "http://app.example", "PUT", "", 403, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, test.config)
			header := map[string]string{"Access-Control-Request-Method": test.method}
			if test.origin != "" {
				header["Origin"] = test.origin
			}
			if test.headers != "" {
				header["Access-Control-Request-Headers"] = test.headers
			}
			got := f.send("OPTIONS", f.web.URL+"/bucket/key", header, "")
			f.wantStatus(got, test.status)
			if got.header.Get("Access-Control-Allow-Origin") != test.allowOrigin {
				t.Errorf("Access-Control-Allow-Origin = %q, want %q", got.header.Get("Access-Control-Allow-Origin"), test.allowOrigin)
			}
			if test.status == 403 {
				f.wantError(got, 403, codeAccessForbidden, "")
				return
			}
			if got.header.Get("Access-Control-Allow-Headers") != test.headers {
				t.Errorf("Access-Control-Allow-Headers = %q, want %q", got.header.Get("Access-Control-Allow-Headers"), test.headers)
			}
		})
	}
}

func TestCORSOnAnswers(t *testing.T) {
	f := newFixture(t)
	got := f.send("GET", f.web.URL+"/bucket/key", map[string]string{"Origin": "http://localhost:3000"}, "")
	f.wantError(got, 403, codeAccessDenied, "0003-00001201")
	if got.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(got.header.Get("Access-Control-Expose-Headers"), "ETag") {
		t.Errorf("a refusal has no CORS headers: %v", got.header)
	}
	if got := f.send("GET", f.web.URL+"/bucket/key", nil, ""); got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("an answer without Origin has CORS headers")
	}
}

func TestGetBucketCORS(t *testing.T) {
	get := func(rules []CORSRule) (*oss.GetBucketCorsResult, error) {
		f := newFixture(t, func(c *Config) { c.CORS = rules })
		return f.client(permanent).GetBucketCors(t.Context(), &oss.GetBucketCorsRequest{Bucket: oss.Ptr(testBucket)})
	}
	result := must[*oss.GetBucketCorsResult](t)(get([]CORSRule{
		{AllowedOrigins: []string{"https://app.example", "https://*.example"}, AllowedMethods: []string{"PUT", "GET"}, AllowedHeaders: []string{"x-oss-*"}, ExposeHeaders: []string{"ETag"}, MaxAge: 10 * time.Minute},
		{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"GET"}},
	}))
	rules := result.CORSConfiguration.CORSRules
	if len(rules) != 2 {
		t.Fatalf("%d rules, want 2", len(rules))
	}
	first := rules[0]
	got := fmt.Sprint(first.AllowedOrigins, first.AllowedMethods, first.AllowedHeaders, first.ExposeHeaders, *first.MaxAgeSeconds, rules[1].MaxAgeSeconds)
	if want := "[https://app.example https://*.example] [PUT GET] [x-oss-*] [ETag] 600 <nil>"; got != want {
		t.Errorf("rules = %s, want %s", got, want)
	}
	_, err := get([]CORSRule{})
	wantServiceError(t, err, 404, codeNoSuchCORSConfiguration, "")
}

// A bucket that was told its own rules has these alone, if only none.
func TestPutBucketCORS(t *testing.T) {
	f := newFixture(t)
	client, bucket := f.client(permanent), oss.Ptr(testBucket)
	rule := func() oss.CORSRule {
		return oss.CORSRule{AllowedOrigins: []string{"https://app.example"}, AllowedMethods: []string{"PUT"}, ExposeHeaders: []string{"ETag"}, MaxAgeSeconds: oss.Ptr(int64(60))}
	}
	put := func(vary *bool, rules ...oss.CORSRule) error {
		_, err := client.PutBucketCors(t.Context(), &oss.PutBucketCorsRequest{Bucket: bucket, CORSConfiguration: &oss.CORSConfiguration{CORSRules: rules, ResponseVary: vary}})
		return err
	}
	for name, change := range map[string]func(*oss.CORSRule){
		"no origin":          func(r *oss.CORSRule) { r.AllowedOrigins = nil },
		"no method":          func(r *oss.CORSRule) { r.AllowedMethods = nil },
		"another method":     func(r *oss.CORSRule) { r.AllowedMethods = []string{"PATCH"} },
		"two stars":          func(r *oss.CORSRule) { r.AllowedOrigins = []string{"https://*.*"} },
		"exposed stars":      func(r *oss.CORSRule) { r.ExposeHeaders = []string{"x-oss-*"} },
		"an age of the past": func(r *oss.CORSRule) { r.MaxAgeSeconds = oss.Ptr(int64(-1)) },
	} {
		bad := rule()
		change(&bad)
		t.Run(name, func(t *testing.T) { wantServiceError(t, put(nil, bad), 400, codeMalformedXML, "") })
	}
	wantServiceError(t, put(nil), 400, codeMalformedXML, "")
	if err := put(oss.Ptr(true), rule()); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	preflight := func(origin string) reply {
		return f.send("OPTIONS", f.web.URL+"/bucket/key", map[string]string{"Origin": origin, "Access-Control-Request-Method": "PUT"}, "")
	}
	if got := preflight("https://app.example"); got.status != 200 || got.header.Get("Access-Control-Max-Age") != "60" {
		t.Errorf("the origin of the rule is answered %d, %v", got.status, got.header)
	}
	f.wantError(preflight("https://other.example"), 403, codeAccessForbidden, "")
	absent := f.send("OPTIONS", f.web.URL+"/absent/key", map[string]string{"Origin": "https://app.example", "Access-Control-Request-Method": "PUT"}, "")
	f.wantError(absent, 404, codeNoSuchBucket, "0015-00000101")
	if got := f.send("GET", f.web.URL+"/bucket/key", nil, ""); got.header.Get("Vary") != "Origin" {
		t.Errorf("Vary = %q, want what ResponseVary says", got.header.Get("Vary"))
	}
	must[*oss.DeleteBucketCorsResult](t)(client.DeleteBucketCors(t.Context(), &oss.DeleteBucketCorsRequest{Bucket: bucket}))
	_, err := client.GetBucketCors(t.Context(), &oss.GetBucketCorsRequest{Bucket: bucket})
	wantServiceError(t, err, 404, codeNoSuchCORSConfiguration, "")
	f.wantError(preflight("https://app.example"), 403, codeAccessForbidden, "")
}
