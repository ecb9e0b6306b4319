package main

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"ossupload/shared/fchttp"
	"ossupload/shared/osscallback"
	"ossupload/shared/poison"
)

func judged(t testing.TB, f *fchttp.Adapter, event []byte) (poison.Answer, []string) {
	t.Helper()
	out, err := f.Invoke(t.Context(), "request-1", event)
	if err != nil {
		t.Fatalf("%v of the event %q", err, event)
	}
	return poison.Judge(out, "vars")
}

// gateway is the message as an API gateway hands it over.
func (m *message) gateway() []byte {
	header := make(map[string]string)
	for name, values := range m.header {
		header[name] = values[0]
	}
	return poison.Request{Method: m.method, Path: m.path, Header: header, Body: m.body}.Gateway()
}

// What OSS signed is believed no more for that: whatever stands in a field, the
// callback is rejected, or what is announced holds no control character.
func TestPoisonInEveryField(t *testing.T) {
	fields, err := url.ParseQuery(notice(t, nil))
	if err != nil || len(fields) != 6 {
		t.Fatalf("the notice has the fields %v, %v", fields, err)
	}
	w := newWorld(t)
	f := w.function(t)
	if a, wrong := judged(t, f, callback(t).event(t)); a.Status != 200 || wrong != nil {
		t.Fatalf("an honest callback = %d %s %q", a.Status, a.Body, wrong)
	}
	for name := range fields {
		rest := maps.Clone(fields)
		delete(rest, name)
		sound := fields.Get(name)
		for _, s := range append(poison.Strings(), "%00", "%zz", "%", "&", "=") {
			for _, value := range []string{s, url.QueryEscape(s), url.QueryEscape(sound + s), url.QueryEscape(s + sound), url.QueryEscape(sound) + "&" + name + "=" + url.QueryEscape(s)} {
				m := callback(t)
				m.says(t, rest.Encode()+"&"+name+"="+value)
				for _, event := range [][]byte{m.event(t), m.gateway()} {
					a, wrong := judged(t, f, event)
					if wrong != nil {
						t.Errorf("%s=%q = %d %s: %q", name, value, a.Status, a.Body, wrong)
					}
					// Of the request id nothing is asked but that it is there.
					if a.Status == 200 && name != "reqId" && value != url.QueryEscape(sound) {
						t.Errorf("%s=%q was taken", name, value)
					}
				}
			}
		}
	}
	for _, d := range w.backend.deliveries {
		if wrong := poison.Controls(d.body, "vars"); wrong != nil {
			t.Errorf("delivered %q: %q", d.body, wrong)
		}
	}
}

func TestPoisonInHeaders(t *testing.T) {
	f := newWorld(t).function(t)
	for _, name := range []string{"Authorization", "x-oss-pub-key-url", "x-oss-signature-version"} {
		for _, s := range poison.Strings() {
			for _, place := range []func(sound string) []string{
				func(string) []string { return []string{s} },
				func(sound string) []string { return []string{sound + s} },
				func(sound string) []string { return []string{s + sound} },
				func(sound string) []string { return []string{sound, sound} },
			} {
				m := callback(t)
				m.header[name] = place(m.header[name][0])
				if s == "" && len(m.header[name]) == 1 && m.header[name][0] != "" {
					continue // as it was
				}
				if a, wrong := judged(t, f, m.event(t)); wrong != nil || a.Status == 200 {
					t.Errorf("%s: %q = %d %s: %q, want a refusal", name, m.header[name], a.Status, a.Body, wrong)
				}
			}
		}
	}
}

// forms are bodies of a size, made of one thing.
func forms(size int) map[string]string {
	filled := func(open, item string) string { return open + strings.Repeat(item, (size-len(open))/len(item)) }
	return map[string]string{
		"ampersands":         filled("", "&"),
		"equal signs":        filled("", "="),
		"one field again":    filled("", "size=5&"),
		"fields":             filled("", "a=1&b=2&"),
		"a field":            filled("bucket=", "x"),
		"a name":             filled("", "x"),
		"escapes":            filled("bucket=", "%00"),
		"escapes of escapes": filled("bucket=", "%25"),
		"broken escapes":     filled("bucket=", "%"),
		"plus signs":         filled("bucket=", "+"),
		"digits":             filled("size=", "9"),
		"a token":            filled("token=v1.k1.", "A"),
		"semicolons":         filled("", ";"),
		"line feeds":         filled("", "\n"),
		"NULs":               filled("", "\x00"),
		"what is not UTF-8":  filled("bucket=", "\xff"),
	}
}

// A body as large as it may be is cheap, signed by nobody or by OSS itself.
func TestPoisonIsCheap(t *testing.T) {
	poison.NeedsCPU(t)
	const bound = 5
	f := newWorld(t).function(t)
	for name, body := range forms(osscallback.MaxBody) {
		for _, signed := range []bool{false, true} {
			m := callback(t)
			if m.body = body; signed {
				m.says(t, body)
			}
			event := m.event(t)
			if a, wrong := judged(t, f, event); a.Code != "callback_rejected" || wrong != nil {
				t.Errorf("%s = %d %.1000s %q, want callback_rejected", name, a.Status, a.Body, wrong)
			}
			ratio := poison.Ratio(func() { _, _ = f.Invoke(t.Context(), "request-1", event) }, func() { json.Valid(event) }, bound)
			if ratio > bound {
				t.Errorf("%s, signed %v: %.1f times the CPU of json.Valid, want at most %d", name, signed, ratio, bound)
			}
		}
	}
	m := callback(t)
	m.says(t, strings.Repeat("x", osscallback.MaxBody+1))
	if a, wrong := judged(t, f, m.event(t)); a.Code != "too_large" || wrong != nil {
		t.Errorf("a byte more = %s %q, want too_large", a.Code, wrong)
	}
}

// BenchmarkPoison prints for each body of 64 KiB how many times the CPU of
// json.Valid on the event, and of url.ParseQuery on the body, an invocation costs.
func BenchmarkPoison(b *testing.B) {
	poison.NeedsCPU(b)
	f := newWorld(b).function(b)
	all := forms(osscallback.MaxBody)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b.Run(name, func(b *testing.B) {
			m := callback(b)
			m.says(b, all[name])
			event := m.event(b)
			invoke := func() { _, _ = f.Invoke(b.Context(), "request-1", event) }
			for b.Loop() {
				b.ReportMetric(poison.Ratio(invoke, func() { json.Valid(event) }, 0), "x/event")
				b.ReportMetric(poison.Ratio(invoke, func() { _, _ = url.ParseQuery(all[name]) }, 0), "x/form")
			}
		})
	}
}
