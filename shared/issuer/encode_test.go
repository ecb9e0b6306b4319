package issuer_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"ossupload/shared/fchttp"
	"ossupload/shared/issuer"
	"ossupload/shared/signing"
)

// plainSigned and plainIssued have what is encoded without the methods that do it.
func plainSigned(s issuer.Signed) any {
	type plain issuer.Signed
	return plain(s)
}

func plainIssued(i issuer.Issued) any {
	var headers map[string]string
	if i.Headers != nil {
		headers = signing.Map(i.Headers)
	}
	return struct {
		Method      string            `json:"method"`
		URL         string            `json:"url"`
		Expires     int64             `json:"expires"`
		ExpiresAt   time.Time         `json:"expiresAt"`
		Headers     map[string]string `json:"headers,omitzero"`
		Fields      map[string]string `json:"fields,omitempty"`
		Key         string            `json:"key"`
		UploadToken string            `json:"uploadToken"`
	}{i.Method, i.URL, i.Expires, i.ExpiresAt, headers, signing.Map(i.Fields), i.Key, i.UploadToken}
}

func checkJSON(t *testing.T, got fchttp.JSONAppender, plain any) {
	t.Helper()
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	if err := e.Encode(plain); err != nil {
		t.Fatal(err)
	}
	if text := got.AppendJSON([]byte("before")); string(text)+"\n" != "before"+want.String() {
		t.Errorf("AppendJSON of %+v = %s, want before%s", plain, text, want.Bytes())
	}
}

func FuzzAppendJSON(f *testing.F) {
	f.Add("PUT", "https://b.oss.example/a?x=1&y=<2>", int64(900), int64(1767225600), int64(0), "a\"b", "v\n", "x", "夏\xff", 2)
	f.Add("", "", int64(-1), int64(0), int64(120), "", "", "", "", 0)
	f.Add("POST", "u", int64(1)<<62, int64(1767225600), int64(999999999), "b", "\u2028", "a", "\\", 3)
	f.Add("POST", "u", int64(1), int64(-62135596800), int64(1), "z", "", "z", "", 1)
	f.Fuzz(func(t *testing.T, method, url string, expires, seconds, nanos int64, name, value, key, token string, maps int) {
		at := time.Unix(seconds, nanos).UTC()
		if y := at.Year(); y < 0 || y > 9999 {
			t.Skip("no time of RFC 3339")
		}
		i := issuer.Issued{Signed: issuer.Signed{Method: method, URL: url, Expires: expires, ExpiresAt: at}, Key: key, UploadToken: token}
		m := signing.Query(map[string]string{name: value, key: token, value: name}) // in the order of encoding/json
		switch maps % 4 {
		case 1:
			i.Headers, i.Fields = []signing.Param{}, []signing.Param{}
		case 2:
			i.Headers = m
		case 3:
			i.Fields = m
		}
		checkJSON(t, i, plainIssued(i))
		checkJSON(t, i.Signed, plainSigned(i.Signed))
	})
}
