package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"ossupload/shared/poison"
	"ossupload/shared/route"
	"ossupload/shared/uploadtoken"
)

// inOf is what a route reads a request into.
func inOf[In, Out any](route.Handler[In, Out]) reflect.Type { return reflect.TypeFor[In]() }

// poisoned are the routes, each with a request that is granted and has all fields.
func poisoned(t testing.TB) []poison.Route {
	t.Helper()
	var h *handler
	header := map[string]string{"Authorization": "Bearer " + token(t, "alice", nil), "Content-Type": "application/json"}
	asPut := map[string]string{
		"filename": `"a.png"`, "size": `5`, "contentType": `"image/png"`, "as": `"put"`, "storageClass": `"IA"`, "expiresIn": `60`,
		"checksum.md5": `"ICy5YqxZB1uWSwcVLSNLcA=="`, "checksum.crc64": `"123"`,
		"metadata.*": `"summer"`, "metadata.(name)": `"album"`, "tags.*": `"x"`, "tags.(name)": `"project"`, "vars.*": `"w"`, "vars.(name)": `"order"`,
	}
	asForm, asURL := withBase(asPut, `"form"`), withBase(asPut, `"url"`)
	return []poison.Route{
		{Method: "POST", Pattern: "/presign", In: inOf(h.presign), Sound: asPut, Base: asPut, Header: header},
		{Method: "POST", Pattern: "/presign", In: inOf(h.presign), Sound: asPut, Base: asForm, Header: header},
		{Method: "POST", Pattern: "/presign", In: inOf(h.presign), Sound: asPut, Base: asURL, Header: header},
		{Method: "POST", Pattern: "/download", In: inOf(h.download), Header: header, Sound: map[string]string{
			"key": `"u/alice/a.png"`, "versionId": `"v1"`, "process": `"image/resize,w_100"`, "filename": `"a.png"`, "inline": `false`, "expiresIn": `60`,
		}},
		{Method: "POST", Pattern: "/sts", In: inOf(h.sts), Sound: map[string]string{"prefix": `"albums/"`}, Header: header},
		{Method: "POST", Pattern: "/session", In: inOf(h.session), Sound: map[string]string{"expiresIn": `60`}, Header: header},
	}
}

// withBase are the members of an upload of another kind, which a url cannot all
// have.
func withBase(sound map[string]string, as string) map[string]string {
	base := map[string]string{"filename": sound["filename"], "size": sound["size"], "as": as, "contentType": sound["contentType"]}
	if as == `"form"` {
		base["storageClass"] = sound["storageClass"]
	}
	return base
}

// forPoison is the function with every route, and what they are asked for.
func forPoison(t testing.TB) function {
	t.Helper()
	s := newSetup(t).withSTS(t)
	s.vault.objects["u/alice/a.png?v1"] = s.vault.objects["u/alice/a.png"]
	return s.function(t)
}

func TestPoisonKnowsAllRoutes(t *testing.T) {
	h, err := newHandler(newSetup(t).settings, newSetup(t).outside)
	if err != nil {
		t.Fatal(err)
	}
	f, known := forPoison(t), map[string]bool{}
	for _, r := range poisoned(t) {
		known[r.Method+" "+r.Pattern] = true
		if names := r.Unsound(); names != nil {
			t.Errorf("%s %s: the fields %q have no sound value", r.Method, r.Pattern, names)
		}
		for _, event := range [][]byte{r.Granted().Trigger(), r.Granted().Gateway()} {
			if a, wrong := f.poisoned(t, event); a.Status != 200 || wrong != nil {
				t.Errorf("%s %s = %d %s %q, want 200", r.Method, r.Pattern, a.Status, a.Body, wrong)
			}
		}
	}
	for _, r := range h.table() {
		if !known[r.Method+" "+r.Pattern] {
			t.Errorf("%s %s is not tried", r.Method, r.Pattern)
		}
	}
}

func (f function) poisoned(t testing.TB, event []byte, words ...string) (poison.Answer, []string) {
	t.Helper()
	out, err := f.adapter.Invoke(t.Context(), "request-1", event)
	if err != nil {
		t.Fatalf("%v of the event %q", err, event)
	}
	return poison.Judge(out, words...)
}

// What no field was made for is refused as it should be, or does no harm: neither
// what has to be sent nor what was sealed holds a control character.
func TestPoisonInEveryField(t *testing.T) {
	f := forPoison(t)
	for _, r := range poisoned(t) {
		taken := 0
		for n, c := range r.Cases() {
			if testing.Short() && n%5 != 0 {
				continue
			}
			for _, event := range [][]byte{r.Spoilt(c).Trigger(), r.Spoilt(c).Gateway()} {
				a, wrong := f.poisoned(t, event)
				if wrong != nil {
					t.Errorf("%s with %s = %d %s: %q", r.Pattern, c.Name, a.Status, a.Body, wrong)
				}
				if c.Malformed() && a.Code != "invalid_json" {
					t.Errorf("%s with %s = %d %s, want invalid_json", r.Pattern, c.Name, a.Status, a.Body)
				}
				if a.Status == 200 {
					taken++
					checkSealed(t, r.Pattern+" with "+c.Name, a.Body)
				}
			}
		}
		t.Logf("%s: %d of %d were taken", r.Pattern, taken, 2*len(r.Cases()))
	}
}

// checkSealed opens what a grant sealed.
func checkSealed(t *testing.T, name, body string) {
	t.Helper()
	var got upload
	if json.Unmarshal([]byte(body), &got) != nil || got.UploadToken == "" {
		return
	}
	claims := open(t, uploadtoken.Upload, got.UploadToken)
	// Vars are the uploader's own words, which nothing but JSON carries.
	for _, s := range []string{claims.Key, claims.ContentType, claims.CRC64, claims.Filename, claims.Metadata} {
		if strings.ContainsFunc(s, isControl) {
			t.Errorf("%s: the token holds %q", name, s)
		}
	}
}

func isControl(r rune) bool { return r < ' ' || 0x7f <= r && r < 0xa0 }

// bound is how many times the CPU of json.Valid a request may cost.
const bound = 5

// 2 MiB made of one thing cost little more than looking through them; and a smaller
// body does in each field.
func TestPoisonIsCheap(t *testing.T) {
	poison.NeedsCPU(t)
	if testing.Short() {
		t.Skip("it takes some seconds of CPU")
	}
	f := forPoison(t)
	routes := poisoned(t)
	f.cheap(t, routes[0].Large(2<<20))
	tried := make(map[string]bool)
	for _, r := range routes {
		if !tried[r.Pattern] {
			f.cheap(t, r.LargeFields(512<<10))
		}
		tried[r.Pattern] = true
	}
}

func (f function) cheap(t *testing.T, requests []poison.Large) {
	t.Helper()
	for _, request := range requests {
		event := request.Trigger()
		a, wrong := f.poisoned(t, event)
		if wrong != nil || a.Status == 200 || a.Code == "too_large" {
			t.Errorf("%s = %d %.1000s: %q, want a refusal for what it holds", request.Name, a.Status, a.Body, wrong)
		}
		if ratio := f.ratio(t, event, request.Yardstick(event)); ratio > bound {
			t.Errorf("%s: %.1f times the CPU of json.Valid, want at most %d", request.Name, ratio, bound)
		}
	}
}

func (f function) ratio(t testing.TB, event []byte, yardstick func()) float64 {
	return poison.Ratio(func() { _, _ = f.adapter.Invoke(t.Context(), "request-1", event) }, yardstick, bound)
}

// The largest body is read, and a larger one is not.
func TestPoisonTooLarge(t *testing.T) {
	f := forPoison(t)
	for _, r := range poisoned(t) {
		for _, plain := range []bool{false, true} {
			for extra, want := range map[int]string{0: "invalid_json", 1: "too_large"} {
				request := r.Granted()
				request.Plain, request.Body = plain, strings.Repeat("x", 2<<20+extra)
				if a, wrong := f.poisoned(t, request.Trigger()); string(a.Code) != want || wrong != nil {
					t.Errorf("%s with 2 MiB and %d bytes, as text %v = %s %q, want %s", r.Pattern, extra, plain, a.Code, wrong, want)
				}
			}
		}
	}
}

// BenchmarkPoison prints for each body of 2 MiB how many times the CPU of
// json.Valid the whole invocation costs: on the event, and on the body alone.
func BenchmarkPoison(b *testing.B) {
	poison.NeedsCPU(b)
	f := forPoison(b)
	r := poisoned(b)[0]
	for _, request := range append(r.Large(2<<20), r.LargeFields(2<<20)...) {
		b.Run(strings.ReplaceAll(request.Name, "/", " "), func(b *testing.B) {
			event, body := request.Trigger(), []byte(request.Body)
			invoke := func() { _, _ = f.adapter.Invoke(b.Context(), "request-1", event) }
			for b.Loop() {
				b.ReportMetric(poison.Ratio(invoke, func() { json.Valid(event) }, 0), "x/event")
				b.ReportMetric(poison.Ratio(invoke, func() { json.Valid(body) }, 0), "x/body")
			}
		})
	}
}
