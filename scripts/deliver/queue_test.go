package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ossupload/shared/outbox"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// memory is a bucket.
type memory struct {
	mu      sync.Mutex
	objects map[string][]byte
}

var stored = time.Date(2026, 11, 21, 9, 50, 0, 0, time.UTC)

func (m *memory) List(_ context.Context, prefix, after string, n int) (storage.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var page storage.Page
	for _, key := range slices.Sorted(maps.Keys(m.objects)) {
		if key <= after || !strings.HasPrefix(key, prefix) {
			continue
		}
		if len(page.Objects) == n {
			page.More = true
			break
		}
		page.Objects = append(page.Objects, storage.Listed{Key: key, LastModified: stored})
	}
	return page, nil
}

func (m *memory) Get(_ context.Context, key string, limit int64) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch content, ok := m.objects[key]; {
	case !ok:
		return nil, storage.ErrNotFound
	case int64(len(content)) > limit:
		return nil, storage.ErrTooLarge
	default:
		return content, nil
	}
}

func (m *memory) Put(_ context.Context, key string, content []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects[key] = content
	return nil
}

func (m *memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}

const root = "_ossupload/uploads/"

// receiver refuses all that it is told: what it is told is dead then.
type receiver struct{}

func (receiver) Do(context.Context, outbox.Entry) error   { return outbox.ErrRefused }
func (receiver) Bury(context.Context, outbox.Entry) error { return nil }

// fixture is an outbox in which two events are dead, one waits, and a check too.
func fixture(t *testing.T) (*memory, *outbox.Queue) {
	t.Helper()
	keyring, err := uploadtoken.NewKeyring(uploadtoken.Config{
		Keys:   []uploadtoken.Key{{ID: "k1", Secret: []byte("0123456789abcdef0123456789abcdef")}},
		Place:  uploadtoken.Place{Bucket: "photos", Prefix: "uploads/"},
		Random: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	m, now := &memory{objects: map[string][]byte{}}, stored
	q, err := outbox.New(outbox.Config{
		Storage: m, Sealer: keyring, Root: root, RetryFor: 72 * time.Hour, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	put := func(e outbox.Entry) {
		t.Helper()
		e.Stored = stored
		if err := q.Put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	event := func(id string) outbox.Entry {
		return outbox.Entry{
			Kind: outbox.Event, ID: id, Type: "upload.completed", Key: "uploads/alice/" + id + ".png",
			Body: json.RawMessage(`{"type":"upload.completed","data":{"eventId":"` + id + `"}}`),
		}
	}
	put(event("evt_a"))
	put(event("evt_b"))
	if s, err := q.Run(t.Context(), time.Hour, receiver{}); err != nil || s.Buried != 2 {
		t.Fatalf("Run() = %+v, %v, want two events buried", s, err)
	}
	now = now.Add(10 * time.Second)
	put(event("evt_c"))
	put(outbox.Entry{Kind: outbox.Check, ID: "chk_d", Key: "uploads/alice/d.png"})
	return m, q
}

// do runs a command and returns what it printed.
func do(t *testing.T, q queue, args string) (string, error) {
	t.Helper()
	c, err := parse(strings.Fields(args))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = operator{queue: q, max: c.max, out: &out}.do(t.Context(), c)
	return out.String(), err
}

func TestList(t *testing.T) {
	m, q := fixture(t)
	m.objects[root+"_dead/1795168860-evt_x"] = []byte("sealed by somebody else")
	got, err := do(t, q, "list")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(got, "\n")
	for i, want := range []string{
		"STATE DUE ID TYPE ATTEMPTS FIRST QUEUED KEY",
		"pending 2026-11-21T09:51:00Z chk_d check 0 2026-11-21T09:50:10Z uploads/alice/d.png",
		"pending 2026-11-21T09:51:00Z evt_c upload.completed 0 2026-11-21T09:50:10Z uploads/alice/evt_c.png",
		"dead - 1795168860-evt_x (unreadable) - 2026-11-21T09:50:00Z queued event does not open",
		"dead - evt_a upload.completed 1 2026-11-21T09:50:00Z uploads/alice/evt_a.png",
		"dead - evt_b upload.completed 1 2026-11-21T09:50:00Z uploads/alice/evt_b.png",
		"2 pending, 3 dead",
	} {
		if line := strings.Join(strings.Fields(lines[i]), " "); !strings.HasPrefix(line, want) {
			t.Errorf("line %d = %q, want %q", i+1, line, want)
		}
	}
	if got, _ := do(t, q, "-max 1"); !strings.Contains(got, "1 pending, 1 dead; of each at most 1 are read") {
		t.Errorf("list -max 1 printed\n%swant that there may be more", got)
	}
}

func TestShow(t *testing.T) {
	_, q := fixture(t)
	for _, id := range []string{"evt_a", "_dead/evt_a", "evt_c"} {
		want := `{"type":"upload.completed","data":{"eventId":"` + strings.TrimPrefix(id, "_dead/") + `"}}` + "\n"
		if got, err := do(t, q, "show "+id); err != nil || got != want {
			t.Errorf("show %s = %q, %v, want %q", id, got, err, want)
		}
	}
	for id, want := range map[string]string{"evt_z": "no such event", "chk_d": "it is no event yet"} {
		if _, err := do(t, q, "show "+id); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("show %s = %v, want %q", id, err, want)
		}
	}
}

func TestRevive(t *testing.T) {
	m, q := fixture(t)
	got, err := do(t, q, "revive evt_z evt_a")
	if !errors.Is(err, storage.ErrNotFound) || !strings.Contains(got, "evt_a is due now\n1 revived, 1 failed") {
		t.Errorf("revive printed %q, %v, want one revived, and that the other does not exist", got, err)
	}
	if _, dead := m.objects[root+"_dead/evt_a"]; dead {
		t.Error("what was revived is among the dead")
	}
	if got, err := do(t, q, "revive -all"); err != nil || !strings.Contains(got, "evt_b is due now\n1 revived, 0 failed") {
		t.Errorf("revive -all printed %q, %v, want the other revived", got, err)
	}
	pending := 0
	for l, err := range q.Pending(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		pending++
		if l.Entry.ID != "evt_a" && l.Entry.ID != "evt_b" {
			continue
		}
		if !l.Due.Equal(stored.Add(10*time.Second)) || l.Entry.Attempt != 0 {
			t.Errorf("%s is due %v after %d tries, want at once after none", l.Entry.ID, l.Due, l.Entry.Attempt)
		}
	}
	if pending != 4 {
		t.Errorf("%d wait, want 4", pending)
	}
}
