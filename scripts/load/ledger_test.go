package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	stored = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	now    = stored.Add(time.Minute)
)

// receiptOf is a receipt as far as it matters here.
func receiptOf(key, id string) receipt {
	return receipt{Key: key, EventID: id, UploadedAt: stored.Format(time.RFC3339Nano)}
}

// announcement is an event about an upload, as it should be.
func announcement(key, id string) event {
	e := event{ID: id, Timestamp: now.Unix(), Verified: true}
	e.Body.Type, e.Body.Timestamp = "upload.completed", stored
	e.Body.Data.receipt = receiptOf(key, id)
	e.Body.Data.Subject = "demo"
	return e
}

// uploaded is an upload whose bytes are its key.
func uploaded(key, id string) upload {
	return upload{kind: kindPut, sum: sha256.Sum256([]byte(key)), receipt: receiptOf(key, id), asked: 2}
}

func TestLedgerAudit(t *testing.T) {
	other := func(change func(*event)) event {
		e := announcement("a", "evt_a")
		change(&e)
		return e
	}
	tests := []struct {
		name    string
		uploads []upload
		events  []event
		shared  bool // others use the stack as well
		want    string
		sum     summary
	}{
		{
			name:    "all is well",
			uploads: []upload{uploaded("a", "evt_a"), uploaded("b", "evt_b")},
			events:  []event{announcement("b", "evt_b"), announcement("a", "evt_a")},
			sum:     summary{uploads: 2, announced: 2, ids: 2, deliveries: 2},
		},
		{
			name:    "a repetition is allowed",
			uploads: []upload{uploaded("a", "evt_a")},
			events:  []event{announcement("a", "evt_a"), announcement("a", "evt_a")},
			sum:     summary{uploads: 1, announced: 1, ids: 1, deliveries: 2},
		},
		{
			name:    "an event is missing",
			uploads: []upload{uploaded("a", "evt_a"), uploaded("b", "evt_b")},
			events:  []event{announcement("a", "evt_a")},
			want:    "put b: event evt_b was never delivered",
			sum:     summary{uploads: 2, announced: 1, ids: 2, deliveries: 1, missing: 1},
		},
		{
			name:    "an upload has two event ids",
			uploads: []upload{uploaded("a", "evt_a")},
			events:  []event{announcement("a", "evt_a"), announcement("a", "evt_z")},
			want:    "put a: it was announced as [evt_a evt_z], its receipt says evt_a",
			sum:     summary{uploads: 1, announced: 1, ids: 1, deliveries: 2, ambiguous: 1},
		},
		{
			name:    "an upload has another id than its receipt says",
			uploads: []upload{uploaded("a", "evt_a")},
			events:  []event{announcement("a", "evt_z")},
			want:    "put a: event evt_a was never delivered; put a: it was announced as [evt_z], its receipt says evt_a",
			sum:     summary{uploads: 1, ids: 1, deliveries: 1, missing: 1, ambiguous: 1},
		},
		{
			name:    "two uploads have one event id",
			uploads: []upload{uploaded("a", "evt_a"), uploaded("b", "evt_a")},
			events:  []event{announcement("a", "evt_a"), announcement("b", "evt_a")},
			want:    "event id evt_a is of a and of b",
			sum:     summary{uploads: 2, announced: 2, ids: 1, deliveries: 2},
		},
		{
			name:    "two uploads have one key",
			uploads: []upload{uploaded("a", "evt_a"), uploaded("a", "evt_b")},
			events:  []event{announcement("a", "evt_a"), announcement("a", "evt_b")},
			want:    "put a: it was announced as [evt_a evt_b], its receipt says evt_a; key a was given to two uploads; put a: it was announced as [evt_a evt_b], its receipt says evt_b",
			sum:     summary{uploads: 2, announced: 2, ids: 2, deliveries: 4, ambiguous: 2},
		},
		{
			name:   "an event is about nothing",
			events: []event{announcement("z", "evt_z")},
			want:   `key "z" has no receipt, but was announced as [evt_z]`,
		},
		{
			name:   "an event is about the upload of somebody else",
			events: []event{announcement("z", "evt_z")},
			shared: true,
		},
		{
			name:    "a signature is wrong",
			uploads: []upload{uploaded("a", "evt_a")},
			events:  []event{other(func(e *event) { e.Verified = false })},
			want:    "the signature of event evt_a does not verify",
			sum:     summary{uploads: 1, announced: 1, ids: 1, deliveries: 1},
		},
		{
			name:    "header and body disagree",
			uploads: []upload{uploaded("a", "evt_a")},
			events:  []event{other(func(e *event) { e.Body.Data.EventID = "evt_b" })},
			want:    `event "evt_a" says that it is event "evt_b"`,
			sum:     summary{uploads: 1, announced: 1, ids: 1, deliveries: 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLedger(!tt.shared)
			for _, u := range tt.uploads {
				l.add(u)
			}
			l.deliver(tt.events, now)
			if sum := l.audit(0); sum != tt.sum {
				t.Errorf("audit = %+v, want %+v", sum, tt.sum)
			}
			if got := texts(l.violations); got != tt.want {
				t.Errorf("violations = %q, want %q", got, tt.want)
			}
		})
	}
}

// texts are violations without their names.
func texts(list []violation) string {
	var all []string
	for _, v := range list {
		all = append(all, v.text)
	}
	return strings.Join(all, "; ")
}

// Each field of an event is held against the receipt, and each is named.
func TestLedgerComparesWholeEvents(t *testing.T) {
	tests := []struct {
		want   string
		change func(*event)
	}{
		{"", func(*event) {}},
		{"event.type", func(e *event) { e.Body.Type = "upload.refused" }},
		{"event.timestamp", func(e *event) { e.Body.Timestamp = now }},
		{"event.sent", func(e *event) { e.Timestamp += 60 }},
		{"event.sent", func(e *event) { e.Timestamp = stored.Unix() - 60 }},
		{"event.signature", func(e *event) { e.Verified = false }},
		{"event.id", func(e *event) { e.Body.Data.EventID = "evt_b" }},
		{"event.size", func(e *event) { e.Body.Data.Size++ }},
		{"event.etag", func(e *event) { e.Body.Data.ETag = "E" }},
		{"event.crc64", func(e *event) { e.Body.Data.CRC64 = "7" }},
		{"event.bucket", func(e *event) { e.Body.Data.Bucket = "other" }},
		{"event.location", func(e *event) { e.Body.Data.Location = "http://example.com/a" }},
		{"event.contentType", func(e *event) { e.Body.Data.ContentType = "text/html" }},
		{"event.versionId", func(e *event) { e.Body.Data.VersionID = "v1" }},
		{"event.filename", func(e *event) { e.Body.Data.Filename = "b" }},
		{"event.metadata", func(e *event) { e.Body.Data.Metadata = "{}" }},
		{"event.vars", func(e *event) { e.Body.Data.Vars = "{}" }},
		{"event.context", func(e *event) { e.Body.Data.Context = "{}" }},
		{"event.subject", func(e *event) { e.Body.Data.Subject = "mallory" }},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			l, e := newLedger(true), announcement("a", "evt_a")
			tt.change(&e)
			l.add(uploaded("a", "evt_a"))
			l.deliver([]event{e}, now)
			l.audit(0)
			names := map[string]bool{}
			for _, v := range l.violations {
				names[v.name] = true
			}
			if tt.want == "" && len(names) > 0 || tt.want != "" && !names[tt.want] {
				t.Errorf("violations = %q, want %q", l.violations, tt.want)
			}
		})
	}
}

func TestLedgerBoundsRepetitions(t *testing.T) {
	l, e := newLedger(true), announcement("a", "evt_a")
	l.add(uploaded("a", "evt_a")) // for whom the client has asked twice
	l.ask(uploaded("a", "evt_a"), 1)
	l.deliver([]event{e, e, e, e}, now)
	if s := l.audit(1); s.unasked != 1 || len(l.violations) != 0 {
		t.Errorf("audit = %+v with %q, want one explained repetition", s, l.violations)
	}
	if l.audit(0); len(l.violations) != 1 || l.violations[0].name != "event.repeated" {
		t.Errorf("violations = %q, want event.repeated", l.violations)
	}
}

func TestLedgerReadBack(t *testing.T) {
	l := newLedger(true)
	for n := range 20 {
		l.add(uploaded(fmt.Sprint("key ", n), fmt.Sprint("evt_", n)))
	}
	whole, err := l.readBack(t.Context(), 3, func(_ context.Context, _ int, key string) ([]byte, error) {
		switch key {
		case "key 4":
			return []byte("others"), nil
		case "key 9":
			return nil, errors.New("gone")
		}
		return []byte(key), nil
	})
	if err != nil || whole != 18 || len(l.violations) != 2 {
		t.Errorf("readBack = %d, %v with %q, want 18 and two violations", whole, err, l.violations)
	}
}

func TestLedgerRefused(t *testing.T) {
	l := newLedger(true)
	for _, status := range []int{403, 413, 502, 0, 200, 203, 307} {
		l.refused(&l.forged, "a forgery", status)
	}
	if want := (tally{sent: 7, refused: 2, unanswered: 2, accepted: 3}); l.forged != want || len(l.violations) != 3 {
		t.Errorf("tally = %+v with %q, want %+v and three violations", l.forged, l.violations, want)
	}
}

func TestLedgerConfirmed(t *testing.T) {
	l, u := newLedger(true), uploaded("a", "evt_a")
	l.confirmed(u, u.receipt)
	l.confirmed(u, receiptOf("a", "evt_b"))
	if l.rechecked != 2 || len(l.violations) != 1 {
		t.Errorf("%d were confirmed, violations %q, want 2 and one violation", l.rechecked, l.violations)
	}
}

func TestLedgerSaysNoMoreThanFits(t *testing.T) {
	l := newLedger(true)
	for range maxViolations + 5 {
		l.violation("again", "again")
	}
	if len(l.violations) != maxViolations || l.unsaid != 5 {
		t.Errorf("%d violations are said and %d not, want %d and 5", len(l.violations), l.unsaid, maxViolations)
	}
}

// The receiver keeps the newest events, and forgets before or between looks.
func TestObserver(t *testing.T) {
	type shown struct { // what is looked at here
		Number int    `json:"number"`
		ID     string `json:"id"`
	}
	var kept []shown
	stack := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, _ := strconv.Atoi(r.URL.Query().Get("after"))
		list := []shown{}
		for _, e := range kept {
			if e.Number > after && len(list) < 2 { // the stack's answers hold 1,000
				list = append(list, e)
			}
		}
		json.NewEncoder(w).Encode(list)
	}))
	defer stack.Close()
	deliver := func(numbers ...int) {
		for _, n := range numbers {
			kept = append(kept, shown{n, "evt_" + strconv.Itoa(n)})
		}
	}
	l := newLedger(true)
	o := &observer{wire: newWire(stack.URL, "t", 1), ledger: l}
	seen := func(when string, ids, gaps int) {
		t.Helper()
		if err := o.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, v := range l.violations {
			if v.name == "observer.gap" {
				found++
			}
		}
		if len(l.announced[""]) != ids || found != gaps {
			t.Errorf("%s %d events are seen with %d gaps, want %d and %d", when, len(l.announced[""]), found, ids, gaps)
		}
	}
	deliver(1, 2)
	if err := o.skip(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen("before any", 0, 0)
	deliver(3, 4, 5, 6, 7)
	seen("after five in three answers", 5, 0)
	seen("after nothing new", 5, 0)
	kept = nil
	seen("after all was cleared", 5, 0)
	deliver(9)
	seen("after one was lost", 6, 1)
}
