package rawjson_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"ossupload/shared/rawjson"
)

var seeds = []string{
	`{}`, `[]`, `""`, `0`, ` null `, `{"a":1}`, ` { "a" : [ 1 , {} , [ ] , -1.5E+3 , null , true ] , "b\"\\" : "]}\"" } `,
	`["",1,[2,[3]],{"a":{"b":"}"}}]`, `"\u0000\ud800\udc00\udc00\ud800\ud800a\"\\\/\b\f\n\r\t"`, `"\ud83d\ude00夏\uFFff"`, "\"\xff\xe5\xa4a\x80\"", `{"\u0061":"\ud800","\ud801":"x"}`,
}

// odd is what is not valid, and what is only just.
var odd = []string{
	``, ` `, `{`, `}`, `[`, `]`, `{}}`, `[]]`, `{]`, `[}`, `[1}`, `{"a":1]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{1:2}`, `{,}`, `[,]`, `[1,]`, `[1 2]`, `1 2`,
	`"`, `"\`, `"\x"`, `"\u12"`, `"\u123g"`, `"\u00/0"`, `"\u00:0"`, `"\u00@0"`, `"\u00G0"`, "\"\\u0\x10\x110\"", "\"\n\"", "\"\x00\"", "\x00", "1\x00", "[\x00]", "\f1", "\v1", "\u00a01",
	`-`, `+1`, `01`, `-01`, `1.`, `.5`, `1.e5`, `1e`, `1e+`, `1E-1`, `-0.0e0`, `0x1`, `tru`, `truE`, `nulll`, `fals`, `nan`, `{"a":1,"a":2}`, `{"a" 1}`, `[[]`, `{"a":{}`, `""""`, `'a'`,
}

func FuzzRead(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	for _, text := range odd {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		valid := json.Valid(text)
		if got := rawjson.Valid(text); got != valid {
			t.Fatalf("Valid(%q) = %v, want %v", text, got, valid)
		}
		if valid {
			equalsDecoded(t, text)
		}
	})
}

// equalsDecoded holds what is read of text against what encoding/json decodes.
func equalsDecoded(t *testing.T, text []byte) {
	var want any
	if err := unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if got := read(bytes.TrimSpace(text)); !reflect.DeepEqual(got, want) {
		t.Errorf("%q is read as %#v, want %#v", text, got, want)
	}
}

func unmarshal(text []byte, v *any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(v)
}

// read reads a value by the functions of the package, of two members of one name
// the last.
func read(text []byte) any {
	if members, ok := rawjson.Members(text); ok {
		object := make(map[string]any)
		for _, m := range members {
			object[m.Name] = read(m.Value)
		}
		return object
	}
	if elements, ok := rawjson.Elements(text); ok {
		list := []any{}
		for element := range elements {
			list = append(list, read(element))
		}
		return list
	}
	if s, ok := rawjson.String(text); ok {
		if !rawjson.Is(text, s) || rawjson.Is(text, s+"x") || s != "" && (rawjson.Is(text, s[1:]) || rawjson.Is(text, s[:len(s)-1])) {
			return "what Is says of " + string(text)
		}
		return s
	}
	switch string(text) {
	case "null":
		return nil
	case "true", "false":
		return string(text) == "true"
	}
	return json.Number(text)
}

func TestValuesStandAsTheyWereWritten(t *testing.T) {
	members, ok := rawjson.Members([]byte(" {\n\"a\" : 1.50 , \"b\":{ \"c\" : [ ] } ,\"a\":\"\\u0061\" } "))
	want := []rawjson.Member{{"a", []byte("1.50")}, {"b", []byte(`{ "c" : [ ] }`)}, {"a", []byte(`"\u0061"`)}}
	if !ok || !reflect.DeepEqual(members, want) {
		t.Errorf("Members = %q, %v, want %q", members, ok, want)
	}
}

func TestTellsKindsApart(t *testing.T) {
	for _, text := range []string{`{}`, `[]`, `""`, `0`, `null`, `true`} {
		_, object := rawjson.Members([]byte(text))
		_, list := rawjson.Elements([]byte(text))
		_, str := rawjson.String([]byte(text))
		if object != (text == `{}`) || list != (text == `[]`) || str != (text == `""`) {
			t.Errorf("%s is an object: %v, a list: %v, a string: %v", text, object, list, str)
		}
	}
}

func TestIs(t *testing.T) {
	for value, want := range map[string]bool{`"ab"`: true, `"a\u0062"`: true, `"AB"`: false, `"a"`: false, `""`: false, "\"ab\xff\"": false, `"\ud800"`: false} {
		if got := rawjson.Is([]byte(value), "ab"); got != want {
			t.Errorf("Is(%s, ab) = %v, want %v", value, got, want)
		}
	}
	if !rawjson.Is([]byte("\"\xff\""), "\ufffd") {
		t.Error("what is not UTF-8 does not read as U+FFFD")
	}
}

func TestInt64(t *testing.T) {
	for _, text := range []string{"0", "-0", "1", "-1", "9223372036854775807", "-9223372036854775808"} {
		var want int64
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		if got, ok := rawjson.Int64([]byte(text)); !ok || got != want {
			t.Errorf("Int64(%s) = %d, %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"9223372036854775808", "-9223372036854775809", "1.0", "1e2", "1e400", "true", "null", `"1"`, "{}", "[1]", strings.Repeat("9", 1000)} {
		if got, ok := rawjson.Int64([]byte(text)); ok {
			t.Errorf("Int64(%.30s) = %d, want none", text, got)
		}
	}
}

// A list can be left, and begun again.
func TestElementsCanBeLeft(t *testing.T) {
	elements, _ := rawjson.Elements([]byte(`[1,[2],"3"]`))
	for range 2 {
		var got []string
		for element := range elements {
			if got = append(got, string(element)); len(got) == 2 {
				break
			}
		}
		if strings.Join(got, " ") != "1 [2]" {
			t.Errorf("the first two elements = %q", got)
		}
	}
}

// What nests as deep as json.Valid allows is passed without recursion.
func TestDepth(t *testing.T) {
	deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
	elements, ok := rawjson.Elements([]byte(deep))
	if !ok || !rawjson.Valid([]byte(deep)) {
		t.Fatal("not a list")
	}
	for _, deeper := range []string{"[" + deep + "]", `{"a":` + deep + "}", strings.Replace(deep, "[]", "[{}]", 1), strings.Repeat("[", 2<<20)} {
		if rawjson.Valid([]byte(deeper)) || json.Valid([]byte(deeper)) {
			t.Errorf("what begins with %s and nests 10,001 deep is valid", deeper[:6])
		}
	}
	for element := range elements {
		if len(element) != len(deep)-2 {
			t.Errorf("the element has %d bytes, want %d", len(element), len(deep)-2)
		}
	}
}
