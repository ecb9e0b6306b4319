package poison_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ossupload/shared/api"
	"ossupload/shared/callerauth"
	"ossupload/shared/fchttp"
	"ossupload/shared/poison"
	"ossupload/shared/route"
)

type part struct {
	ETag string `json:"ETag"`
}

type id struct {
	ID string `path:"id"`
}

type in struct {
	id
	Query    []string `query:"q"`
	Filename string   `json:"filename"`
	Size     *int64   `json:"size"`
	Checksum *struct {
		MD5 string `json:"md5"`
	} `json:"checksum"`
	Tags  map[string]string `json:"tags"`
	Parts []part            `json:"parts"`
}

var sound = poison.Route{
	Method: "POST", Pattern: "/{id}", In: reflect.TypeFor[in](),
	Sound: map[string]string{
		"id": "i", "q": "v", "filename": `"a.png"`, "size": `1`, "checksum.md5": `"m"`, "tags.*": `"t"`, "tags.(name)": `"n"`, "parts[].ETag": `"e"`,
	},
	Header: map[string]string{"Content-Type": "application/json"},
}

// function is a function with one route, which answers what handle makes of it.
func function(handle func(in) (any, error)) *fchttp.Adapter {
	who := func(*http.Request) (callerauth.Caller, error) { return callerauth.Caller{Subject: "alice"}, nil }
	return &fchttp.Adapter{Handler: fchttp.NewMux(route.New(who, "POST", "/{id}", route.Strict,
		func(_ context.Context, _ callerauth.Caller, in in) (any, error) { return handle(in) }))}
}

func TestFields(t *testing.T) {
	want := []string{"id", "q", "filename", "size", "checksum", "checksum.md5", "tags", "tags.*", "tags.(name)", "parts", "parts[].ETag"}
	if got := sound.Fields(); !slices.Equal(got, want) {
		t.Errorf("fields = %q, want %q", got, want)
	}
	if got := sound.Unsound(); got != nil {
		t.Errorf("%q have no sound value", got)
	}
	forgotten := sound
	forgotten.Sound = map[string]string{"id": "i"}
	if got := forgotten.Unsound(); len(got) != 7 {
		t.Errorf("%q have no sound value, want 7 fields", got)
	}
}

// Each field is spoilt, and everything else of the request is as it was.
func TestCases(t *testing.T) {
	spoilt := make(map[string]string)
	var got in
	f := function(func(in in) (any, error) { got = in; return nil, nil })
	for _, c := range sound.Cases() {
		for _, event := range [][]byte{sound.Spoilt(c).Trigger(), sound.Spoilt(c).Gateway()} {
			out, err := f.Invoke(t.Context(), "r", event)
			if err != nil {
				t.Fatalf("%s: %v of %q", c.Name, err, event)
			}
			if a, _ := poison.Judge(out); a.Status == http.StatusOK {
				text, _ := json.Marshal(got)
				spoilt[c.Name] = string(text)
			}
		}
	}
	for name, want := range map[string]string{
		"id: NUL behind":           `"ID":"i\u0000"`,
		"q: LF before":             `"Query":["\nv"]`,
		"q: twice":                 `"Query":["v","v"]`,
		"q: LF, encoded":           `"Query":["v\n"]`,
		"filename: CR within":      `"filename":"a.\rpng"`,
		"filename: half a pair":    "\"filename\":\"\uFFFD\"",
		"size: -0":                 `"size":0`,
		"checksum.md5: a header":   `"checksum":{"md5":"\r\nX-Evil: 1"}`,
		"tags.*: NUL":              `"tags":{"k":"\u0000"}`,
		"tags.(name): NUL":         `"tags":{"\u0000":"v"}`,
		"parts[].ETag: NEL behind": "\"parts\":[{\"ETag\":\"e\u0085\"}]",
	} {
		if !strings.Contains(spoilt[name], want) {
			t.Errorf("%s arrives as %s, want %s", name, spoilt[name], want)
		}
	}
	for _, name := range []string{"size: 1e400", "size: 1.5", "size: twice", "filename: twice, written in two ways", "filename: a raw NUL", "parts[].ETag: 1.5"} {
		if spoilt[name] != "" {
			t.Errorf("%s was taken: %s", name, spoilt[name])
		}
	}
}

// What a careless route would do is found.
func TestJudge(t *testing.T) {
	refusal := func(code api.Code, details any) error {
		return (&api.Error{Code: code, Message: "No."}).With(details)
	}
	tests := []struct {
		name   string
		handle func(in) (any, error)
		want   string // "" for nothing wrong
	}{
		{"nothing wrong", func(in in) (any, error) { return map[string]string{"key": "a"}, nil }, ""},
		{"a refusal", func(in) (any, error) { return nil, refusal(api.Forbidden, nil) }, ""},
		{"words of the client", func(in in) (any, error) { return map[string]any{"vars": map[string]string{"\n": in.Filename}}, nil }, ""},
		{"it repeats the name", func(in in) (any, error) { return []string{in.Filename}, nil }, "control character"},
		{"as a name", func(in in) (any, error) { return map[string]string{in.Filename: ""}, nil }, "control character"},
		{"in a signed URL", func(in in) (any, error) { return "https://a.example/?d=" + url.QueryEscape(in.Filename), nil }, "control character"},
		{"in the path of a URL", func(in in) (any, error) { return "https://a.example/" + url.PathEscape(in.Filename), nil }, "control character"},
		{"in a policy", func(in in) (any, error) {
			text, err := json.Marshal([]string{in.Filename})
			return base64.StdEncoding.EncodeToString(text), err
		}, "control character"},
		{"a panic", func(in) (any, error) { panic("no") }, "status 500"},
		{"a code of its own", func(in) (any, error) { return nil, refusal(api.Internal, nil) }, "status 500"},
		{"too many faults", func(in) (any, error) { return nil, refusal(api.InvalidRequest, make([]api.Fault, 21)) }, "21 faults"},
		{"a long refusal", func(in) (any, error) { return nil, refusal(api.InvalidRequest, strings.Repeat("x", poison.MaxRefusal)) }, "bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, found := function(tt.handle), []string(nil)
			for _, c := range sound.Cases() {
				if !strings.HasPrefix(c.Name, "filename:") {
					continue
				}
				out, err := f.Invoke(t.Context(), "r", sound.Spoilt(c).Trigger())
				if err != nil {
					t.Fatal(err)
				}
				_, wrong := poison.Judge(out, "vars")
				found = append(found, wrong...)
			}
			if ok := slices.ContainsFunc(found, func(s string) bool { return strings.Contains(s, tt.want) }); tt.want == "" && found != nil || tt.want != "" && !ok {
				t.Errorf("found %d faults %q, want %q", len(found), found[:min(len(found), 3)], tt.want)
			}
		})
	}
}

func TestRatio(t *testing.T) {
	poison.NeedsCPU(t)
	text := []byte(poison.Texts(256 << 10)[0].Value)
	times := func(n int) func() {
		return func() {
			for range n {
				json.Valid(text)
			}
		}
	}
	if got := poison.Ratio(times(2), times(1), 3); got > 3 {
		t.Errorf("twice the work is %.1f times as much, want about 2", got)
	}
	if got := poison.Ratio(times(8), times(1), 5); got <= 5 {
		t.Errorf("eight times the work is %.1f times as much", got)
	}
}

// The texts are as large as they may be, and valid but for one.
func TestTexts(t *testing.T) {
	const size = 256 << 10
	for _, text := range poison.Texts(size) {
		if n := len(text.Value); n > size || n < size*3/4 {
			t.Errorf("%s: %d bytes of %d", text.Name, n, size)
		}
		if json.Valid([]byte(text.Value)) != (text.Name != "lists nested as deep as they fit") {
			t.Errorf("%s is valid: %v", text.Name, !json.Valid([]byte(text.Value)))
		}
	}
}
