package redact_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ossupload/shared/redact"
)

const limit = 12 << 10

func redacted(event string) string { return string(redact.New().JSON([]byte(event), limit)) }

func TestRedact(t *testing.T) {
	for _, tt := range []struct{ name, event, want string }{
		{"what is allowed", `{"version":"v1","isBase64Encoded":false,"a":null,"size":123,"httpMethod":"POST"}`,
			`{"version":"v1","isBase64Encoded":false,"<#1 1 hex>":null,"size":123,"httpMethod":"POST"}`},
		{"values are allowed under their name alone", `{"method":"sweep","do":"POST","x-user":"put"}`,
			`{"method":"<#1 5 alnum>","do":"<#2 4 alnum>","x-user":"<#3 3 alnum>"}`},
		{"equal values", `{"host":"alice","user":["alice","bob","alice"]}`,
			`{"host":"<#1 5 alnum>","user":["<#1 5 alnum>","<#2 3 alnum>","<#1 5 alnum>"]}`},
		{"numbers that are counts", `{"size":5,"PartNumber":12,"StatusCode":-99,"version":1,"data":12,"to":0,"epoch":-9}`,
			`{"size":5,"PartNumber":12,"StatusCode":-99,"version":1,"data":"<#1 2 number>","to":"<#2 1 number>","epoch":"<#3 2 number>"}`},
		{"a buffer", `{"body":"{\"vars\":{\"key\":{\"type\":\"Buffer\",\"data\":[115,101,99,101]}}}"}`,
			`{"body":{"<json 58>":{"vars":{"key":{"type":"<#1 6 alnum>","data":["<#2 3 number>","<#3 3 number>","<#4 2 number>","<#3 3 number>"]}}}}}`},
		{"lists of small numbers", `{"size":[1,[-12],{"size":3}],"otp":[0,7]}`,
			`{"size":["<#1 1 number>",["<#2 3 number>"],{"size":3}],"<#3 3 alnum>":["<#4 1 number>","<#5 1 number>"]}`},
		{"a number in pieces of a path", `{"rawPath":"/s3/138/001/380/00"}`, `{"rawPath":"/s3/<#1 3 digits>/<#2 3 digits>/<#3 3 digits>/<#4 2 digits>"}`},
		{"a part number", `{"path":"/s3/multipart/12/10000"}`, `{"path":"/s3/multipart/<#1 2 digits>/10000"}`},
		{"no part number", `{"path":"/s3/multipart/1/138000/1"}`, `{"path":"/s3/multipart/<#1 1 digits>/<#2 6 digits>/<#1 1 digits>"}`},
		{"one part number", `{"path":"/multipart/multipart/138/001/multipart/1/380"}`, `{"path":"/multipart/multipart/138/<#1 3 digits>/multipart/<#2 1 digits>/<#3 3 digits>"}`},
		{"numbers", `{"size":1234,"time":-1.5,"epoch":13800138000,"to":"13800138000","e":1e9}`,
			`{"size":"<#1 4 number>","time":"<#2 4 decimal>","epoch":"<#3 11 number>","to":"<#3 11 digits>","e":"<#4 3 decimal>"}`},
		{"a path", `{"rawPath":"/c/v1.k1.a%2Fb/s3/multipart/secret//7/1234/"}`,
			`{"rawPath":"/c/<#1 11 dotted 2.2.2 %1>/s3/multipart/<#2 6 alnum>//<#3 1 digits>/<#4 4 digits>/"}`},
		{"a path with a query", `{"path":"/presign?token=x#y"}`, `{"path":"/<#1 17 token>"}`},
		{"a path under another name", `{"host":"/presign"}`, `{"host":"<#1 8 base64>"}`},
		{"headers", `{"headers":{"AUTHORIZATION":"Bearer aaaa.bbb.cc","cookie":"a=b; c=d","X-Corp-Key":"k","Content-Type":"text/plain; token=x","x-oss-security-token":"CAIS"}}`,
			`{"headers":{"AUTHORIZATION":"Bearer <#1 11 dotted 4.3.2>","cookie":"<#2 8 ascii>","<#3 10 base64url>":"<#4 1 alnum>","Content-Type":"text/plain;<#5 8 ascii>","x-oss-security-token":"<#6 4 alnum>"}}`},
		{"a query", `{"queryParameters":{"metadata%5Bname%5D":"100%25+b","metadata[mine]":"","partNumbers":"1,2"}}`,
			`{"queryParameters":{"metadata%5Bname%5D":"<#1 8 base64 %1 +1>","<#2 14 token>":"","partNumbers":"<#3 3 token>"}}`},
		{"a body of JSON", `{"body":" {\"filename\":\"a.jpg\",\"size\":5} "}`, `{"body":{"<json 31>":{"filename":"<#1 5 dotted 1.3>","size":5}}}`},
		{"an encoded body", `{"body":"eyJzaXplIjo1fQ==","isBase64Encoded":"True"}`, `{"body":{"<base64 16>":{"<json 10>":{"size":5}}},"isBase64Encoded":"True"}`},
		{"a body that is not encoded", `{"body":"eyJzaXplIjo1fQ=="}`, `{"body":"<#1 16 base64>"}`},
		{"a form", `{"body":"bucket=b1&x%3Au=&object=a%2Fb&lone"}`,
			`{"body":{"<form 34>":[["bucket","<#1 2 hex>"],["x%3Au",""],["object","<#2 5 hex %1>"],["<#3 4 alnum>"]]}}`},
		{"well-known forms", `["1-1","203.0.113.7","2001:db8::1","2026-11-20T10:00:00.000Z","0F5A2C9E-6C0E-4D1C-8C3B-4B1D5C2E7A90","https://a.b/c","é","a\nb"]`,
			`["<#1 3 base64url>","<#2 11 ipv4>","<#3 11 ipv6>","<#4 24 rfc3339>","<#5 36 HEX-dash>","<#6 13 https-url>","<#7 2 utf8>","<#8 3 control>"]`},
		{"a callback of OSS", `{"headers":{"x-oss-pub-key-url":"aHR0cHM6Ly9nb3NzcHVibGljLmFsaWNkbi5jb20vY2FsbGJhY2tfcHViX2tleV92MS5wZW0=",` +
			`"X-Oss-Additional-Headers":"","eagleeye-rpcid":"0.1","User-Agent":"aliyun-oss-callback","x-oss-owner":"1544709436620439"}}`,
			`{"headers":{"x-oss-pub-key-url":"aHR0cHM6Ly9nb3NzcHVibGljLmFsaWNkbi5jb20vY2FsbGJhY2tfcHViX2tleV92MS5wZW0=",` +
				`"X-Oss-Additional-Headers":"","eagleeye-rpcid":"<#1 3 dotted 1.1>","User-Agent":"aliyun-oss-callback","x-oss-owner":"<#2 16 digits>"}}`},
		{"a member twice", `{"path":"/presign","path":"/x"}`, `{"path":"/presign","path":"/<#1 1 alnum>"}`},
		{"unicode escapes", `{"\u0061uthorization":"\u0050OST"}`, `{"authorization":"<#1 4 alnum>"}`},
		{"a Kelvin sign", `{"\u212aey":1}`, `{"<#1 5 utf8>":"<#2 1 number>"}`},
		{"no object", ` "POST" `, `"<#1 4 alnum>"`},
		{"nothing", ``, `"<invalid 0 at 0 unexpected end of JSON input>"`},
		{"a fault", `{"a":SECRET}`, `"<invalid 12 at 6 looking for beginning of value>"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := redacted(tt.event); got != tt.want {
				t.Errorf("JSON(%s)\n = %s,\nwant %s", tt.event, got, tt.want)
			}
		})
	}
}

// One event has one numbering, whatever part of it is redacted first.
func TestRedactorRemembers(t *testing.T) {
	r := redact.New()
	first, second := r.JSON([]byte(`["a","b"]`), limit), r.JSON([]byte(`["b","c"]`), limit)
	if got := string(first) + string(second); got != `["<#1 1 hex>","<#2 1 hex>"]["<#2 1 hex>","<#3 1 hex>"]` {
		t.Errorf("two parts = %s", got)
	}
}

func TestBounds(t *testing.T) {
	var names, deep strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&names, `,"name%d":"value%d"`, i, i)
	}
	deep.WriteString(strings.Repeat(`{"a":[`, 4000) + strings.Repeat(`]}`, 4000))
	quoted, err := json.Marshal(deep.String())
	if err != nil {
		t.Fatal(err)
	}
	wide := `[` + strings.TrimSuffix(strings.Repeat(`{"a":["`+strings.Repeat("/ab", 50)+`","b"]},`, 90), ",") + `]`
	pairs := strings.Repeat("aa.bb.cc.dd%20=aa.bb.cc.ee%20&", 60)
	for before := range 18 { // one of these begins just below the limit
		got := redacted(`{"a":[1` + strings.Repeat(`,{"body":"`+pairs[:len(pairs)/6]+`"}`, before) + `,{"body":"` + pairs + `"}]}`)
		if len(got) > limit || !json.Valid([]byte(got)) {
			t.Errorf("a form behind %d: %d bytes, want at most %d", before, len(got), limit)
		}
	}
	for name, event := range map[string]string{
		"a value of 2 MiB": `{"body":"` + strings.Repeat("a", 2<<20) + `"}`,
		"100,000 members":  `{"path":"/"` + names.String() + `}`,
		"deep":             deep.String(),
		"deep in a string": `{"body":` + string(quoted) + `}`,
		"wide":             strings.Repeat(`{"b":`+wide+`,"c":`, 10) + wide + strings.Repeat("}", 10),
		"many lists":       `{"a":1` + strings.Repeat(`,"a name":["`+strings.Repeat(`a b","`, 30)+`"]`, 100) + `}`,
		"many paths":       `{"a":1` + strings.Repeat(`,"path":"`+strings.Repeat("/a b", 30)+`"`, 100) + `}`,
		"many segments":    `{"path":"` + strings.Repeat("/segment", 100_000) + `"}`,
		"many fields":      `{"body":"` + strings.Repeat("a=b&", 100_000) + `"}`,
		"many names":       `{"` + strings.Repeat("id-", 100_000) + `":1}`,
	} {
		got := redacted(event)
		if len(got) > limit || !json.Valid([]byte(got)) {
			t.Errorf("%s: %d bytes, valid %v, want at most %d", name, len(got), json.Valid([]byte(got)), limit)
		}
	}
	for event, end := range map[string]string{
		`{"path":"/"` + names.String() + `}`:                            `"<cut 99901>":null}`,
		`{"path":"` + strings.Repeat("/segment", 100_000) + `"}`:        `/<cut 99976>"}`,
		`{"body":"` + strings.Repeat("a=b&", 100_000) + `a"}`:           `,"<cut 99951>"]}}`,
		`{"list":[` + strings.Repeat("1,", 100_000) + `1]}`:             `,"<#1 1 number>","<cut 99981>"]}`,
		strings.Repeat(`{"list":`, 13) + `[]` + strings.Repeat("}", 13): `"list":"<object 11>"}}}}}}}}}}}}`,
	} {
		if got := redacted(event); !strings.HasSuffix(got, end) {
			t.Errorf("%.40s ends in %s, want %s", event, got[max(len(got)-100, 0):], end)
		}
	}
}

// What is documented of events is learned of them: no name is replaced.
func TestDocumentedNamesStay(t *testing.T) {
	files, err := filepath.Glob("../fchttp/testdata/documented-*.json")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		event, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := redacted(string(event))
		for _, name := range regexp.MustCompile(`"<#[^"]*>":`).FindAllString(got, -1) {
			if !strings.Contains(string(event), `"parameter2"`) { // the sample's own
				t.Errorf("%s: the name %s is replaced in %s", file, name, got)
			}
		}
		for _, secret := range []string{"alice", "examplebucket", "1000000000000000", "203.0.113.7", "caller", "a.jpg", "abcdefghij", "v1.k1"} {
			if strings.Contains(got, secret) {
				t.Errorf("%s: %q is in %s", file, secret, got)
			}
		}
	}
}
