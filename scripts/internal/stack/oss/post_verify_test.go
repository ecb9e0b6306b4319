package oss

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// postVector is a form of post_v4.json, which shared/signing keeps. Its signature was computed by
// two implementations that are not this one; the published samples have an
// unpublished secret.
type postVector struct {
	ID              string
	AccessKeySecret string `json:"access_key_secret"`
	Region          string
	Policy          string
	PolicyBase64    string `json:"policy_base64"`
	Signature       string
	FormFields      map[string]string `json:"form_fields"`
}

func readPostVectors(t testing.TB) []postVector {
	t.Helper()
	data, err := os.ReadFile("../../../../shared/signing/testdata/post_v4.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []postVector }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) == 0 {
		t.Fatal("post_v4.json holds no vectors")
	}
	return file.Vectors
}

// fixture is a stand-in at place and time of the vector, with the form.
func (v postVector) fixture(t *testing.T) (*fixture, *testForm) {
	f := newFixture(t, func(c *Config) { c.Region = v.Region })
	if err := f.s.CreateBucket("examplebucket"); err != nil {
		t.Fatal(err)
	}
	now, err := time.Parse(timeLayout, v.FormFields["x-oss-date"])
	if err != nil {
		t.Fatal(err)
	}
	f.setNow(now)
	id, _, _ := strings.Cut(v.FormFields["x-oss-credential"], "/")
	f.setAccount(Account{AccessKeyID: id, AccessKeySecret: v.AccessKeySecret, SecurityToken: v.FormFields["x-oss-security-token"]})
	form := &testForm{fields: map[string]string{}, filename: "a.png", file: "hello", url: f.web.URL + "/examplebucket/"}
	for name, value := range v.FormFields {
		form.fields[name] = value
	}
	return f, form
}

func TestPostVectors(t *testing.T) {
	for _, v := range readPostVectors(t) {
		t.Run(v.ID, func(t *testing.T) {
			if text, err := base64.StdEncoding.DecodeString(v.PolicyBase64); err != nil || string(text) != v.Policy {
				t.Fatalf("the policy is not the base64 of the policy: %v", err)
			}
			p := &presented{}
			if !p.setCredential(v.FormFields["x-oss-credential"]) {
				t.Fatal("the credential does not parse")
			}
			p.signature = v.Signature
			if fault := p.verifyPolicy(v.PolicyBase64, v.AccessKeySecret); fault != nil {
				t.Fatal(fault)
			}
			f, form := v.fixture(t)
			want := 204
			if v.FormFields["success_action_status"] == "201" {
				want = 201
			}
			f.wantStatus(f.post(form), want)
		})
	}
}

// TestPostVectorsChanged changes one thing in a vector that verifies.
func TestPostVectorsChanged(t *testing.T) {
	set := func(name, value string) func(*fixture, *testForm) {
		return func(_ *fixture, form *testForm) { form.fields[name] = value }
	}
	drop := func(name string) func(*fixture, *testForm) {
		return func(_ *fixture, form *testForm) { delete(form.fields, name) }
	}
	replace := func(name, old, new string) func(*fixture, *testForm) {
		return func(_ *fixture, form *testForm) {
			form.fields[name] = strings.Replace(form.fields[name], old, new, 1)
		}
	}
	at := func(value string) func(*fixture, *testForm) {
		return func(f *fixture, _ *testForm) {
			now, err := time.Parse(timeLayout, value)
			if err != nil {
				panic(err)
			}
			f.setNow(now)
		}
	}
	for _, test := range []struct {
		name   string
		change func(*fixture, *testForm)
		status int // 201: the form is still good
		code   code
		ec     string
	}{
		{"nothing", func(*fixture, *testForm) {}, 201, "", ""},
		{"one digit of the signature", replace("x-oss-signature", "4", "5"), 403, codeSignatureDoesNotMatch, ""},
		{"the signature in upper case", func(_ *fixture, form *testForm) {
			form.fields["x-oss-signature"] = strings.ToUpper(form.fields["x-oss-signature"])
		}, 403, codeSignatureDoesNotMatch, ""},
		{"one letter of the policy", replace("policy", "eyJleH", "eyJleX"), 403, codeSignatureDoesNotMatch, ""},
		{"the policy without its padding", replace("policy", "==", ""), 403, codeSignatureDoesNotMatch, ""},
		{"a line break after the policy", replace("policy", "==", "==\r\n"), 403, codeSignatureDoesNotMatch, ""},
		{"no signature", drop("x-oss-signature"), 400, codeInvalidArgument, ""},
		{"no policy", drop("policy"), 400, codeInvalidArgument, "0002-00000702"},
		{"no version", drop("x-oss-signature-version"), 400, codeInvalidArgument, ""},
		{"another version", set("x-oss-signature-version", "OSS2"), 400, codeInvalidArgument, ""},
		{"no date", drop("x-oss-date"), 400, codeInvalidArgument, ""},
		{"another second", set("x-oss-date", "20231203T121213Z"), 403, codeAccessDenied, ""},
		{"another day", set("x-oss-date", "20231204T121212Z"), 400, codeInvalidArgument, "0002-00000709"},
		{"no credential", drop("x-oss-credential"), 400, codeInvalidArgument, ""},
		{"another access key", replace("x-oss-credential", "AKID", "AKIE"), 403, codeInvalidAccessKeyID, "0002-00000902"},
		{"another region", replace("x-oss-credential", "hangzhou", "shanghai"), 400, codeInvalidArgument, "0002-00000715"},
		{"another product", replace("x-oss-credential", "/oss/", "/oss-cloudbox/"), 400, codeInvalidArgument, "0002-00000710"},
		{"another end of the credential", replace("x-oss-credential", "aliyun_v4", "aws4"), 400, codeInvalidArgument, "0002-00000710"},
		{"a token that the key has not", set("x-oss-security-token", "t"), 403, codeTokenDoesNotMatchAccess, ""},
		{"signature version 1", set("OSSAccessKeyId", "AKIDEXAMPLE"), 501, codeNotImplemented, ""},
		{"no signature at all", func(_ *fixture, form *testForm) { form.fields = map[string]string{"key": "user/eric/a.png"} }, 403, codeAccessDenied, "0003-00001201"},
		{"15 minutes before its date", at("20231203T115712Z"), 201, "", ""},
		{"15 minutes and a second before its date", at("20231203T115711Z"), 403, codeAccessDenied, ""},
		{"one second before the policy ends", at("20231203T125959Z"), 201, "", ""},
		{"when the policy ends", at("20231203T130000Z"), 403, codeAccessDenied, ""},
		{"another bucket", func(f *fixture, form *testForm) { form.url = f.web.URL + "/bucket/" }, 403, codeAccessDenied, ""},
		{"a field that claims the bucket", func(f *fixture, form *testForm) {
			form.url, form.fields["bucket"] = f.web.URL+"/bucket/", "examplebucket"
		}, 403, codeAccessDenied, ""},
		{"a key outside of the prefix", set("key", "user/erik/a.png"), 403, codeAccessDenied, ""},
		{"another status", set("success_action_status", "200"), 403, codeAccessDenied, ""},
		{"no status", drop("success_action_status"), 403, codeAccessDenied, ""},
		{"a type that is not in the list", set("Content-Type", "image/gif"), 403, codeAccessDenied, ""},
		{"another type of the list", set("Content-Type", "image/jpg"), 201, "", ""},
		{"no type", drop("Content-Type"), 403, codeAccessDenied, ""},
		{"the cache control of the list", set("Cache-Control", "no-cache"), 403, codeAccessDenied, ""},
		{"another cache control", set("Cache-Control", "no-store"), 201, "", ""},
		{"an empty file", func(_ *fixture, form *testForm) { form.file = "" }, 400, codeEntityTooSmall, ""},
		{"eleven bytes", func(_ *fixture, form *testForm) { form.file = "hello world" }, 400, codeEntityTooLarge, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, form := readPostVectors(t)[0].fixture(t)
			test.change(f, form)
			got := f.post(form)
			if test.code == "" {
				f.wantStatus(got, test.status)
				return
			}
			f.wantError(got, test.status, test.code, test.ec)
			for _, bucket := range []string{testBucket, "examplebucket"} {
				if list := f.s.store.list(bucket, ""); len(list) != 0 {
					t.Errorf("a refused form stored %q", list[0].Key)
				}
			}
		})
	}
}

func TestPostToken(t *testing.T) {
	f := newFixture(t)
	for _, test := range []struct {
		name   string
		before func(*testForm)
		after  func(*testForm)
		status int
		code   code
		ec     string
	}{
		{"the token left out", nil, func(form *testForm) { delete(form.fields, "x-oss-security-token") }, 403, codeInvalidAccessKeyID, "0002-00000902"},
		{"another token", nil, func(form *testForm) { form.fields["x-oss-security-token"] = "other" }, 403, codeInvalidSecurityToken, ""},
		{"no condition for the token", func(form *testForm) { form.conditions = form.conditions[:3] }, nil, 400, codeInvalidPolicyDocument, ""},
		{"a wrong condition for the token", func(form *testForm) { form.conditions[3] = []any{"eq", "$x-oss-security-token", "other"} }, nil, 403, codeAccessDenied, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			form := f.newForm(temporary, "k")
			if test.before != nil {
				test.before(form)
			}
			form.sign(nil)
			if test.after != nil {
				test.after(form)
			}
			f.wantError(f.post(form), test.status, test.code, test.ec)
		})
	}
	expired := temporary
	expired.Expires = time.Now().Add(-time.Second)
	f.setAccount(expired)
	form := f.newForm(expired, "k")
	form.sign(nil)
	f.wantError(f.post(form), 403, codeSecurityTokenExpired, "")
}

func TestPostSevenDays(t *testing.T) {
	f := newFixture(t)
	signed := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	f.setNow(signed)
	form := f.newForm(permanent, "k")
	form.expiration = "2030-01-01T00:00:00.000Z"
	form.sign(nil)
	f.setNow(signed.Add(7*24*time.Hour - time.Second))
	f.wantStatus(f.post(form), 204)
	f.setNow(signed.Add(7 * 24 * time.Hour))
	f.wantError(f.post(form), 403, codeAccessDenied, "")
}
