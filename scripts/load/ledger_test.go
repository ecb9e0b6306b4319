package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// announcement is an event about an upload, as it should be.
func announcement(key, id string) event {
	e := event{ID: id, Verified: true}
	e.Body.Type = "upload.completed"
	e.Body.Data = receipt{Key: key, EventID: id}
	return e
}

// uploaded is an upload whose bytes are its key.
func uploaded(key, id string) upload {
	return upload{kind: kindPut, sum: sha256.Sum256([]byte(key)), receipt: receipt{Key: key, EventID: id}}
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
			want:    `event "evt_a" is a "upload.completed" about event "evt_b"`,
			sum:     summary{uploads: 1, announced: 1, ids: 1, deliveries: 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLedger(!tt.shared)
			for _, u := range tt.uploads {
				l.add(u)
			}
			l.deliver(tt.events)
			if sum := l.audit(); sum != tt.sum {
				t.Errorf("audit = %+v, want %+v", sum, tt.sum)
			}
			if got := strings.Join(l.violations, "; "); got != tt.want {
				t.Errorf("violations = %q, want %q", got, tt.want)
			}
		})
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
	l.confirmed(u, receipt{Key: "a", EventID: "evt_b"})
	if l.rechecked != 2 || len(l.violations) != 1 {
		t.Errorf("%d were confirmed, violations %q, want 2 and one violation", l.rechecked, l.violations)
	}
}

func TestLedgerSaysNoMoreThanFits(t *testing.T) {
	l := newLedger(true)
	for range maxViolations + 5 {
		l.violation("again")
	}
	if len(l.violations) != maxViolations || l.unsaid != 5 {
		t.Errorf("%d violations are said and %d not, want %d and 5", len(l.violations), l.unsaid, maxViolations)
	}
}

func TestFollowing(t *testing.T) {
	row := func(ids string) []mark {
		var list []mark
		for _, id := range ids {
			list = append(list, mark{id: string(id)})
		}
		return list
	}
	tests := []struct {
		name, before, shown string
		fresh               int
		seamless            bool
	}{
		{"nothing yet", "", "", 0, true},
		{"the first", "", "abc", 3, true},
		{"nothing new", "abc", "abc", 0, true},
		{"new ones behind", "abc", "abcde", 2, true},
		{"old ones dropped", "abcd", "cdef", 2, true},
		{"all but one dropped", "abcd", "defg", 3, true},
		{"repetitions", "abab", "ababab", 2, true},
		{"nothing in common", "abc", "xyz", 3, false},
		{"cleared", "abc", "", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fresh, seamless := following(row(tt.before), row(tt.shown))
			if fresh != tt.fresh || seamless != tt.seamless {
				t.Errorf("following(%q, %q) = %d, %v, want %d, %v", tt.before, tt.shown, fresh, seamless, tt.fresh, tt.seamless)
			}
		})
	}
}
