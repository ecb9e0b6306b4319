package signing_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/shared/signing"
)

// testdata/post_v4.json: no published form has a known secret, so these were
// computed with two other programs, from policies of the OSS document.
func TestPolicyVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/post_v4.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []struct {
			ID        string `json:"id"`
			Secret    string `json:"access_key_secret"`
			Region    string `json:"region"`
			Date      string `json:"date"`
			Policy    string `json:"policy_base64"`
			Signature string `json:"signature"`
		} `json:"vectors"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) < 3 {
		t.Fatalf("%d vectors, want 3", len(file.Vectors))
	}
	for _, v := range file.Vectors {
		if got := signing.SignPolicy(v.Secret, v.Date, v.Region, v.Policy); got != v.Signature {
			t.Errorf("%s: signature = %s, want %s", v.ID, got, v.Signature)
		}
	}
}

func form() signing.Form {
	return signing.Form{
		Bucket: "examplebucket", Key: "a/b.png", MinSize: 1, MaxSize: 10, Expires: 15 * time.Minute,
		NotIn:  []signing.NotIn{{Name: "x-oss-server-side-encryption", Values: []string{"KMS"}}},
		Fields: signing.Header(map[string]string{"Content-Type": "image/png", "Cache-Control": "", "Expires": "", "x-oss-meta-price": "5%24", "x:u": "v1.k.t"}),
	}
}

func setField(f *signing.Form, name, value string) { f.Fields = setFolded(f.Fields, name, value) }

func TestPresignForm(t *testing.T) {
	got, err := newSigner(t).PresignForm(cred, form(), now)
	if err != nil {
		t.Fatal(err)
	}
	if want := "https://examplebucket.oss-cn-hangzhou.aliyuncs.com/"; got.URL != want {
		t.Errorf("URL = %s, want %s", got.URL, want)
	}
	fields := signing.Map(got.Fields)
	policy, err := base64.StdEncoding.DecodeString(fields["policy"])
	if err != nil {
		t.Fatal(err)
	}
	var decoded struct {
		Expiration string `json:"expiration"`
		Conditions []any  `json:"conditions"`
	}
	if err := json.Unmarshal(policy, &decoded); err != nil {
		t.Fatal(err)
	}
	eq := func(name, value string) any { return []any{"eq", "$" + name, value} }
	const credential = "LTAIexample/20261120/cn-hangzhou/oss/aliyun_v4_request"
	want := []any{
		map[string]any{"bucket": "examplebucket"},
		[]any{"content-length-range", 1.0, 10.0},
		eq("Cache-Control", ""), eq("Content-Type", "image/png"), eq("Expires", ""), eq("key", "a/b.png"), eq("x-oss-credential", credential),
		eq("x-oss-date", "20261120T101240Z"), eq("x-oss-meta-price", "5%24"), eq("x-oss-security-token", "example-token"),
		eq("x-oss-signature-version", "OSS4-HMAC-SHA256"), eq("x:u", "v1.k.t"),
		[]any{"not-in", "$x-oss-server-side-encryption", []any{"KMS"}},
	}
	if decoded.Expiration != "2026-11-20T10:27:40.000Z" || !reflect.DeepEqual(decoded.Conditions, want) {
		t.Errorf("policy = %s", policy)
	}
	// Every field but the two that cannot be is pinned.
	if len(got.Fields) != len(want)-3+2 {
		t.Errorf("%d fields, want one for each exact condition, the policy and the signature: %v", len(got.Fields), got.Fields)
	}
	if s := signing.SignPolicy(cred.AccessKeySecret, "20261120", "cn-hangzhou", fields["policy"]); fields["x-oss-signature"] != s {
		t.Errorf("signature = %s, want %s", fields["x-oss-signature"], s)
	}
}

// A permanent key has no token, and a form of it no field for one.
func TestPresignFormOfPermanentKey(t *testing.T) {
	permanent := cred
	permanent.SecurityToken = ""
	got, err := newSigner(t).PresignForm(permanent, form(), now)
	if err != nil {
		t.Fatal(err)
	}
	fields := signing.Map(got.Fields)
	policy, err := base64.StdEncoding.DecodeString(fields["policy"])
	if _, ok := fields["x-oss-security-token"]; err != nil || ok || strings.Contains(string(policy), "token") {
		t.Errorf("fields = %v, policy = %s, %v", fields, policy, err)
	}
}

func TestPresignFormRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*signing.Form)
		want   error
	}{
		{"nothing wrong", func(*signing.Form) {}, nil},
		{"no field at all", func(f *signing.Form) { f.Fields = nil }, nil},
		{"no key", func(f *signing.Form) { f.Key = "" }, signing.ErrKey},
		{"a key for OSS to fill in", func(f *signing.Form) { f.Key = "u/${filename}" }, signing.ErrForm},
		{"no bucket", func(f *signing.Form) { f.Bucket = "" }, signing.ErrBucket},
		{"an empty file", func(f *signing.Form) { f.MinSize, f.MaxSize = 0, 0 }, nil},
		{"a negative size", func(f *signing.Form) { f.MinSize = -1 }, signing.ErrForm},
		{"sizes the wrong way round", func(f *signing.Form) { f.MinSize = 11 }, signing.ErrForm},
		{"5 GB", func(f *signing.Form) { f.MaxSize = 5 << 30 }, nil},
		{"over 5 GB", func(f *signing.Form) { f.MaxSize = 5<<30 + 1 }, signing.ErrForm},
		{"no life", func(f *signing.Form) { f.Expires = 0 }, signing.ErrExpires},
		{"a key among the fields", func(f *signing.Form) { setField(f, "Key", "x") }, signing.ErrForm},
		{"a policy among the fields", func(f *signing.Form) { setField(f, "policy", "x") }, signing.ErrForm},
		{"a file among the fields", func(f *signing.Form) { setField(f, "file", "x") }, signing.ErrForm},
		{"a date among the fields", func(f *signing.Form) { setField(f, "X-Oss-Date", "x") }, signing.ErrForm},
		{"a field in two cases", func(f *signing.Form) { setField(f, "content-type", "x") }, signing.ErrForm},
		{"a field twice", func(f *signing.Form) { f.Fields = slices.Insert(f.Fields, 1, f.Fields[0]) }, signing.ErrForm},
		{"fields that are not sorted", func(f *signing.Form) { slices.Reverse(f.Fields) }, signing.ErrForm},
		{"a field not to be in with a quote", func(f *signing.Form) { f.NotIn[0] = signing.NotIn{Name: `a"b`} }, signing.ErrForm},
		{"a value not to be in with a dollar", func(f *signing.Form) { f.NotIn[0].Values[0] = "$" }, signing.ErrForm},
		{"a name with a quote", func(f *signing.Form) { setField(f, `a"b`, "x") }, signing.ErrForm},
		{"a name with a dollar", func(f *signing.Form) { setField(f, `$a`, "x") }, signing.ErrForm},
		{"a variable of the callback", func(f *signing.Form) { setField(f, "x:u", "v1.k.t") }, nil},
		{"a variable without a name", func(f *signing.Form) { setField(f, "x:", "v") }, signing.ErrForm},
		{"a variable of a variable", func(f *signing.Form) { setField(f, "x:x:u", "v") }, signing.ErrForm},
		{"another name with a colon", func(f *signing.Form) { setField(f, "y:u", "v") }, signing.ErrForm},
		{"a dollar in a value", func(f *signing.Form) { setField(f, "x-oss-meta-a", "5$") }, signing.ErrForm},
		{"a dollar in the key", func(f *signing.Form) { f.Key = "a$" }, signing.ErrForm},
		{"a line break in a value", func(f *signing.Form) { setField(f, "x-oss-meta-a", "x\r\ny") }, signing.ErrForm},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := form()
			tt.change(&f)
			got, err := newSigner(t).PresignForm(cred, f, now)
			if !errors.Is(err, tt.want) {
				t.Errorf("PresignForm = %v, want %v", err, tt.want)
			}
			if err != nil && (got.Fields != nil || strings.Contains(err.Error(), "example-secret")) {
				t.Errorf("PresignForm = %v, %v", got, err)
			}
		})
	}
}

// FuzzPolicy holds the policy, which is written by hand, against encoding/json's
// of the same conditions.
func FuzzPolicy(f *testing.F) {
	f.Add("a/b.png", "x-oss-meta-a", `"\<&>`, "KMS", "tok/+=", int64(1), int64(10))
	f.Add("夏\u2028\x7f", "X:a", "🎬 \u2029", "", "", int64(0), int64(0))
	signer := newSigner(f)
	f.Fuzz(func(t *testing.T, key, name, value, notIn, token string, least, most int64) {
		cred := signing.Credentials{AccessKeyID: "ak", AccessKeySecret: "sk", SecurityToken: token}
		form := signing.Form{
			Bucket: "examplebucket", Key: key, Fields: []signing.Param{{Name: name, Value: value}}, NotIn: []signing.NotIn{{Name: "x-oss-a", Values: []string{notIn, "b"}}},
			MinSize: least, MaxSize: most, Expires: time.Minute,
		}
		got, err := signer.PresignForm(cred, form, now)
		if err != nil {
			return // TestPresignFormRefuses says why
		}
		fields := signing.Map(got.Fields)
		if len(fields) != len(got.Fields) {
			t.Fatalf("a field stands twice: %v", got.Fields)
		}
		policy, err := base64.StdEncoding.DecodeString(fields["policy"])
		if err != nil {
			t.Fatal(err)
		}
		conditions := []any{map[string]string{"bucket": form.Bucket}, []any{"content-length-range", least, most}}
		for _, field := range slices.SortedFunc(maps.Keys(fields), func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }) {
			if field != "policy" && field != "x-oss-signature" {
				conditions = append(conditions, []any{"eq", "$" + field, fields[field]})
			}
		}
		conditions = append(conditions, []any{"not-in", "$x-oss-a", []string{notIn, "b"}})
		want, err := json.Marshal(map[string]any{"expiration": "2026-11-20T10:13:40.000Z", "conditions": conditions})
		if err != nil {
			t.Fatal(err)
		}
		var have, wanted any
		if err := errors.Join(json.Unmarshal(policy, &have), json.Unmarshal(want, &wanted)); err != nil || !reflect.DeepEqual(have, wanted) {
			t.Errorf("policy = %s, %v, want %s", policy, err, want)
		}
	})
}
