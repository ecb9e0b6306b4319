package rawjson_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"ossupload/shared/rawjson"
)

func FuzzAppendMap(f *testing.F) {
	f.Add("b", "1", "a", "2", "", "3")
	f.Add("\xff", "<&>", "\xfe", "\u2028", "é", "\"\\\n")
	f.Fuzz(func(t *testing.T, a, b, c, d, e, f string) {
		for _, m := range []map[string]string{{}, {a: b}, {a: b, c: d}, {a: b, c: d, e: f}} {
			var want bytes.Buffer
			encoder := json.NewEncoder(&want)
			encoder.SetEscapeHTML(false)
			if err := encoder.Encode(m); err != nil {
				t.Fatal(err)
			}
			if got := rawjson.AppendMap([]byte("before"), m); string(got)+"\n" != "before"+want.String() {
				t.Errorf("AppendMap(before, %q) = %s, want before%s", m, got, want.Bytes())
			}
		}
	})
}
