package receivers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ossupload/scripts/internal/stacktest"
)

const secrets = nextSecret + " , " + currentSecret

// dies kills a receiver around the moment at which it takes an event, whose
// answer is lost then, and delivers the event to the one that is started in its
// place.
func dies(t *testing.T, dir string, command []string) {
	for i := range 6 {
		event := made(fmt.Sprintf("evt_killed_%d", i), `{"type":"upload.completed","data":{"key":"k","size":1}}`, nextSecret, time.Now())
		first := serve(t, dir, command, secrets)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = first.post(event) // most answers are lost
		}()
		if i == 0 {
			first.wantTaken(t, event.id(), 1)
		} else {
			// Some moment before or after: what follows holds at any.
			<-time.After(time.Duration(i*i) * time.Millisecond / 2)
		}
		first.kill()
		<-sent

		second := serve(t, dir, command, secrets)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() { second.want(t, http.StatusNoContent, event) })
		}
		group.Wait()
		second.kill()
		// None, if it died before it could say so.
		if n := first.taken(event.id()) + second.taken(event.id()); n > 1 {
			t.Errorf("%s was taken %d times, want once", event.id(), n)
		}
		wantStored(t, dir, event.id())
	}
}

// fails lets the work of an event fail once.
func (s *server) fails(t *testing.T, dir string) {
	event := made("evt_worked", `{"type":"upload.completed","data":{"key":"k","size":1}}`, nextSecret, time.Now())
	query(t, dir, "CREATE TRIGGER broken BEFORE INSERT ON uploads BEGIN SELECT RAISE(ABORT, 'broken'); END")
	if status, err := s.post(event); err == nil && status < 500 {
		t.Errorf("it answered %d although the work failed", status)
	}
	query(t, dir, "DROP TRIGGER broken")
	s.want(t, http.StatusNoContent, event)
	wantStored(t, dir, event.id())
}

// wantStored looks into the store of a receiver: an event is there once, and so
// is its work.
func wantStored(t *testing.T, dir, id string) {
	t.Helper()
	switch {
	case exists(dir, "events.db"):
		if got := query(t, dir, `SELECT (SELECT count(*) FROM events WHERE event_id = '`+id+`') || ' ' || (SELECT count(*) FROM uploads WHERE event_id = '`+id+`')`); got != "1 1" {
			t.Errorf("events and uploads have %q rows of %s, want one each", got, id)
		}
	case exists(dir, "events"):
		if !exists(dir, "events", url.PathEscape(id)+".json") {
			t.Errorf("%s is not stored", id)
		}
	}
	// What Spring Boot stores is not to be read without Java.
}

func exists(path ...string) bool {
	_, err := os.Stat(filepath.Join(path...))
	return err == nil
}

// query runs a statement in the database of a receiver and returns its one value.
func query(t *testing.T, dir, statement string) string {
	t.Helper()
	if missing := stacktest.Missing("python3"); missing != "" {
		t.Skip("the database is looked into with Python: " + missing)
	}
	const program = `
import sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=30) as db:
    for row in db.execute(sys.argv[2]):
        print(row[0])
`
	out, err := exec.CommandContext(t.Context(), "python3", "-c", program, filepath.Join(dir, "events.db"), statement).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", statement, err, out)
	}
	return strings.TrimSpace(string(out))
}
