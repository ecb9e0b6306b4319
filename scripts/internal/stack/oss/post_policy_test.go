package oss

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestPostConditions signs one condition more and sends the fields with it.
func TestPostConditions(t *testing.T) {
	f := newFixture(t)
	for _, test := range []struct {
		name      string
		condition string
		fields    map[string]string
		ok        bool
	}{
		{"an object", `{"x-oss-meta-a":"b"}`, map[string]string{"x-oss-meta-a": "b"}, true},
		{"an object, another value", `{"x-oss-meta-a":"b"}`, map[string]string{"x-oss-meta-a": "B"}, false},
		{"an object, no field", `{"x-oss-meta-a":"b"}`, nil, false},
		{"eq", `["eq","$x-oss-meta-a","b"]`, map[string]string{"x-oss-meta-a": "b"}, true},
		{"eq, more", `["eq","$x-oss-meta-a","b"]`, map[string]string{"x-oss-meta-a": "bc"}, false},
		{"eq, letter case of the names", `["eq","$X-OSS-Meta-A","b"]`, map[string]string{"x-Oss-meta-a": "b"}, true},
		{"eq, an empty value", `["eq","$Cache-Control",""]`, map[string]string{"Cache-Control": ""}, true},
		{"eq, an empty value and no field", `["eq","$Cache-Control",""]`, nil, false},
		{"eq, an empty value and another", `["eq","$Cache-Control",""]`, map[string]string{"Cache-Control": "no-store"}, false},
		{"starts-with", `["starts-with","$x-oss-meta-a","b"]`, map[string]string{"x-oss-meta-a": "bc"}, true},
		{"starts-with, another value", `["starts-with","$x-oss-meta-a","b"]`, map[string]string{"x-oss-meta-a": "ab"}, false},
		{"starts-with nothing", `["starts-with","$x-oss-meta-a",""]`, map[string]string{"x-oss-meta-a": "b"}, true},
		{"starts-with nothing and no field", `["starts-with","$x-oss-meta-a",""]`, nil, false},
		{"in", `["in","$x-oss-meta-a",["a","b"]]`, map[string]string{"x-oss-meta-a": "b"}, true},
		{"in, another value", `["in","$x-oss-meta-a",["a","b"]]`, map[string]string{"x-oss-meta-a": "c"}, false},
		{"in, no field", `["in","$x-oss-meta-a",["a",""]]`, nil, false},
		{"not-in", `["not-in","$x-oss-meta-a",["a"]]`, map[string]string{"x-oss-meta-a": "b"}, true},
		{"not-in, a listed value", `["not-in","$x-oss-meta-a",["a"]]`, map[string]string{"x-oss-meta-a": "a"}, false},
		{"not-in, no field", `["not-in","$x-oss-meta-a",["a"]]`, nil, true},
		{"an escaped dollar", `["eq","$x-oss-meta-a","\$b"]`, map[string]string{"x-oss-meta-a": "$b"}, true},
		{"an escaped backslash before a dollar", `["eq","$x-oss-meta-a","\\$b"]`, map[string]string{"x-oss-meta-a": "$b"}, false},
		{"other escapes", `["eq","$x-oss-meta-a","\/\u00e9\"\\"]`, map[string]string{"x-oss-meta-a": `/é"\`}, true},
		{"the key before it is filled in", `["eq","$key","k/${filename}"]`, map[string]string{"key": "k/${filename}"}, true},
		{"the key after it is filled in", `["eq","$key","k/a.txt"]`, map[string]string{"key": "k/${filename}"}, false},
		{"two conditions for one field", `{"x-oss-meta-a":"b"},["eq","$x-oss-meta-a","c"]`, map[string]string{"x-oss-meta-a": "b"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			form := f.newForm(permanent, "k")
			for name, value := range test.fields {
				form.fields[name] = value
			}
			form.sign(policyWith(t, form, test.condition))
			got := f.post(form)
			if test.ok {
				f.wantStatus(got, 204)
				return
			}
			f.wantError(got, 403, codeAccessDenied, "")
			if !strings.HasPrefix(got.Message, "Invalid according to Policy: Policy Condition failed: ") {
				t.Errorf("message = %q", got.Message)
			}
		})
	}
	form := f.newForm(permanent, "k")
	form.sign(policyWith(t, form, `["starts-with", "$key",  "user/eric/"]`))
	if got, want := f.post(form).Message, `Invalid according to Policy: Policy Condition failed: ["starts-with","$key","user/eric/"]`; got != want {
		t.Errorf("message = %q, want %q", got, want)
	}
	form.expiration = time.Now().UTC().Add(-time.Second).Format(xmlTimeLayout)
	form.sign(nil)
	if got, want := f.post(form).Message, "Invalid according to Policy: Policy expired."; got != want {
		t.Errorf("message = %q, want %q", got, want)
	}
}

// policyWith is the policy text of a form with conditions more.
func policyWith(t *testing.T, form *testForm, conditions string) string {
	t.Helper()
	required, err := json.Marshal(form.conditions)
	if err != nil {
		t.Fatal(err)
	}
	return `{"expiration":"` + form.expiration + `","conditions":` + strings.TrimSuffix(string(required), "]") + "," + conditions + "]}"
}

func TestPostPolicyDocuments(t *testing.T) {
	f := newFixture(t)
	with := func(conditions string) func(*testForm) string {
		return func(form *testForm) string { return policyWith(t, form, conditions) }
	}
	plain := func(text string) func(*testForm) string { return func(*testForm) string { return text } }
	for _, test := range []struct {
		name   string
		policy func(*testForm) string
		ec     string
	}{
		{"no JSON", plain("{"), ""},
		{"null", plain("null"), ""},
		{"more after the JSON", func(form *testForm) string { return policyWith(t, form, `{"key":"k"}`) + "{}" }, ""},
		{"no expiration", plain(`{"conditions":[{"key":"k"}]}`), "0006-00000208"},
		{"a number as expiration", plain(`{"expiration":1893456000,"conditions":[{"key":"k"}]}`), ""},
		{"an expiration outside of GMT", plain(`{"expiration":"2030-01-01T00:00:00+08:00","conditions":[{"key":"k"}]}`), ""},
		{"no conditions", plain(`{"expiration":"2030-01-01T00:00:00.000Z"}`), ""},
		{"empty conditions", plain(`{"expiration":"2030-01-01T00:00:00.000Z","conditions":[]}`), ""},
		{"none of the required conditions", plain(`{"expiration":"2030-01-01T00:00:00.000Z","conditions":[{"key":"k"}]}`), ""},
		{"a required condition that is not exact", func(form *testForm) string {
			form.conditions[2] = []any{"starts-with", "$x-oss-date", ""}
			return policyWith(t, form, `{"key":"k"}`)
		}, ""},
		{"a number as condition", with(`123`), "0006-00000222"},
		{"an empty object", with(`{}`), ""},
		{"an object with two members", with(`{"key":"k","bucket":"bucket"}`), ""},
		{"a list of two", with(`["eq","$key"]`), ""},
		{"an unknown operator", with(`["ends-with","$key","k"]`), ""},
		{"a field without dollar", with(`["eq","key","k"]`), "0006-00000224"},
		{"a number as value", with(`["eq","$key",1]`), "0006-00000224"},
		{"null as value", with(`{"key":null}`), "0006-00000224"},
		{"a string as list", with(`["not-in","$cache-control","no-cache"]`), "0006-00000224"},
		{"a string as size", with(`["content-length-range","0",10]`), "0006-00000220"},
		{"a negative size", with(`["content-length-range",-1,10]`), "0006-00000220"},
		{"sizes the wrong way round", with(`["content-length-range",10,1]`), "0006-00000220"},
	} {
		t.Run(test.name, func(t *testing.T) {
			form := f.newForm(permanent, "k")
			form.sign(test.policy(form))
			got := f.post(form)
			f.wantError(got, 400, codeInvalidPolicyDocument, test.ec)
			if !strings.HasPrefix(got.Message, "Invalid Policy: ") {
				t.Errorf("message = %q", got.Message)
			}
		})
	}
	form := f.newForm(permanent, "k")
	form.fields["policy"] = "{}"
	form.resign()
	f.wantError(f.post(form), 400, codeInvalidPolicyDocument, "")
	if _, ok := f.stored("k"); ok {
		t.Error("a refused form stored an object")
	}
}

// FuzzPolicy parses whatever was signed: a policy that parses has what every
// check of it relies on.
func FuzzPolicy(f *testing.F) {
	f.Add(`{"expiration":"2030-01-01T00:00:00.000Z","conditions":[["eq","$key","\$"],{"a":"b"},["content-length-range",1,10],["in","$a",["b"]]]}`)
	f.Add(`{"expiration":"2030-01-01T00:00:00.000Z","conditions":[ 1,null,"",[],{}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		policy, err := parsePolicy(base64.StdEncoding.EncodeToString([]byte(text)))
		if err != nil {
			return
		}
		if policy.minSize < 0 || policy.expiration.IsZero() && !strings.Contains(text, "0001-01-01") {
			t.Errorf("policy = %+v", policy)
		}
		for _, c := range policy.conditions {
			c.holds("", true)
			c.holds("", false)
		}
	})
}
