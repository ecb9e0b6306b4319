package route_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/route"
)

type named map[string]string

type reference struct {
	UploadID string   `path:"uploadId"`
	Keys     []string `query:"key"`
}

type line struct {
	reference
	As       string `query:"as" validate:"omitempty,oneof=template"`
	Metadata named  `query:"metadata"`
	Note     string `json:"note"`
}

func TestReadsTheRequestLine(t *testing.T) {
	r := httptest.NewRequest("GET", "/x?key=a&key=b&as=template&metadata[k]=v&metadata[]=e&metadata[open=x&metadata=y", strings.NewReader(`{"note":"ignored"}`))
	r.SetPathValue("uploadId", "v1.k.a")
	got, err := ask[line](route.None, r)
	want := line{
		reference: reference{UploadID: "v1.k.a", Keys: []string{"a", "b"}},
		As:        "template", Metadata: named{"k": "v", "": "e"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("In = %+v, %v, want %+v", got, err, want)
	}
	_, err = ask[line](route.None, httptest.NewRequest("GET", "/x?as=list", nil))
	if got, want := api.Faults(err), (api.Fault{Field: "as", Reason: "must be one of template"}); len(got) != 1 || got[0] != want {
		t.Errorf("faults = %v, want %v", got, want)
	}
}

func TestReadsTheBody(t *testing.T) {
	size := int64(0)
	want := wish{Filename: "a\"b", Size: &size, As: "put", Checksum: &checksum{MD5: "x"}, Vars: map[string]string{"k": "ä", "": "v"}}
	got, err := ask[wish](route.Strict, post(`{"filename":"a\"b","size":0,"as":"put","checksum":{"md5":"x"},"vars":{"k":"ä","":"v"}}`, "application/json"))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("In = %+v, %v, want %+v", got, err, want)
	}
}

// Who asks is found out before anything of the body is read, and a handler sees
// no request of which either is at fault.
func TestOrder(t *testing.T) {
	stranger := &api.Error{Code: api.Unauthenticated}
	called := false
	handle := func(ctx context.Context, caller callerauth.Caller, in wish) (string, error) {
		called = true
		deadline, ok := ctx.Deadline()
		if left := time.Until(deadline); !ok || left < 10*time.Second || left > 14*time.Second {
			t.Errorf("the handler has %v, %v, want at most 14 s", left, ok)
		}
		return caller.Subject + " " + in.Filename, nil
	}
	known := func(*http.Request) (callerauth.Caller, error) { return callerauth.Caller{Subject: "alice"}, nil }
	unknown := func(*http.Request) (callerauth.Caller, error) { return callerauth.Caller{}, stranger }

	if _, err := route.New(unknown, "POST", "/", route.Strict, handle).Handle(post("{", "text/plain")); !errors.Is(err, stranger) || called {
		t.Errorf("a stranger's bad request: %v, handler called %v, want the stranger refused", err, called)
	}
	if _, err := route.New(known, "POST", "/", route.Strict, handle).Handle(post("{}", "application/json")); codeOf(err) != "invalid_request" || called {
		t.Errorf("a bad request: %v, handler called %v, want it refused", err, called)
	}
	made := route.New(known, "POST", "/presign", route.Strict, handle)
	if got, err := made.Handle(post(`{"filename":"a"}`, "application/json")); got != "alice a" || err != nil {
		t.Errorf("Handle = %v, %v, want what the handler returned", got, err)
	}
	if made.Method != "POST" || made.Pattern != "/presign" {
		t.Errorf("route = %s %s, want POST /presign", made.Method, made.Pattern)
	}
}

// What a check finds is told with the faults of shape, and is asked for only
// then: without them the handler decides.
func TestFaultsAreToldTogether(t *testing.T) {
	checks := 0
	check := func(caller callerauth.Caller, in wish) []api.Fault {
		checks++
		return []api.Fault{{Field: "filename", Reason: caller.Subject + " may not"}, {Field: "vars", Reason: fmt.Sprint("with size ", in.Size)}}
	}
	handle := func(_ context.Context, _ callerauth.Caller, in wish) (wish, error) { return in, nil }
	known := func(*http.Request) (callerauth.Caller, error) { return callerauth.Caller{Subject: "alice"}, nil }
	made := route.New(known, "POST", "/presign", route.Strict, handle, check)
	_, err := made.Handle(post(`{"size":"many","filename":""}`, "application/json"))
	want := []api.Fault{
		{Field: "size", Reason: "must be a whole number"}, {Field: "filename", Reason: "is required"}, {Field: "vars", Reason: "with size <nil>"},
	}
	if got := api.Faults(err); !reflect.DeepEqual(got, want) || checks != 1 {
		t.Errorf("faults = %v after %d checks, want %v", got, checks, want)
	}
	if _, err := made.Handle(post(`{"filename":"a"}`, "application/json")); err != nil || checks != 1 {
		t.Errorf("a sound request: %v after %d checks, want none more", err, checks)
	}
}

func TestRefusesAQueryOfAnotherType(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("New with a number in the query returned, want a panic")
		}
	}()
	ask[struct {
		N int `query:"n"`
	}](route.None, httptest.NewRequest("GET", "/", nil))
}

type shapes struct {
	Name     string            `json:"name" validate:"omitempty,nonempty,bytes=8,text"`
	MD5      string            `json:"md5" validate:"omitempty,md5"`
	CRC64    string            `json:"crc64" validate:"omitempty,crc64"`
	Version  string            `json:"version" validate:"omitempty,version"`
	Key      string            `json:"key" validate:"omitempty,objectkey,excluded_with=Name"`
	Metadata map[string]string `json:"metadata" validate:"dive,keys,metaname,endkeys,nonempty,text"`
	Tags     map[string]string `json:"tags" validate:"entries=2,dive,keys,bytes=4,tagtext,endkeys,omitempty,bytes=4,tagtext"`
	Vars     map[string]string `json:"vars" validate:"jsonbytes=11"`
	Size     *int64            `json:"size" validate:"omitempty,min=0,max=9"`
	Either   string            `json:"either" validate:"required_without=Size"`
}

func TestShapes(t *testing.T) {
	tests := []struct{ body, field, reason string }{
		{`"name":"12345678"`, "", ""},
		{`"name":"123456789"`, "name", "must be at most 8 bytes"},
		{`"name":"ääää"`, "", ""},
		{`"name":"äääää"`, "name", "must be at most 8 bytes"},
		{`"name":"a\u0000"`, "name", "must be UTF-8 without control characters"},
		{`"name":"a\r\nb"`, "name", "must be UTF-8 without control characters"},
		{`"name":"a\u0085"`, "name", "must be UTF-8 without control characters"},
		{`"md5":"XUFAKrxLKna5cZ2REBfFkg=="`, "", ""},
		{`"md5":"XUFAKrxLKna5cZ2REBfF"`, "md5", "must be the base64 of 16 bytes"},
		{`"md5":"XUFAKrxLKna5cZ2REBfFkh=="`, "md5", "must be the base64 of 16 bytes"},
		{`"crc64":"0"`, "", ""},
		{`"crc64":"18446744073709551615"`, "", ""},
		{`"crc64":"18446744073709551616"`, "crc64", "must be an unsigned 64-bit number in decimal"},
		{`"crc64":"01"`, "crc64", "must be an unsigned 64-bit number in decimal"},
		{`"crc64":"-1"`, "crc64", "must be an unsigned 64-bit number in decimal"},
		{`"crc64":"+1"`, "crc64", "must be an unsigned 64-bit number in decimal"},
		{`"version":"CAEQMxiBgID_.-"`, "", ""},
		{`"version":"a b"`, "version", "is not a version id"},
		{`"key":"u/a/..b/.c/d."`, "", ""},
		{`"key":"u/../a"`, "key", `must be UTF-8 without control characters, and without a "." or ".." segment`},
		{`"key":"./a"`, "key", `must be UTF-8 without control characters, and without a "." or ".." segment`},
		{`"key":"a\u007f"`, "key", `must be UTF-8 without control characters, and without a "." or ".." segment`},
		{`"key":"a","name":"b"`, "key", "cannot be combined with name"},
		{`"metadata":{"a-0":"b"}`, "", ""},
		{`"metadata":{"":"b"}`, "metadata.", "names must be of a-z 0-9 -"},
		{`"metadata":{"A":""}`, "metadata.A", "names must be of a-z 0-9 -"},
		{`"metadata":{"a]b":"c"}`, "metadata.a]b", "names must be of a-z 0-9 -"},
		{`"metadata":{"a.b":"c"}`, "metadata.a.b", "names must be of a-z 0-9 -"},
		{`"metadata":{"a\n":"c"}`, "metadata.a\uFFFD", "names must be of a-z 0-9 -"},
		{`"metadata":{"a":""}`, "metadata.a", "must not be empty"},
		{`"metadata":{"a":"\u0000"}`, "metadata.a", "must be UTF-8 without control characters"},
		{`"tags":{"a":"","b":"+-=."}`, "", ""},
		{`"tags":{"a":"","b":"","c":""}`, "tags", "must be at most 2"},
		{`"tags":{"":"x"}`, "tags.", "must be letters, digits, spaces and + - = . _ : /"},
		{`"tags":{"a&":"x"}`, "tags.a&", "must be letters, digits, spaces and + - = . _ : /"},
		{`"tags":{"a":"x\n"}`, "tags.a", "must be letters, digits, spaces and + - = . _ : /"},
		{`"tags":{"a":"12345"}`, "tags.a", "must be at most 4 bytes"},
		{`"tags":{"12345":"a"}`, "tags.12345", "must be at most 4 bytes"},
		{`"vars":{"a":"<&>"}`, "", ""},
		{`"vars":{"a":"<&>!"}`, "vars", "must be at most 11 bytes of JSON"},
		{`"size":9`, "", ""},
		{`"size":10`, "size", "must be at most 9"},
		{`"size":-1`, "size", "must be at least 0"},
	}
	for _, tt := range tests {
		t.Run(tt.body, func(t *testing.T) {
			_, err := ask[shapes](route.Strict, post(`{"either":"x",`+tt.body+`}`, "application/json"))
			var want []api.Fault
			if tt.field != "" {
				want = []api.Fault{{Field: tt.field, Reason: tt.reason}}
			}
			if got := api.Faults(err); !reflect.DeepEqual(got, want) {
				t.Errorf("faults = %v, want %v", got, want)
			}
		})
	}
	_, err := ask[shapes](route.Strict, post(`{}`, "application/json"))
	if got, want := api.Faults(err), (api.Fault{Field: "either", Reason: "is required without size"}); len(got) != 1 || got[0] != want {
		t.Errorf("faults = %v, want %v", got, want)
	}
}

func TestALongNameIsShortened(t *testing.T) {
	for name, want := range map[string]string{
		`a\r\nb`:                   "a\uFFFD\uFFFDb",
		strings.Repeat("a", 80):    strings.Repeat("a", 80),
		strings.Repeat("x", 1<<20): strings.Repeat("x", 80) + "…",
	} {
		_, err := ask[wish](route.Strict, post(`{"filename":"a","`+name+`":1}`, "application/json"))
		if got := api.Faults(err); len(got) != 1 || got[0].Field != want {
			t.Errorf("the fault of a name of %d bytes is of %v, want %q", len(name), got, want)
		}
	}
}

// Whatever a body holds, its faults can be told in one line each.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{`{}`, `{"filename":"a","size":1}`, `{"vars":{"a":"b"},"x":[1,{"y":null}]}`, ` [{}] `, `"\u0000"`, `{"a":"\"}","b\\":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, kind := range []route.Body{route.Strict, route.Lenient} {
			_, err := ask[wish](kind, post(string(body), "application/json"))
			for _, fault := range api.Faults(err) {
				if strings.ContainsAny(fault.Field, "\r\n\x00") || len(fault.Field) > 1000 || fault.Reason == "" {
					t.Errorf("fault %v of %q cannot be told", fault, body)
				}
			}
			if code := codeOf(err); code == "internal" {
				t.Errorf("%q is answered as %s", body, code)
			}
		}
	})
}

// A scope is asked for once it is known who asks, and before anything is read.
func TestFor(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	known, err := callerauth.New(callerauth.Config{JWT: &callerauth.JWTConfig{Secret: secret, Audience: "ossupload"}}, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	for scope, want := range map[string]string{
		"": "alice", "openid": "alice", "ossupload:upload": "alice", "ossupload:sts ossupload:upload": "alice",
		"ossupload:download": "forbidden", "nobody": "unauthenticated",
	} {
		claims := jwt.MapClaims{"sub": "alice", "aud": "ossupload", "exp": time.Now().Add(time.Hour).Unix(), "scope": scope}
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
		if err != nil {
			t.Fatal(err)
		}
		r := post(`{"filename":"a"}`, "application/json")
		if r.Header.Set("Authorization", "Bearer "+token); scope == "nobody" {
			r.Header.Del("Authorization")
		}
		called := false
		handle := func(_ context.Context, caller callerauth.Caller, _ wish) (string, error) {
			called = true
			return caller.Subject, nil
		}
		got, err := route.New(route.For(callerauth.ScopeUpload, known.Authenticate), "POST", "/", route.Strict, handle).Handle(r)
		if err != nil {
			got = codeOf(err)
		}
		if got != want || called != (want == "alice") {
			t.Errorf("with the scope %q: %v, handler called %v, want %s", scope, got, called, want)
		}
	}
}
