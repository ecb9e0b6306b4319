package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// record runs a deployment that records, uses it, and returns its log.
func record(t *testing.T, trigger fc.Trigger) string {
	t.Helper()
	log := new(bytes.Buffer)
	o := stack.Options{Trigger: trigger, Binaries: stacktest.Binaries(t), Settings: map[string]string{"LOG_EVENTS": "redacted"}, Log: log}
	s, err := stack.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, token, body string, want int) map[string]any {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, s.Ready.Gateway+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		text, err := io.ReadAll(a.Body)
		if err != nil || a.StatusCode != want {
			t.Fatalf("%s %s = %d %s, %v, want %d", method, path, a.StatusCode, text, err, want)
		}
		var answer map[string]any
		_ = json.Unmarshal(text, &answer) // some have no body
		return answer
	}
	token := s.Ready.CallerToken
	issued := ask("POST", "/presign", token, `{"filename":"a b+c.png","size":5,"vars":{"album":"first"}}`, 200)
	put, err := http.NewRequestWithContext(t.Context(), "PUT", issued["url"].(string), strings.NewReader("12345"))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range issued["headers"].(map[string]any) {
		put.Header.Set(name, value.(string))
	}
	a, err := http.DefaultClient.Do(put)
	if err != nil || a.StatusCode != 200 {
		t.Fatalf("PUT = %v, %v", a, err)
	}
	a.Body.Close()
	ask("POST", "/presign", "", `{}`, 401)
	ask("POST", "/presign", "no.such.token", `{}`, 401)
	ask("POST", "/presign", token, `{"filename":`, 400)
	ask("OPTIONS", "/presign", "", "", 204)
	ask("GET", "/presign", token, "", 405)
	ask("GET", "/s3/params?filename=a%20b.png&type=image%2Fpng&metadata%5Bname%5D=100%2525", token, "", 200)
	begun := ask("POST", "/s3/multipart", token, `{"filename":"a.mp4","type":"video/mp4"}`, 200)
	ask("GET", "/s3/multipart/"+begun["uploadId"].(string)+"/7", token, "", 200)
	ask("GET", "/s3/multipart/bogus/7", token, "", 403)
	ask("POST", "/confirm", token, `{"uploadToken":"`+issued["uploadToken"].(string)+`"}`, 200)
	ask("POST", "/callback", "", `bucket=x&object=y`, 403)
	ask("POST", "/_local/timer", "", `{"do":"deliver"}`, 200)
	// The trigger's event is recorded too, and all that still runs ends before the log
	// is read.
	if err := s.Triggered.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return log.String()
}

func replayed(t *testing.T, log string, more ...string) ([]result, error) {
	t.Helper()
	var out, diagnostics bytes.Buffer
	o, err := parseFlags(append(more, "-json", "-"), &diagnostics)
	if err != nil {
		t.Fatal(err, diagnostics.String())
	}
	o.stack.Binaries = stacktest.Binaries(t)
	err = o.run(t.Context(), strings.NewReader(log), &out, &diagnostics)
	var results []result
	for line := range bytes.Lines(out.Bytes()) {
		var r result
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		results = append(results, r)
	}
	return results, err
}

// What this tree records it answers the same way, as far as no secret decides.
func TestReplay(t *testing.T) {
	stacktest.EndToEnd(t)
	for _, trigger := range []fc.Trigger{fc.TriggerAPIGateway, fc.TriggerHTTP} {
		t.Run(string(trigger), func(t *testing.T) {
			t.Parallel()
			log := record(t, trigger)
			fixtures := t.TempDir()
			results, err := replayed(t, log, "-fixture", filepath.Join(fixtures, "new"))
			for _, r := range results {
				t.Logf("%+v", r)
			}
			if err != nil {
				t.Fatal(err)
			}
			unprovable := map[string]bool{ // by what they are answered with there
				"callback POST /callback 200": true, "complete GET /s3/multipart/{}/7 200": true, "complete POST /confirm 200": true,
			}
			seen := map[string]int{}
			for _, r := range results {
				seen[r.Function+" "+r.Trigger]++
				if key := r.Function + " " + r.What + " " + r.Recorded.String(); (r.Verdict == unproven) != unprovable[key] {
					t.Errorf("%s: %s, answered %s here", key, r.Verdict, r.Replayed)
				}
			}
			for _, want := range []string{"presign " + string(trigger), "complete " + string(trigger), "callback " + string(trigger), "complete timer", "complete oss"} {
				if seen[want] == 0 {
					t.Errorf("nothing is recorded of %s among %v", want, seen)
				}
			}
			files, err := filepath.Glob(filepath.Join(fixtures, "new", "*.json"))
			if err != nil || len(files) < 8 || len(files) > len(results) {
				t.Errorf("%d fixtures of %d events, %v", len(files), len(results), err)
			}
			for _, file := range files {
				if text, err := os.ReadFile(file); err != nil || !json.Valid(text) {
					t.Errorf("%s is no JSON: %s, %v", file, text, err)
				}
			}
		})
	}
}

func TestReplayTellsDifferences(t *testing.T) {
	stacktest.EndToEnd(t)
	t.Parallel()
	lineOf := func(status, code, method, path string) string {
		return `2026-11-21 01:02:03 {"msg":"event","requestId":"1","function":"presign","trigger":"http","status":` + status + `,"code":"` + code + `",` +
			`"event":{"version":"v1","rawPath":"` + path + `","requestContext":{"http":{"method":"` + method + `"}}}}` + "\n"
	}
	line := func(status, code, method string) string { return lineOf(status, code, method, "/presign") }
	log := line("500", "internal", "POST") + lineOf("200", "", "POST", "/nosuch") + lineOf("404", "not_found", "POST", "/nosuch") + lineOf("200", "", "POST", "/<#1 999999999 alnum>")
	more, err := replayed(t, log, "-fixture", filepath.Join(t.TempDir(), "new"))
	if len(more) != 4 || more[0].Verdict != differs || more[1].Verdict != differs || more[2].Verdict != same || more[3].Err == "" || !errors.Is(err, errDiffers) {
		t.Errorf("a failure, no route twice, a bad line = %+v, %v", more, err)
	}
	results, err := replayed(t, line("401", "unauthenticated", "POST")+line("200", "", "POST")+line("200", "", "GET")+line("502", "storage_error", "OPTIONS"))
	var verdicts []string
	for _, r := range results {
		verdicts = append(verdicts, string(r.Verdict))
	}
	if got := strings.Join(verdicts, " "); got != "same unproven differs differs" || !errors.Is(err, errDiffers) {
		t.Errorf("verdicts = %s, %v: %+v", got, err, results)
	}
}

func TestCompare(t *testing.T) {
	noObject, noRoute := outcome{Status: 404, Code: "not_found"}, outcome{Status: 404, Code: "not_found", noRoute: true}
	refused, done := outcome{Status: 401, Code: "unauthenticated"}, outcome{Status: 200}
	for _, tt := range []struct {
		recorded, replayed outcome
		want               verdict
	}{
		{done, done, same}, {noObject, noRoute, same}, {outcome{Status: 502, Code: "storage_error"}, outcome{Status: 502, Code: "storage_error"}, same},
		{done, noObject, unproven}, {done, refused, unproven}, {outcome{Status: 409, Code: "aborted"}, refused, unproven},
		{done, noRoute, differs}, {refused, noRoute, differs}, {refused, done, differs},
		{outcome{Status: 500, Code: "internal"}, refused, differs}, {outcome{Status: 503, Code: "throttled"}, noObject, differs},
		{outcome{Status: 400, Code: "invalid_json"}, refused, differs}, {outcome{}, refused, differs},
	} {
		if got := compare(tt.recorded, tt.replayed); got != tt.want {
			t.Errorf("compare(%s, %s) = %s, want %s", tt.recorded, tt.replayed, got, tt.want)
		}
	}
}

func TestRead(t *testing.T) {
	const event = `{"msg":"event","function":"presign","trigger":"http","status":200,"code":"","event":{"path":"/<#1 4 alnum>"}}`
	quoted, err := json.Marshal(map[string]string{"__time__": "1", "message": event})
	if err != nil {
		t.Fatal(err)
	}
	log := "FC Invoke Start RequestId: 1\n" + event + "\r\n2026-11-21 req [INFO] {x} " + event + "\n" + string(quoted) + "\n" +
		`{"msg":"request","route":"/presign"}` + "\n" + strings.Repeat("x", 3*maxLine) + event + "\n" + `{"msg":"event"}` + "\n{{{{{{{{{{\n" + event
	f, err := read(strings.NewReader(log), 10)
	if err != nil || len(f.events) != 4 || f.left != 0 || f.long != 1 {
		t.Fatalf("read = %d events, %d left, %d long, %v, want 4, 0, 1", len(f.events), f.left, f.long, err)
	}
	for _, e := range f.events {
		if e.Function != "presign" || e.Status != 200 || string(e.Event) != `{"path":"/<#1 4 alnum>"}` {
			t.Errorf("an event is read as %+v", e)
		}
	}
	if f, err := read(strings.NewReader(log), 3); err != nil || len(f.events) != 3 || f.left != 1 {
		t.Errorf("read of 3 = %d, %d left, %v", len(f.events), f.left, err)
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{}, {"-max", "0", "x"}, {"-set", "NAME", "x"}, {"-nosuch", "x"}} {
		if err := run(context.Background(), args, nil, io.Discard, io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("run(%q) = %v, want wrong usage", args, err)
		}
	}
	for _, args := range [][]string{{filepath.Join(t.TempDir(), "none")}, {"-"}} {
		if err := run(context.Background(), args, strings.NewReader("nothing\n"), io.Discard, io.Discard); err == nil || errors.Is(err, errUsage) {
			t.Errorf("run(%q) = %v, want an error", args, err)
		}
	}
}
