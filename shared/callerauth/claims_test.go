package callerauth_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
)

// authenticate asks with a token that has members beside what it needs.
func authenticate(t *testing.T, members string) (callerauth.Caller, error) {
	t.Helper()
	return newJWT(t, nil).Authenticate(request(t, bearerHeader(token(`"sub":"alice",`+members))))
}

func TestScope(t *testing.T) {
	const upload, download, sts = callerauth.ScopeUpload, callerauth.ScopeDownload, callerauth.ScopeSTS
	all := []callerauth.Scope{upload, download, sts}
	for _, c := range []struct {
		name, members string
		may           []callerauth.Scope // nil: refused
	}{
		{"absent", `"x":1`, all},
		{"empty", `"scope":""`, all},
		{"other names", `"scope":"openid profile"`, all},
		{"a name that ours begins with", `"scope":"ossupload"`, all},
		{"ours inside another", `"scope":"not-ossupload:upload"`, all},
		{"upload", `"scope":"ossupload:upload"`, []callerauth.Scope{upload}},
		{"download among others", `"scope":"openid ossupload:download  email"`, []callerauth.Scope{download}},
		{"two", `"scope":"ossupload:sts ossupload:upload"`, []callerauth.Scope{upload, sts}},
		{"one twice", `"scope":"ossupload:sts ossupload:sts"`, []callerauth.Scope{sts}},
		{"all", `"scope":"ossupload:upload ossupload:download ossupload:sts"`, all},
		{"a tab between", `"scope":"openid\tossupload:upload"`, []callerauth.Scope{upload}},

		{"misspelt", `"scope":"ossupload:uploads"`, all},
		{"in capitals", `"scope":"OSSUPLOAD:UPLOAD"`, all},
		{"half of it", `"scope":"ossupload:"`, all},
		{"misspelt beside a good one", `"scope":"ossupload:upload ossupload:downlod"`, []callerauth.Scope{upload}},
		{"a list", `"scope":["ossupload:upload"]`, nil},
		{"null", `"scope":null`, nil},
		{"a number", `"scope":1`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := authenticate(t, c.members)
			if c.may == nil {
				checkRefused(t, got, err, callerauth.ErrClaim)
				return
			}
			if err != nil {
				t.Fatalf("Authenticate() = %v", err)
			}
			for _, s := range all {
				err := got.May(s)
				if may := slices.Contains(c.may, s); (err == nil) != may {
					t.Errorf("May(%s) = %v, want ok %v", s, err, may)
				}
				if err != nil {
					checkScope(t, err, s)
				}
			}
		})
	}
}

func checkScope(t *testing.T, err error, s callerauth.Scope) {
	t.Helper()
	answer, ok := errors.AsType[*api.Error](err)
	if !errors.Is(err, callerauth.ErrScope) || errors.Is(err, callerauth.ErrUnauthenticated) ||
		!ok || answer.Code != api.Forbidden || !strings.Contains(answer.Message, string(s)) ||
		answer.Challenge != fmt.Sprintf(`Bearer error="insufficient_scope", scope="%s"`, s) {
		t.Errorf("May(%s) = %v with answer %+v, want ErrScope that names it", s, err, answer)
	}
}

func TestMayOfOtherCallers(t *testing.T) {
	if err := (callerauth.Caller{Subject: callerauth.Anonymous}).May(callerauth.ScopeSTS); err != nil {
		t.Errorf("May() of a caller without scopes = %v, want nil", err)
	}
}

func TestDownloadKeys(t *testing.T) {
	list := func(n int) string {
		return `["` + strings.Join(slices.Repeat([]string{"uploads/alice/a"}, n), `","`) + `"]`
	}
	for _, c := range []struct {
		name, members string
		want          []string
		refused       bool
	}{
		{"absent", `"x":1`, nil, false},
		{"one key", `"download":{"keys":["uploads/bob/2026/03/x.png"]}`, []string{"uploads/bob/2026/03/x.png"}, false},
		{"beyond ASCII", `"download":{"keys":["uploads/é 山"]}`, []string{"uploads/é 山"}, false},
		{"none", `"download":{"keys":[]}`, []string{}, false},
		{"64 keys", `"download":{"keys":` + list(64) + `}`, slices.Repeat([]string{"uploads/alice/a"}, 64), false},
		{"1023 bytes", `"download":{"keys":["` + strings.Repeat("k", 1023) + `"]}`, []string{strings.Repeat("k", 1023)}, false},

		{"65 keys", `"download":{"keys":` + list(65) + `}`, nil, true},
		{"1024 bytes", `"download":{"keys":["` + strings.Repeat("k", 1024) + `"]}`, nil, true},
		{"an empty key", `"download":{"keys":["a",""]}`, nil, true},
		{"half a surrogate pair", `"download":{"keys":["a\ud800"]}`, nil, true},
		{"a number", `"download":{"keys":["a",1]}`, nil, true},
		{"null among them", `"download":{"keys":[null]}`, nil, true},
		{"null for keys", `"download":{"keys":null}`, nil, true},
		{"one string", `"download":{"keys":"a"}`, nil, true},
		{"keys absent", `"download":{}`, nil, true},
		{"keys in capitals", `"download":{"Keys":["a"]}`, nil, true},
		{"another member", `"download":{"keys":["a"],"prefix":"b"}`, nil, true},
		{"keys twice", `"download":{"keys":["a"],"keys":["b"]}`, nil, true},
		{"a list", `"download":["a"]`, nil, true},
		{"a string", `"download":"a"`, nil, true},
		{"null", `"download":null`, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := authenticate(t, c.members)
			if c.refused {
				checkRefused(t, got, err, callerauth.ErrClaim)
				return
			}
			if err != nil || !reflect.DeepEqual(got.Download, c.want) {
				t.Errorf("Authenticate() = %q, %v, want %q", got.Download, err, c.want)
			}
		})
	}
}

func TestUploadKey(t *testing.T) {
	for _, good := range []string{
		"a", "invoice.pdf", "orders/7/invoice.pdf", "a_b", "a/b_", "..a", "a..", "...", ".hidden", "~+=@,()-.",
		strings.Repeat("k", 512), strings.Repeat("k/", 255) + "kk",
	} {
		got, err := authenticate(t, fmt.Sprintf(`"upload":{"key":%q}`, good))
		if err != nil || got.Limits.Key != good || !got.Limits.Narrows() {
			t.Errorf("key %q: Authenticate() = %+v, %v, want it", good, got.Limits, err)
		}
		if err := callerauth.CheckName(good); err != nil {
			t.Errorf("CheckName(%q) = %v, want nil", good, err)
		}
	}
	for name, bad := range map[string]string{
		"empty":                          ``,
		"513 bytes":                      strings.Repeat("k", 513),
		"up":                             `..`,
		"up at first":                    `../a`,
		"up inside":                      `a/../b`,
		"up at last":                     `a/..`,
		"here":                           `.`,
		"here inside":                    `a/./b`,
		"ours":                           `_x`,
		"ours alone":                     `_`,
		"ours inside":                    `a/_sts/b`,
		"ours at last":                   `a/_`,
		"an empty segment":               `a//b`,
		"a slash before":                 `/a`,
		"a slash behind":                 `a/`,
		"a slash alone":                  `/`,
		"percent":                        `a%2fb`,
		"NUL":                            `a\u0000b`,
		"line break":                     `a\nb`,
		"DEL":                            `a\u007fb`,
		"space":                          `a b`,
		"backslash":                      `a\\b`,
		"quote":                          `a\"b`,
		"wildcard":                       `a*`,
		"question mark":                  `a?b`,
		"fragment":                       `a#b`,
		"semicolon":                      `a;b`,
		"ampersand":                      `a&b`,
		"dollar":                         `a${b}`,
		"beyond ASCII":                   `é`,
		"beyond ASCII inside":            `aéb`,
		"full-width dots":                `\uff0e\uff0e/a`,
		"half a surrogate pair":          `a\ud800`,
		"an escaped way up":              `\u002e\u002e/a`,
		"an escaped underscore at first": `\u005fx`,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := authenticate(t, `"upload":{"key":"`+bad+`"}`)
			checkRefused(t, got, err, callerauth.ErrClaim, bad)
		})
	}
	for name, value := range map[string]string{"null": `null`, "a number": `7`, "a list": `["a"]`, "an object": `{"a":"b"}`, "true": `true`} {
		t.Run(name, func(t *testing.T) {
			got, err := authenticate(t, `"upload":{"key":`+value+`}`)
			checkRefused(t, got, err, callerauth.ErrClaim)
		})
	}
	t.Run("named twice", func(t *testing.T) {
		got, err := authenticate(t, `"upload":{"key":"a","key":"b"}`)
		checkRefused(t, got, err, callerauth.ErrClaim)
	})
}

func TestNarrows(t *testing.T) {
	size := int64(0)
	for _, c := range []struct {
		upload callerauth.Limits
		want   bool
	}{
		{callerauth.Limits{}, false},
		{callerauth.Limits{Context: []byte(`1`)}, false},
		{callerauth.Limits{MaxSize: &size}, true},
		{callerauth.Limits{ContentTypes: []string{"*/*"}}, true},
		{callerauth.Limits{Key: "a"}, true},
	} {
		if got := c.upload.Narrows(); got != c.want {
			t.Errorf("%+v.Narrows() = %v, want %v", c.upload, got, c.want)
		}
	}
}
