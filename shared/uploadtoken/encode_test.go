package uploadtoken

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// checkClaims holds both directions against encoding/json.
func checkClaims(t *testing.T, c Claims) {
	t.Helper()
	want, wantErr := encode(c)
	text, err := c.appendJSON([]byte("before"))
	if (err != nil) != (wantErr != nil) {
		t.Fatalf("appendJSON = %v, encoding/json %v", err, wantErr)
	}
	if err != nil {
		return
	}
	if string(text) != "before"+string(want) {
		t.Fatalf("appendJSON = %s, want before%s", text, want)
	}
	checkParsed(t, want)
}

func checkParsed(t *testing.T, text []byte) {
	t.Helper()
	var got, want Claims
	err, wantErr := got.parseJSON(text), json.Unmarshal(text, &want)
	if (err != nil) != (wantErr != nil) || err == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("parseJSON of %s = %+v, %v, want %+v, %v", text, got, err, want, wantErr)
	}
}

// A claim that is added has to be encoded and parsed, too.
func TestEveryClaimIsEncoded(t *testing.T) {
	var c Claims
	fill(t, reflect.ValueOf(&c).Elem())
	checkClaims(t, c)
	checkClaims(t, Claims{})
	for i := range reflect.TypeFor[Claims]().NumField() {
		one := Claims{}
		reflect.ValueOf(&one).Elem().Field(i).Set(reflect.ValueOf(c).Field(i))
		checkClaims(t, one)
	}
}

// fill gives each field a value of its own.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		f, n := v.Field(i), int64(i+1)
		switch f.Interface().(type) {
		case *int64:
			f.Set(reflect.ValueOf(&n))
			continue
		case json.RawMessage:
			f.SetBytes([]byte(`{"a": [1, "<&>"]}`))
			continue
		case map[string]string:
			f.Set(reflect.ValueOf(map[string]string{"b": "<&>", "a": ""}))
			continue
		}
		switch f.Kind() {
		case reflect.String:
			f.SetString(v.Type().Field(i).Name)
		case reflect.Int, reflect.Int64:
			f.SetInt(n)
		case reflect.Struct:
			fill(t, f)
		default:
			t.Fatalf("there is no value for a %v", f.Type())
		}
	}
}

func FuzzClaims(f *testing.F) {
	for _, text := range []string{
		`{"j":"1","a":"put","b":"b","q":"u/","k":"u/a","s":"alice","n":5,"m":10,"v":{"a":"b"},"x":{"o":1},"i":1,"e":2}`,
		`null`, ` null `, `[]`, `{}`, `{"n":null,"v":null,"x":null,"m":null,"j":null}`, `{"v":{"a":null}}`, `{"J":"1","j":"2","J":"3"}`,
		`{"m":1.0}`, `{"m":1e3}`, `{"m":-0}`, `{"m":9223372036854775808}`, `{"m":"1"}`, `{"j":1}`, `{"v":[]}`, `{"v":{"a":1}}`, `{"g":-1}`, `{"jj":1,"":2,"é":3}`,
	} {
		f.Add([]byte(text), "a\"b\\<&>", "\xff\u2028", int64(5), false)
	}
	f.Add([]byte("{"), "", "", int64(0), true)
	f.Fuzz(func(t *testing.T, text []byte, a, b string, n int64, sized bool) {
		c := Claims{
			ID: a, Method: Method(b), Place: Place{b, a}, Key: a + b, Subject: b, Session: a, MaxSize: n, ContentType: b, CRC64: a, Tags: int(n),
			Metadata: b, Filename: a, UploadID: b, PartSize: n, IssuedAt: n, ExpiresAt: -n, Context: text,
		}
		if sized {
			c.Size, c.Vars = &n, map[string]string{a: b, b: a}
		}
		checkClaims(t, c)
		// encoding/json merges maps of one name, and takes an escaped name, and a
		// few characters beyond ASCII, for a letter. Nothing like it is ever sealed.
		if strings.Count(strings.ToLower(string(text)), `"v"`) < 2 && !bytes.ContainsFunc(text, func(r rune) bool { return r == '\\' || r > '~' }) {
			checkParsed(t, text)
		}
	})
}

func BenchmarkClaims(b *testing.B) {
	size := int64(5 << 20)
	c := Claims{
		ID: "01a22d4a-b534-7000-8000-000000000000", Method: Put, Place: Place{"examplebucket", "u/"}, Key: "u/alice/2026/11/01a22d4a-b534-7000-8000-000000000000.png",
		Subject: "alice", Size: &size, MaxSize: size, ContentType: "image/png", Metadata: strings.Repeat("m", 22), Vars: map[string]string{"album": "summer"},
		Context: []byte(`{"order":1}`), IssuedAt: 1_800_000_000, ExpiresAt: 1_800_086_400,
	}
	text, err := encode(c)
	if err != nil {
		b.Fatal(err)
	}
	for name, f := range map[string]func() error{
		"append": func() error { _, err := c.appendJSON(nil); return err },
		"encode": func() error { _, err := encode(c); return err },
		"parse":  func() error { var c Claims; return c.parseJSON(text) },
		"decode": func() error { var c Claims; return json.Unmarshal(text, &c) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
