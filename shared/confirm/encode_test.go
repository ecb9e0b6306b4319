package confirm

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ossupload/shared/mac"
)

// plainJSON is what encoding/json makes of v without HTML escaping.
func plainJSON(t *testing.T, v any) string {
	t.Helper()
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// checkEncoding holds all that a receipt is encoded in against encoding/json, and
// the token against the library that made it before.
func checkEncoding(t *testing.T, r Receipt, subject, token string, delivered bool) {
	t.Helper()
	answer := Answer{Receipt: r, Delivered: delivered, ReceiptToken: token}
	type plain Answer // without its method
	if got, want := string(answer.AppendJSON([]byte("before"))), "before"+plainJSON(t, plain(answer)); got != want {
		t.Errorf("AppendJSON = %s, want %s", got, want)
	}
	e := event{Type: Completed, Timestamp: r.UploadedAt, Data: struct {
		Receipt
		Subject string `json:"subject"`
	}{r, subject}}
	if got := completedEvent(r.UploadedAt, r.appendMembers(nil), subject); string(got) != plainJSON(t, e) {
		t.Errorf("completedEvent = %s, want %s", got, plainJSON(t, e))
	}

	secret := []byte(strings.Repeat("s", 32))
	signed := receiptToken(mac.New(secret), r.appendMembers([]byte("{")), r, subject)
	claims := struct {
		Receipt
		jwt.RegisteredClaims
	}{r, jwt.RegisteredClaims{Issuer: "ossupload", Subject: subject, ID: r.EventID, IssuedAt: jwt.NewNumericDate(r.UploadedAt)}}
	parts := strings.Split(signed, ".")
	if payload, err := base64.RawURLEncoding.DecodeString(parts[1]); err != nil || string(payload) != plainJSON(t, claims) {
		t.Errorf("claims of the token = %s, %v, want %s", payload, err, plainJSON(t, claims))
	}
	library := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
	header, err := library.SigningString()
	if err != nil {
		t.Fatal(err)
	}
	if want, _, _ := strings.Cut(header, "."); parts[0] != want {
		t.Errorf("header of the token = %s, want %s", parts[0], want)
	}
	if _, err := jwt.Parse(signed, func(*jwt.Token) (any, error) { return secret, nil }, jwt.WithValidMethods([]string{"HS256"})); err != nil {
		t.Errorf("the library refuses the token: %v", err)
	}
}

// A field that is added has to be encoded, too.
func TestEveryFieldIsEncoded(t *testing.T) {
	var r Receipt
	for i, v := 0, reflect.ValueOf(&r).Elem(); i < v.NumField(); i++ {
		switch f := v.Field(i); f.Interface().(type) {
		case string:
			f.SetString(v.Type().Field(i).Name)
		case int64:
			f.SetInt(5)
		case map[string]string:
			f.Set(reflect.ValueOf(map[string]string{"b": "<&>", "a": "夏"}))
		case json.RawMessage:
			f.SetBytes([]byte(`{"a": [1, "<&>"]}`))
		case time.Time:
			f.Set(reflect.ValueOf(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)))
		default:
			t.Fatalf("there is no value for a %v", f.Type())
		}
	}
	checkEncoding(t, r, "alice", "token", true)
	checkEncoding(t, Receipt{EventID: "evt_1", Metadata: map[string]string{}, Vars: map[string]string{}}, "", "", false)
}

// What other events hold is encoded as before.
func TestOtherEventsAreEncoded(t *testing.T) {
	e := event{Type: Refused, Timestamp: time.Unix(1_800_000_000, 0).UTC(), Data: refusedData{Key: "u/a", Reason: "<&>"}}
	want, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := e.encode(); err != nil || string(got) != string(want) {
		t.Errorf("encode = %s, %v, want %s", got, err, want)
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("u/a\"b", "夏 & <b>\n\u2028\xff", "", `{"order": 7}`, int64(5), int64(1_795_168_800), int64(0), true)
	f.Add("", "", "v", "", int64(-1), int64(0), int64(999_999_999), false)
	f.Add("a", "b", "c", "not JSON", int64(1)<<62, int64(253_402_300_799), int64(120), false)
	f.Fuzz(func(t *testing.T, a, b, c, context string, size, seconds, nanos int64, delivered bool) {
		at := time.Unix(seconds, nanos).UTC()
		if seconds < 0 || at.Year() > 9999 || nanos < 0 {
			t.Skip("no time of an upload")
		}
		r := Receipt{
			Location: a, Bucket: b, Key: a + b, Size: size, ETag: b, CRC64: a, ContentType: b, VersionID: c, Filename: b, UploadedAt: at, EventID: "evt_" + a,
			Metadata: map[string]string{a: b, b: c}, Vars: map[string]string{c: a},
		}
		if json.Valid([]byte(context)) {
			r.Context = []byte(context)
		}
		checkEncoding(t, r, b, c, delivered)
	})
}
