package redact_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"ossupload/shared/redact"
)

// secretFrom makes a secret that nothing else spells: it begins with two capitals
// that stand together in no word of ours.
func secretFrom(seed uint64) string {
	random := rand.New(rand.NewPCG(seed, 0))
	const first, others = "QZJ", "QZJXKVqzjxkv0123456789"
	secret := []byte{first[random.IntN(3)], first[random.IntN(3)]}
	for range 2 + random.IntN(40) {
		secret = append(secret, others[random.IntN(len(others))])
	}
	return string(secret)
}

// phoneFrom makes a number that is secret.
func phoneFrom(seed uint64) string { return fmt.Sprint(13_000_000_000 + seed%999_999_999) }

// traces are the texts, beside itself, by which somebody would find a secret.
func traces(secret string) []string {
	var percent, escaped strings.Builder
	for _, c := range []byte(secret) {
		fmt.Fprintf(&percent, "%%%02X", c)
		fmt.Fprintf(&escaped, `\u%04x`, c)
	}
	found := []string{percent.String(), escaped.String(), hex.EncodeToString([]byte(secret))}
	// What base64 makes of it depends on what stands before: the characters that
	// are its own alone.
	for before := range 3 {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := encoding.EncodeToString([]byte(strings.Repeat("\x00", before) + secret))
			from, to := []int{0, 2, 3}[before], (before+len(secret))*8/6
			found = append(found, text[from:to])
		}
	}
	return found
}

// plant puts a secret into every place of an event that somebody might have one.
func plant(event, secret, phone string) []string {
	quote := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return string(text)
	}
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	var unicode strings.Builder
	for _, c := range []byte(secret) {
		fmt.Fprintf(&unicode, `\u%04X`, c)
	}
	jwt := encode(`{"alg":"HS256"}`) + "." + encode(`{"sub":"`+secret+`"}`) + "." + encode(secret)
	inner := quote(map[string]any{"key": secret, secret: phone, "do": secret, "list": []string{secret}})
	headers := quote(map[string]any{
		"Authorization": "Bearer " + jwt, "Cookie": "a=" + secret, secret: secret, "X-" + secret: "1", "Content-Type": "text/plain; token=" + secret,
		"Accept": secret, "X-Forwarded-For": phone, "x-oss-pub-key-url": encode("http://gosspublic.alicdn.com/" + secret), "Host": secret + ".example.com", "basic": "Basic " + secret,
	})
	query := quote(map[string]any{secret: secret, "metadata[" + secret + "]": url.QueryEscape(secret + " +%"), "as": secret, "key": []string{secret}})
	path := "/session/" + secret + "/" + encode(secret) + "/s3;" + secret + "?x=" + secret + "#" + secret
	marked := strings.ReplaceAll(event, "@@", secret)
	events := []string{
		marked,
		`{"version":` + quote(secret) + `,"rawPath":` + quote(path) + `,"path":"/presign","path":` + quote("/"+secret) + `,"body":` + quote(marked) +
			`,"headers":` + headers + `,"queryParameters":` + query + `,"requestContext":{"accountId":` + phone + `,"http":{"method":` + quote(secret) + `,"protocol":"` + unicode.String() + `"}}}`,
		`{"httpMethod":` + quote(secret) + `,"isBase64Encoded":true,"body":` + quote(base64.StdEncoding.EncodeToString([]byte(marked))) + `}`,
		`{"isBase64Encoded":"true","body":` + quote(base64.StdEncoding.EncodeToString([]byte(inner))) + `}`,
		`{"body":` + quote("bucket="+secret+"&"+secret+"=1&x:u="+jwt+"&"+secret) + `,"` + unicode.String() + `":` + phone + `.5,"payload":` + quote(quote(inner)+inner) + `}`,
		`{"triggerTime":` + quote(secret) + `,"triggerName":` + quote("sweep "+secret) + `,"payload":` + quote(inner) + `,"size":-` + phone + `,"time":` + phone + `e2}`,
		`{"` + secret + `":` + inner + `,"a":` + secret + `}`, // not JSON
	}
	codes, digits := make([]int, len(secret)), make([]int, len(phone))
	for i, c := range []byte(secret) {
		codes[i] = int(c)
	}
	for i, c := range []byte(phone) {
		digits[i] = int(c - '0')
	}
	buffer := quote(map[string]any{"vars": map[string]any{"key": map[string]any{"type": "Buffer", "data": codes}}, "otp": digits, "size": digits})
	events = append(events, buffer, `{"body":`+quote(buffer)+`}`, `{"size":[`+buffer+`,`+quote(digits)+`]}`,
		`{"rawPath":"/s3/`+phone[:3]+`/`+phone[3:6]+`/`+phone[6:9]+`/`+phone[9:]+`"}`)
	if json.Valid([]byte(marked)) {
		events = append(events, `{"data":`+marked+`,"events":[`+marked+`,`+quote(inner)+`]}`)
	}
	return events
}

// holds finds a secret or a trace of it.
func holds(text []byte, secret string) (string, bool) {
	if bytes.Contains(bytes.ToLower(text), bytes.ToLower([]byte(secret))) {
		return secret, true
	}
	for _, trace := range traces(secret) {
		if bytes.Contains(text, []byte(trace)) {
			return trace, true
		}
	}
	return "", false
}

var numberInPath = regexp.MustCompile(`"(/[^"]*)?/[0-9]+["/]`)

// numberInList reports whether a list holds a number: of some, a secret is put
// together.
func numberInList(text []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(text))
	var lists []bool // of what is open, innermost last
	for {
		token, err := decoder.Token()
		if err != nil {
			return false
		}
		switch token {
		case json.Delim('['), json.Delim('{'):
			lists = append(lists, token == json.Delim('['))
		case json.Delim(']'), json.Delim('}'):
			lists = lists[:len(lists)-1]
		}
		if _, ok := token.(float64); ok && len(lists) > 0 && lists[len(lists)-1] {
			return true
		}
	}
}

// Nothing of a secret comes out, wherever it stands; what comes out is JSON, and
// bounded.
func FuzzRedact(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":"@@","@@":["@@",1]}`, `@@`, `[[["@@"]]]`, `{"isBase64Encoded":true,"body":"@@"}`, `{"path":"/@@/%2F@@/"}`, "a=@@&b=@@", `{"x":"{\"y\":\"@@\"}"}`, `"\ud800@@"`,
		"{\"a\xff\":\"@@\xff\"}", `{"type":"text/plain;@@","accept":"*/*;@@"}`, `{"host":"Bearer @@"}`, `{"metadata[@@]":"","x-@@-id":1,"id@@":2}`, "@@ @@=@@",
		`{"vars":{"key":{"type":"Buffer","data":[115,101,99,114,101,116]}}}`, `{"otp":[1,2,3,4,5,6]}`, `[-12,-99]`, `{"rawPath":"/s3/138/001/380/00"}`, `{"protocol":"HTTP/2"}`,
	} {
		f.Add([]byte(seed), uint64(len(seed)))
	}
	f.Fuzz(func(t *testing.T, event []byte, seed uint64) {
		secret, phone := secretFrom(seed), phoneFrom(seed)
		if bytes.Contains(event, []byte(secret[:2])) {
			t.Skip("the text itself may spell it")
		}
		for _, planted := range plant(string(event), secret, phone) {
			got := redact.New().JSON([]byte(planted), limit)
			if len(got) > limit || !json.Valid(got) {
				t.Errorf("JSON(%q) = %d bytes, valid %v", planted, len(got), json.Valid(got))
			}
			if numberInList(got) || numberInPath.Match(got) && !strings.Contains(planted, "multipart") {
				t.Errorf("JSON(%q) = %s, which has numbers in a list or path", planted, got)
			}
			for _, secret := range []string{secret, phone} {
				if trace, ok := holds(got, secret); ok {
					t.Errorf("JSON(%q) = %s, which holds %q", planted, got, trace)
				}
			}
		}
	})
}
