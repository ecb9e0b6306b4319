package assumerole_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"ossupload/shared/rolecreds"
)

// Nobody could use the connection of a call again: credentials-go makes a client
// for each.
func TestConnectionsAreNotKept(t *testing.T) {
	s := newSTS(t)
	var kept atomic.Int32
	s.setAnswer(func(w http.ResponseWriter, r *http.Request) {
		if !r.Close {
			kept.Add(1)
		}
		grant("1")(w, r)
	})
	var wg sync.WaitGroup
	for range 20 {
		source := newSource(t, s.config(newClock()))
		wg.Go(func() {
			if got, err := source.Credentials(t.Context()); err != nil || got == (rolecreds.Credentials{}) {
				t.Errorf("Credentials() = %v, %v, want some", got, err)
			}
		})
	}
	wg.Wait()
	if got := kept.Load(); got != 0 {
		t.Errorf("%d of 20 connections stay open after their call, want none", got)
	}
}

// A repetition of the call does no harm, and a broken connection or an error of
// STS is mostly gone a moment later.
func TestAFailureIsTriedAgainOnce(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		fails  int32
		ok     bool
		calls  int32
	}{
		{"one error", refuse(http.StatusInternalServerError, "InternalError", ""), 1, true, 2},
		{"one broken connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 1, true, 2},
		{"two errors", refuse(http.StatusServiceUnavailable, "ServiceUnavailable", ""), 2, false, 2},
		{"a refusal", refuse(http.StatusForbidden, "NoPermission", ""), 1, false, 1},
		{"throttling", refuse(http.StatusBadRequest, "Throttling.User", ""), 1, false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSTS(t)
			var calls atomic.Int32
			s.setAnswer(func(w http.ResponseWriter, r *http.Request) {
				if calls.Add(1) <= c.fails {
					c.answer(w, r)
					return
				}
				grant("1")(w, r)
			})
			source := newSource(t, s.config(newClock()))
			_, err := source.Credentials(t.Context())
			if (err == nil) != c.ok {
				t.Errorf("Credentials() = %v, want success %v", err, c.ok)
			}
			if got := calls.Load(); got != c.calls {
				t.Errorf("%d calls, want %d", got, c.calls)
			}
		})
	}
}
