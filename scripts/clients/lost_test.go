package clients_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"ossupload/scripts/internal/stack/fault"
)

// lostAnswer is a row of the table in README.md: what goes wrong, and what every
// recipe does then.
type lostAnswer struct {
	step, what string
	faults     []fault.Fault
	does       string
	fails      []string // what it says; nil: it prints the receipt
	objects    int
	events     int // ids of events
	tries      int // of the last fault, which is set many times; 0: as often as it is set
}

func (l lostAnswer) name() string { return l.step + ": " + l.what }

// upload stands for the operation by which a recipe uploads.
const upload = "upload"

// function, storage and callback make the next call fail.
func function(path, mode string) fault.Fault {
	return fault.Fault{Target: "functions", Operation: path, Mode: mode}
}

func storage(operation, mode string) fault.Fault {
	return fault.Fault{Target: "oss", Operation: operation, Mode: mode}
}

var callbackFails = fault.Fault{Target: "callback", Operation: "*", Mode: fault.InternalError}

// many is more than any recipe tries.
func many(f fault.Fault) fault.Fault {
	f.Count = 99
	return f
}

// lostAnswers has one row for each step and mode.
var lostAnswers = slices.Concat(
	unanswered("`/presign`", "asks again", nil, func(mode string) []fault.Fault {
		return []fault.Fault{function("/presign", mode)}
	}),
	[]lostAnswer{
		{step: "PUT", what: "reset, nothing stored", faults: []fault.Fault{storage(upload, fault.ConnectionReset)},
			does: "`/confirm` says 404, so it sends again", objects: 1, events: 1},
		{step: "PUT", what: "500, nothing stored", faults: []fault.Fault{storage(upload, fault.InternalError)},
			does: "`/confirm` says 404, so it sends again", objects: 1, events: 1},
		{step: "PUT", what: "503, nothing stored", faults: []fault.Fault{storage(upload, fault.Unavailable)},
			does: "`/confirm` says 404, so it sends again", objects: 1, events: 1},
		{step: "PUT", what: "stored, and reset", faults: []fault.Fault{storage(upload, fault.StoredThenReset)},
			does: "`/confirm` has the receipt: nothing is sent twice", objects: 1, events: 1},
		{step: "PUT", what: "503, always", faults: []fault.Fault{many(storage(upload, fault.Unavailable))}, tries: 3,
			does: "sends three times in all", fails: []string{"uploading: 503", "ServiceUnavailable"}},
		{step: "callback", what: "fails: 203", faults: []fault.Fault{callbackFails},
			does: "`/confirm` announces it and has the receipt", objects: 1, events: 1},
		{step: "callback", what: "its function fails, and that is answered 200", faults: []fault.Fault{function("/callback", fault.InternalError)},
			does: "`{\"errorMessage\":…}` has no `eventId`: as after 203", objects: 1, events: 1},
		{step: "callback", what: "announced, and its answer is lost: 203", faults: []fault.Fault{function("/callback", fault.StoredThenReset)},
			does: "as after 203, under the same id", objects: 1, events: 1},
	},
	unanswered("`/confirm`", "asks again", []fault.Fault{callbackFails}, func(mode string) []fault.Fault {
		return []fault.Fault{function("/confirm", mode)}
	}),
	[]lostAnswer{
		{step: "`/confirm`", what: "502: OSS does not answer it", faults: []fault.Fault{callbackFails,
			{Target: "oss", Operation: "HeadObject", Mode: fault.InternalError, Count: 2}}, // it tries twice
			does: "asks again", objects: 1, events: 1},
		{step: "`/confirm`", what: "503, always", faults: []fault.Fault{callbackFails, many(function("/confirm", fault.Unavailable))}, tries: 5,
			does: "asks five times within 15 s; `ossupload-repair` announces it later", fails: []string{"asking whether it is stored: 503"}, objects: 1},
	},
)

// unanswered are the ways in which a function does not answer.
func unanswered(step, does string, before []fault.Fault, failing func(mode string) []fault.Fault) []lostAnswer {
	var rows []lostAnswer
	for _, way := range []struct{ what, mode string }{
		{"reset", fault.ConnectionReset},
		{"done, and reset", fault.StoredThenReset},
		{"fails, and that is answered 200", fault.InternalError},
		{"503", fault.Unavailable},
	} {
		rows = append(rows, lostAnswer{step: step, what: way.what, faults: slices.Concat(before, failing(way.mode)), does: does, objects: 1, events: 1})
	}
	return rows
}

// loses runs the recipe while an answer is lost, and counts what there is then.
func (c *check) loses(t *testing.T, l lostAnswer, file string) {
	before := c.world(t)
	defer c.stack.Faults.Clear()
	for _, f := range l.faults {
		if f.Operation == upload {
			f.Operation = c.operation
		}
		if err := c.stack.Faults.Set(f); err != nil {
			t.Fatal(err)
		}
	}
	if l.fails != nil {
		c.fails(t, c.stack.Ready.Gateway, file, c.stack.Ready.CallerToken, l.fails...)
	} else {
		c.receives(t, before, file)
	}
	keys, ids := before.since(c.world(t))
	if len(keys) != l.objects || len(ids) != l.events {
		t.Errorf("there are %d objects and %d event ids more, want %d and %d", len(keys), len(ids), l.objects, l.events)
	}
	left := c.stack.Faults.List()
	if l.tries == 0 && len(left) != 0 {
		t.Errorf("%+v did not happen", left)
	}
	if l.tries != 0 && (len(left) != 1 || 99-left[0].Count != l.tries) {
		t.Errorf("of 99 faults are left: %+v; want %d to have happened", left, l.tries)
	}
}

// receives runs the recipe and expects the receipt of what is new.
func (c *check) receives(t *testing.T, before world, file string) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := c.cmd(t, c.stack.Ready.Gateway, file, c.stack.Ready.CallerToken)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var r receipt
	if err != nil || json.Unmarshal(out, &r) != nil {
		t.Fatalf("it printed %q and %q, %v; want a receipt", out, stderr.Bytes(), err)
	}
	keys, ids := before.since(c.world(t))
	if !slices.Contains(keys, r.Key) || !slices.Contains(ids, r.EventID) {
		t.Errorf("the receipt is of %q and event %q, want one of the new ones: %q, %q", r.Key, r.EventID, keys, ids)
	}
}

// refusals are of the functions and of OSS.
func (c *check) refusals(t *testing.T, large, small string) {
	gateway, token := c.stack.Ready.Gateway, c.stack.Ready.CallerToken
	before := c.world(t)
	c.fails(t, gateway, small, "wrong token", "asking for a", "401", `"code":"unauthenticated"`, `"requestId":"`)
	c.fails(t, gateway, large, token, "asking for a", "400", `"code":"invalid_request"`, `"details":[{"field":"size","reason":"`, `"requestId":"`)
	c.fails(t, c.tampering(t), small, token, "uploading: 403", "<Code>SignatureDoesNotMatch", "<Message>", "<RequestId>")
	if keys, ids := before.since(c.world(t)); len(keys)+len(ids) != 0 {
		t.Errorf("there are objects %q and events %q, want none", keys, ids)
	}
}

// tampering stands before the gateway and changes the signatures that it grants.
func (c *check) tampering(t *testing.T) string {
	gateway, err := url.Parse(c.stack.Ready.Gateway)
	if err != nil {
		t.Fatal(err)
	}
	signature := regexp.MustCompile(`(x-oss-signature(?:=|":"))[0-9a-f]{8}`)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(gateway) },
		ModifyResponse: func(res *http.Response) error {
			body, err := io.ReadAll(res.Body)
			if err != nil {
				return err
			}
			body = signature.ReplaceAll(body, []byte("${1}00000000"))
			res.Body = io.NopCloser(bytes.NewReader(body))
			res.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

// beginEndless starts the recipe at an endpoint that never grants anything. What
// it returns waits for the end, since that takes a while.
func (c *check) beginEndless(t *testing.T, file string) func(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch asked.Add(1) {
		case 1:
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			io.WriteString(w, `{"errorMessage":"out of memory"}`)
		case 3:
			io.WriteString(w, `<html>`)
		case 4:
			w.WriteHeader(http.StatusBadGateway)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, `{"code":"throttled","message":"Busy.","requestId":"1-2","error":"Busy."}`)
		}
	}))
	t.Cleanup(server.Close)
	cmd := c.cmd(t, server.URL, file, "token")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T) {
		err := cmd.Wait()
		const want = `503 {"code":"throttled","message":"Busy.","requestId":"1-2"`
		if err == nil || asked.Load() != 5 || !strings.Contains(out.String(), want) {
			t.Errorf("it ended after %d requests with %v and said %q; want 5, a failure, and %s", asked.Load(), err, &out, want)
		}
	}
}

var update = flag.Bool("update", false, "write the generated parts of README.md anew")

// The page has the table by which TestRecipes runs every recipe.
func TestPageHasTheTable(t *testing.T) {
	const page, begin, end = "README.md", "<!-- lost answers: go test ./scripts/clients -run Page -update -->\n", "<!-- end -->\n"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(text), begin)
	_, tail, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s lacks the comments around the table", page)
	}
	var table strings.Builder
	table.WriteString("| step | what happens | every recipe | objects | event ids | prints |\n|---|---|---|---|---|---|\n")
	for _, l := range lostAnswers {
		prints := "receipt"
		if l.fails != nil {
			prints = "`" + strings.Join(l.fails, " … ") + "`"
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %d | %d | %s |\n", l.step, l.what, l.does, l.objects, l.events, prints)
	}
	if want := head + begin + table.String() + end + tail; want != string(text) {
		if !*update {
			t.Fatalf("%s has not the table of this test: -update writes it anew", page)
		}
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
