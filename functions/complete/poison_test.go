package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"ossupload/shared/fchttp"
	"ossupload/shared/poison"
	"ossupload/shared/route"
	"ossupload/shared/uploadtoken"
)

// inOf is what a route reads a request into.
func inOf[In, Out any](route.Handler[In, Out]) reflect.Type { return reflect.TypeFor[In]() }

// table are all routes of the function.
func (f *fixture) table() []fchttp.Route {
	routes := append(f.handler.uploads(""), f.handler.uploads("/c/{capability}")...)
	return append(routes, fchttp.Route{Method: "POST", Pattern: "/confirm"})
}

// poisoned are the routes, each with a request that is granted, of an upload of its
// own that has one part.
func (f *fixture) poisoned() []poison.Route {
	f.t.Helper()
	var h *handler
	header := map[string]string{"Authorization": "alice", "Content-Type": "application/json"}
	creates := map[string]string{
		"filename": `"a.png"`, "type": `"image/png"`, "size": `5`, "partSize": `102400`, "checksum.crc64": `"123"`,
		"metadata.*": `"summer"`, "metadata.(name)": `"album"`, "vars.*": `"w"`, "vars.(name)": `"order"`,
	}
	params := map[string]string{"filename": "a.png", "type": "image/png", "metadata.*": "summer", "metadata.(name)": "album"}
	s := f.start(`{"filename":"a.png","type":"image/png","size":5,"partSize":102400,"vars":{"order":"w"}}`)
	part := f.fill(s, 5)[0]
	ref := map[string]string{"uploadId": s.UploadID, "key": s.Key}
	with := func(more ...string) map[string]string {
		all := map[string]string{"uploadId": s.UploadID, "key": s.Key}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	var all []poison.Route
	for _, base := range []string{"", "/c/{capability}"} {
		below := []poison.Route{
			{Method: "GET", Pattern: "/s3/params", In: inOf(h.params), Sound: params},
			{Method: "POST", Pattern: "/s3/multipart", In: inOf(h.create), Sound: creates},
			{Method: "GET", Pattern: "/s3/multipart/{uploadId}", In: inOf(h.list), Sound: ref},
			{Method: "GET", Pattern: "/s3/multipart/{uploadId}/{partNumber}", In: inOf(h.part), Sound: with("partNumber", "1")},
			{Method: "GET", Pattern: "/s3/multipart/{uploadId}/batch", In: inOf(h.batch), Sound: with("partNumbers", "1", "as", "template")},
			{Method: "POST", Pattern: "/s3/multipart/{uploadId}/complete", In: inOf(h.complete), Sound: with("checksum.crc64", `"`+part.CRC64+`"`, "parts[].PartNumber", `1`, "parts[].ETag", `"`+part.ETag+`"`)},
			{Method: "DELETE", Pattern: "/s3/multipart/{uploadId}", In: inOf(h.abort), Sound: ref},
		}
		for _, r := range below {
			if r.Pattern, r.Header = base+r.Pattern, header; base != "" {
				sound := map[string]string{"capability": strings.TrimPrefix(f.session(nil), "/c/")}
				for name, value := range r.Sound {
					sound[name] = value
				}
				r.Sound, r.Header = sound, map[string]string{"Content-Type": "application/json"}
			}
			all = append(all, r)
		}
	}
	claims, token := f.stored(nil)
	confirms := map[string]string{"uploadToken": `"` + token + `"`, "key": `"` + claims.Key + `"`}
	for _, one := range []string{"uploadToken", "key"} {
		all = append(all, poison.Route{
			Method: "POST", Pattern: "/confirm", In: inOf(h.confirm), Header: header, Sound: confirms, Base: map[string]string{one: confirms[one]},
		})
	}
	return all
}

func (f *fixture) judged(adapter *fchttp.Adapter, event []byte) (poison.Answer, []string) {
	f.t.Helper()
	out, err := adapter.Invoke(f.t.Context(), "request-1", event)
	if err != nil {
		f.t.Fatalf("%v of the event %q", err, event)
	}
	a, wrong := poison.Judge(out, "vars")
	for _, e := range f.webhook.taken() {
		wrong = append(wrong, poison.Controls(e.body, "vars")...)
	}
	for line := range bytes.Lines(f.log.Bytes()) {
		wrong = append(wrong, poison.Controls(bytes.TrimSuffix(line, []byte("\n")))...)
	}
	f.log.Reset()
	return a, wrong
}

func TestPoisonKnowsAllRoutes(t *testing.T) {
	f, known := newFixture(t), map[string]bool{}
	for i, r := range f.poisoned() {
		known[r.Method+" "+r.Pattern] = true
		if names := r.Unsound(); names != nil {
			t.Errorf("%s %s: the fields %q have no sound value", r.Method, r.Pattern, names)
		}
		for _, event := range []func(poison.Request) []byte{poison.Request.Trigger, poison.Request.Gateway} {
			if a, wrong := f.judged(f.adapter(), event(f.poisoned()[i].Granted())); a.Status != http.StatusOK || wrong != nil {
				t.Errorf("%s %s = %d %s %q, want 200", r.Method, r.Pattern, a.Status, a.Body, wrong)
			}
		}
	}
	for _, r := range f.table() {
		if !known[r.Method+" "+r.Pattern] {
			t.Errorf("%s %s is not tried", r.Method, r.Pattern)
		}
	}
}

// What no field was made for is refused as it should be, or does no harm: no answer,
// event or log line holds a control character, vars excepted, which are the
// uploader's own words and escaped.
func TestPoisonInEveryField(t *testing.T) {
	f := newFixture(t)
	adapter := f.adapter()
	for i, r := range f.poisoned() {
		taken, fresh := 0, f.poisoned()[i]
		for n, c := range r.Cases() {
			if testing.Short() && n%5 != 0 {
				continue
			}
			event := poison.Request.Trigger
			if n%2 == 1 {
				event = poison.Request.Gateway
			}
			a, wrong := f.judged(adapter, event(fresh.Spoilt(c)))
			if wrong != nil {
				t.Errorf("%s with %s = %d %s: %q", r.Pattern, c.Name, a.Status, a.Body, wrong)
			}
			if c.Malformed() && a.Code != "invalid_json" {
				t.Errorf("%s with %s = %d %s, want invalid_json", r.Pattern, c.Name, a.Status, a.Body)
			}
			if a.Status != http.StatusOK {
				continue
			}
			taken++
			if strings.HasSuffix(r.Pattern, "/s3/multipart") {
				f.completes(t, adapter, c.Name, a)
			}
			if r.Method == "DELETE" || strings.HasSuffix(r.Pattern, "/complete") {
				fresh = f.poisoned()[i]
			}
		}
		t.Logf("%s %s: %d of %d were taken", r.Method, r.Pattern, taken, len(r.Cases()))
	}
}

// completes goes on with an upload that was begun with something odd.
func (f *fixture) completes(t *testing.T, adapter *fchttp.Adapter, name string, a poison.Answer) {
	t.Helper()
	var s started
	err := json.Unmarshal([]byte(a.Body), &s.createResponse)
	if err == nil {
		s.claims, err = f.keyring.Open(uploadtoken.Multipart, s.UploadID, f.clock)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	f.fill(s, 5)
	event := poison.Request{Method: "POST", Path: s.path("/complete"), Header: map[string]string{"Authorization": "alice"}}.Gateway()
	if a, wrong := f.judged(adapter, event); wrong != nil || a.Status != http.StatusOK && a.Code != "parts_mismatch" && a.Code != "checksum_mismatch" {
		t.Errorf("begun with %s, completed as %d %s: %q", name, a.Status, a.Body, wrong)
	}
}

// bound is how many times the CPU of json.Valid a request may cost.
const bound = 5

// 2 MiB made of one thing cost little more than looking through them, also where
// members that nobody knows are ignored; and a smaller body does in each field.
func TestPoisonIsCheap(t *testing.T) {
	poison.NeedsCPU(t)
	if testing.Short() {
		t.Skip("it takes some seconds of CPU")
	}
	f := newFixture(t)
	for _, r := range f.poisoned() {
		switch r.Method + " " + r.Pattern {
		case "POST /s3/multipart":
			f.cheap(t, r.Large(2<<20))
		case "POST /s3/multipart/{uploadId}/complete", "POST /confirm":
		default:
			continue
		}
		f.cheap(t, r.LargeFields(512<<10))
	}
}

func (f *fixture) cheap(t *testing.T, requests []poison.Large) {
	t.Helper()
	for _, request := range requests {
		event := request.Trigger()
		a, wrong := f.judged(f.adapter(), event)
		// What is not known is ignored, and the rest of it may be granted.
		if wrong != nil || a.Code == "too_large" {
			t.Errorf("%s = %d %.1000s: %q", request.Name, a.Status, a.Body, wrong)
		}
		if ratio := f.ratio(event, request.Yardstick(event), bound); ratio > bound {
			t.Errorf("%s: %.1f times the CPU of json.Valid, want at most %d", request.Name, ratio, bound)
		}
	}
}

func (f *fixture) ratio(event []byte, yardstick func(), enough float64) float64 {
	adapter := f.adapter()
	return poison.Ratio(
		func() { _, _ = adapter.Invoke(f.t.Context(), "request-1", event) },
		yardstick,
		enough,
	)
}

// The largest body is read, and a larger one is not, on a route that reads one.
func TestPoisonTooLarge(t *testing.T) {
	f := newFixture(t)
	for _, r := range f.poisoned() {
		for extra, want := range map[int]string{0: "invalid_json", 1: "too_large"} {
			request := r.Granted()
			request.Body = strings.Repeat("x", 2<<20+extra)
			a, wrong := f.judged(f.adapter(), request.Trigger())
			unread := extra == 0 && r.Method != "POST" && a.Code != "too_large"
			if !unread && string(a.Code) != want || wrong != nil {
				t.Errorf("%s %s with 2 MiB and %d bytes = %s %q, want %s", r.Method, r.Pattern, extra, a.Code, wrong, want)
			}
		}
	}
}

// BenchmarkPoison prints for each body of 2 MiB how many times the CPU of
// json.Valid the whole invocation costs: on the event, and on the body alone.
func BenchmarkPoison(b *testing.B) {
	poison.NeedsCPU(b)
	f := newFixture(b)
	for _, r := range f.poisoned()[:7] {
		if r.Method != "POST" {
			continue
		}
		for _, request := range append(r.Large(2<<20), r.LargeFields(2<<20)...) {
			b.Run(strings.ReplaceAll(request.Name, "/", " "), func(b *testing.B) {
				event, body := request.Trigger(), []byte(request.Body)
				for b.Loop() {
					b.ReportMetric(f.ratio(event, func() { json.Valid(event) }, 0), "x/event")
					b.ReportMetric(f.ratio(event, func() { json.Valid(body) }, 0), "x/body")
				}
			})
		}
	}
}
