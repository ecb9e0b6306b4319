package rawjson_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"ossupload/shared/rawjson"
)

func FuzzAppendQuote(f *testing.F) {
	for _, seed := range []string{
		"", "plain", `a"b\c/d`, "<&>'", "\b\f\n\r\t\x00\x1f\x7f", "夏\U0001f600\u2027\u2028\u2029\u202a",
		"\xff", "a\xe5\xa4", "\xed\xa0\x80", "\ufffd", "\xe2\x80", "\xe2\x80\xa8\xe2",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(s); err != nil {
			t.Fatal(err)
		}
		got := rawjson.AppendQuote([]byte("before"), s)
		if string(got)+"\n" != "before"+want.String() {
			t.Errorf("AppendQuote(before, %q) = %s, want before%s", s, got, want.Bytes())
		}
	})
}
