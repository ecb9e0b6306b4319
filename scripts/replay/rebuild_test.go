package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ossupload/shared/rawjson"
	"ossupload/shared/redact"
)

const limit = 12 << 10

// What is rebuilt has the shape that was recorded: recording it again writes the
// same.
func TestRebuiltEventsHaveTheShape(t *testing.T) {
	events := []string{
		`{"path":"/c/v1.k1.ab%2Fcd/s3/multipart/x-y_z/7/1234//","httpMethod":"GET","headers":{"Authorization":"Bearer aaaa.bbbb.cccc","Content-Type":"text/plain;a=b c"}}`,
		`{"a":["1","0a","0A","Zz","a-b","a/b","dGU=","a.b","a!b","a b"," ","é","a\nb","\n","-","a%20b%","1+1","%2F+"],"n":[12345,-1.25,1e9,true,null,7]}`,
		`{"t":["2026-11-20T10:00:00Z","2026-11-20T10:00:00.000Z","2026-11-20T10:00:00+08:00","2026-11-20T10:00:00.123456789Z","2026-11-20T10:00:00.1-08:00","2026-11-20T10:00:00.12Z"],"ip":["203.0.113.7","10.0.0.1","::1","2001:db8::1","fe80::1:2","2001:db8:85a3:1234:5678:8a2e:370:7334","a:b:c:d:e:f:1:2","::ffff:1.2.3.4","2001:db8:1::1234"]}`,
		`{"id":["0F5A2C9E-6C0E-4D1C-8C3B-4B1D5C2E7A90","0f5a2c9e-6c0e-4d1c-8c3b-4b1d5c2e7a90"],"url":["https://a.example/b","http://a"],"me@x":{},"list":[]}`,
		`{"isBase64Encoded":true,"body":"eyJmaWxlbmFtZSI6ImEuanBnIiwic2l6ZSI6NX0="}`, `{"isBase64Encoded":true,"body":"/9j/4A=="}`,
		`{"body":"bucket=b1&object=uploads%2Fa.png&size=5&x%3Au=v1.k1.abc&&=&lone"}`, `{"payload":"{\"do\":\"sweep\", \"inner\":\"[1,2,\\\"x\\\"]\" }"}`,
		`{"vars":{"key":{"type":"Buffer","data":[115,101,99,114,101,116]}},"otp":[1,2,3,4,5,6,7,8,9,0],"size":5}`, `{"rawPath":"/s3/138/001/380/00","n":[-12,-99]}`,
		`{"events":[{"eventName":"ObjectCreated:PutObject"}],"a":"x","a":"x"}`, `"text"`, `[]`,
	}
	files, err := filepath.Glob("../../shared/fchttp/testdata/documented-*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no documented events", err)
	}
	for _, file := range files {
		event, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, string(event))
	}
	for _, event := range events {
		shape := redact.New().JSON([]byte(event), limit)
		rebuilt, err := rebuild(shape, "")
		if err != nil || !json.Valid(rebuilt) {
			t.Errorf("rebuild(%s) = %s, %v", shape, rebuilt, err)
			continue
		}
		if again := redact.New().JSON(rebuilt, limit); string(again) != string(shape) {
			t.Errorf("%s\n becomes %s,\nwhich has the shape %s", shape, rebuilt, again)
		}
	}
}

func TestRebuild(t *testing.T) {
	for _, tt := range []struct{ name, shape, want string }{
		{"a caller's token", `{"authorization":"Bearer <#1 9 alnum>","x-token":"bearer <#2 5 alnum>","host":"Basic <#3 3 alnum>"}`,
			`{"authorization":"Bearer TOKEN","x-token":"bearer TOKEN","host":"Basic jjk"}`},
		{"what was cut", `{"a":{"b":"<object 99>","c":["<list 7>","<cut 12>"],"<cut 99>":null}}`, `{"a":{"b":{},"c":[[]]}}`},
		{"no JSON", `"<invalid 5 at 1 looking for beginning of value>"`, `?????`},
		{"equal values", `["<#1 4 alnum>","<#2 4 alnum>","<#1 4 alnum>"]`, `["hhhk","iiik","hhhk"]`},
		{"a class of another version", `["<#1 4 morse>"]`, `["hhhh"]`},
	} {
		if got, err := rebuild(json.RawMessage(tt.shape), "TOKEN"); string(got) != tt.want || err != nil {
			t.Errorf("%s: rebuild(%s) = %s, %v, want %s", tt.name, tt.shape, got, err, tt.want)
		}
	}
}

// nested puts a wrapper around a shape so many times.
func nested(wrapper, shape string, times int) string {
	before, after, _ := strings.Cut(wrapper, "@")
	return strings.Repeat(before, times) + shape + strings.Repeat(after, times)
}

// poison are shapes that grow with each level.
func poison() []string {
	return []string{
		nested(`{"<json 5>":[@]}`, `"<#1 4 hex>"`, 45), nested(`{"<base64 5>":@}`, `"<#1 4 hex>"`, 60),
		nested(`{"<json 5>":[@]}`, quote(strings.Repeat(`"`, 120_000)), 6), nested(`{"<base64 5>":@}`, `"<#1 3000000 hex>"`, 10),
		nested(`{"<form 5>":[["a",@]]}`, `"<#1 4 hex>"`, 45),
	}
}

func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestRebuildIsBounded(t *testing.T) {
	for _, shape := range poison() {
		b := &builder{}
		if got := b.value([]byte(shape)); b.err == nil || len(got) > maxRebuilt || b.used > maxRebuilt {
			t.Errorf("rebuild(%.60s) = %d bytes of %d, %v, want an error", shape, len(got), b.used, b.err)
		}
	}
	// What the recorder takes of 2 MiB is no poison.
	body := `{"x":` + quote(`{"y":"`+strings.Repeat("a", 2<<20)+`"}`) + `}`
	shape := redact.New().JSON([]byte(body), limit)
	if got, err := rebuild(shape, ""); err != nil || len(got) < 2<<20 {
		t.Errorf("rebuild(%s) = %d bytes, %v", shape, len(got), err)
	}
}

// A log may be anybody's.
func TestRebuildRefuses(t *testing.T) {
	for _, shape := range []string{
		`"<invalid 999999999>"`, `["<#1 999999999 alnum>"]`, `[` + strings.Repeat(`"<#1 9000000 hex>",`, 2) + `1]`, `{"<json 999999999>":{}}`, `{"<base64 4>":{"a":1}}`, `{"<form 4>":1}`, `["<#1 5 alnum %99999999>"]`,
	} {
		if got, err := rebuild(json.RawMessage(shape), ""); err == nil {
			t.Errorf("rebuild(%s) = %d bytes, want an error", shape, len(got))
		}
	}
}

// Whatever a log holds, it is an event or an error; and what was recorded of an
// event can be rebuilt.
func FuzzRebuild(f *testing.F) {
	for _, seed := range []string{
		`{"a":"<#1 4 hex>"}`, `{"<json 5>":[1]}`, `{"<base64 8>":{"<form 3>":[["a","<#1 1 hex %1 +1>"]]}}`, `"<invalid 3>"`, `["<#2 7 ipv6>","<#3 3 https-url>","<#1 9 dotted 9.9>","<#1 2 rfc3339>","<#9 0 ascii>"]`, `{"body":"a=b&c"}`,
	} {
		f.Add([]byte(seed))
	}
	for _, seed := range poison() {
		f.Add([]byte(seed))
	}
	deepest := `{"body":"a=b&c=d"}`
	for range 12 {
		f.Add([]byte(deepest))
		deepest = `{"a":` + deepest + `}`
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		text = bytes.TrimSpace(text)
		if json.Valid(text) {
			event, err := rebuild(text, "TOKEN")
			if _, invalid := rawjson.String(text); err == nil && !invalid && !json.Valid(event) {
				t.Errorf("rebuild(%s) = %s", text, event)
			}
		}
		shape := redact.New().JSON(text, limit)
		if event, err := rebuild(shape, ""); err != nil || json.Valid(text) && !json.Valid(event) {
			t.Errorf("rebuild(%s) = %s, %v", shape, event, err)
		}
	})
}

func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[31mé\n" + strings.Repeat("x", 100)); got != "a[31mé"+strings.Repeat("x", 60-8) {
		t.Errorf("printable = %q", got)
	}
}
