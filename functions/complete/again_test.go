package main

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/confirm"
	"ossupload/shared/grant"
	"ossupload/shared/storage"
	"ossupload/shared/storage/storagetest"
	"ossupload/shared/uploadtoken"
)

// What stands under the key is this upload's only if it carries its grant, and
// were it otherwise just what was granted.
func TestCompleteMeetsAnotherObject(t *testing.T) {
	with := func(change func(*uploadtoken.Claims)) func(*fixture, uploadtoken.Claims) string {
		return func(f *fixture, claims uploadtoken.Claims) string {
			change(&claims)
			return f.seal(uploadtoken.Grant, claims)
		}
	}
	for name, tt := range map[string]struct {
		grant func(*fixture, uploadtoken.Claims) string
		own   bool
	}{
		"with its own grant":              {with(func(*uploadtoken.Claims) {}), true},
		"without a grant":                 {func(*fixture, uploadtoken.Claims) string { return "" }, false},
		"with a grant that does not open": {func(*fixture, uploadtoken.Claims) string { return "v1.k1.AAAA" }, false},
		"with another upload's grant":     {with(func(c *uploadtoken.Claims) { c.ID = "another" }), false},
		"with the grant of another key":   {with(func(c *uploadtoken.Claims) { c.Key += "x" }), false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			other := f.start(sized(5))
			f.fill(other, 5)
			completed(f, other)
			object, _ := f.bucket.Object(other.Key)
			s := f.start(sized(5))
			f.fill(s, 5)
			object.Metadata = maps.Clone(object.Metadata)
			if object.Metadata[grant.MetaGrant] = tt.grant(f, s.claims); object.Metadata[grant.MetaGrant] == "" {
				delete(object.Metadata, grant.MetaGrant)
			}
			f.bucket.Store(s.Key, object)
			r := f.as("alice", "POST", s.path("/complete"), "")
			if tt.own {
				r.ok(new(confirm.Answer))
				f.told(s.Key)
				return
			}
			r.refused(api.ObjectMismatch)
			f.asked(storagetest.ListParts, storagetest.Complete, storagetest.Head)
			f.told()
			if o, _ := f.bucket.Object(s.Key); o.Metadata[grant.MetaGrant] != object.Metadata[grant.MetaGrant] {
				t.Errorf("the object was replaced by %+v", o)
			}
		})
	}
}

// A stored object that is not what was granted is not announced.
func TestCompleteMeetsAnObjectThatWasChanged(t *testing.T) {
	f := newFixture(t)
	s := f.start(sized(5))
	f.fill(s, 5)
	completed(f, s)
	object, _ := f.bucket.Object(s.Key)
	object.Size, object.ETag = 6, "OTHER"
	f.bucket.Store(s.Key, object)
	f.as("alice", "POST", s.path("/complete"), "").refused(api.ObjectMismatch)
	f.told()
}

// The answer of a completion is lost, or of its first try: the client asks again,
// or OSS does not know the upload any more.
func TestCompleteAfterALostAnswer(t *testing.T) {
	for name, fault := range map[string]struct {
		fault storagetest.Fault
		code  api.Code // of the first answer; empty: 200
	}{
		"lost":             {storagetest.Fault{Err: storage.ErrTimeout, Done: true}, api.StorageTimeout},
		"lost and retried": {storagetest.Fault{Err: storage.ErrNoSuchUpload, Done: true}, ""},
		"there already":    {storagetest.Fault{Err: storage.ErrExists, Done: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			s := f.start(sized(5))
			parts := f.fill(s, 5)
			f.bucket.Next(storagetest.Complete, fault.fault)
			r := f.as("alice", "POST", s.path("/complete"), listing(parts...))
			if fault.code != "" {
				r.refused(fault.code)
				f.told()
				r = f.as("alice", "POST", s.path("/complete"), listing(parts...))
			}
			var got confirm.Answer
			if r.ok(&got); got.Key != s.Key {
				t.Errorf("receipt = %+v", got)
			}
			f.told(s.Key)
		})
	}
}

// An upload that has ended without an object is gone, after a moment in which
// another call may just be completing it.
func TestCompleteSettles(t *testing.T) {
	tests := []struct {
		name  string
		end   func(f *fixture, s started) // before or during the request
		after time.Duration               // when the object shows; 0: never
		code  api.Code
		ops   []storagetest.Op
	}{
		{"aborted before", func(f *fixture, s started) { abort(f, s) }, 0, api.UploadGone,
			[]storagetest.Op{storagetest.ListParts, storagetest.Head, storagetest.Head, storagetest.Get}},
		{"aborted meanwhile", func(f *fixture, s started) {
			f.bucket.Next(storagetest.Complete, storagetest.Fault{Before: func(context.Context) { abort(f, s) }})
		}, 0, api.Aborted, []storagetest.Op{storagetest.ListParts, storagetest.Complete, storagetest.Head, storagetest.Head, storagetest.Get}},
		{"completed by another", func(f *fixture, s started) {
			f.bucket.Next(storagetest.Complete, storagetest.Fault{Before: func(context.Context) { completed(f, s) }})
		}, 0, "", []storagetest.Op{storagetest.ListParts, storagetest.Complete, storagetest.Head, storagetest.Put}},
		{"completed by another, its object shows later", func(f *fixture, s started) { completed(f, s) }, settle - 1, "",
			[]storagetest.Op{storagetest.ListParts, storagetest.Head, storagetest.Head, storagetest.Put}},
		{"completed by another, its object shows too late", func(f *fixture, s started) { completed(f, s) }, settle + 1, api.UploadGone,
			[]storagetest.Op{storagetest.ListParts, storagetest.Head, storagetest.Head, storagetest.Get}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				s := f.start(sized(5))
				f.fill(s, 5)
				tt.end(f, s)
				if tt.after > 0 {
					object, _ := f.bucket.Object(s.Key)
					f.bucket.Remove(s.Key)
					time.AfterFunc(tt.after, func() { f.bucket.Store(s.Key, object) })
				}
				began := time.Now()
				r := f.as("alice", "POST", s.path("/complete"), "")
				took := time.Since(began)
				if tt.code == "" {
					r.ok(new(confirm.Answer))
					f.told(s.Key)
				} else {
					r.refused(tt.code)
					f.told()
				}
				f.asked(tt.ops...)
				heads := 0
				for _, op := range tt.ops {
					if op == storagetest.Head {
						heads++
					}
				}
				if want := time.Duration(heads-1) * 300 * time.Millisecond; took != want {
					t.Errorf("the answer took %v, want %v", took, want)
				}
			})
		})
	}
}

// Nobody waits for a request that has ended.
func TestCompleteEndsWithItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		s := f.start(sized(5))
		abort(f, s)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		f.within(ctx, "alice", "POST", s.path("/complete"), "").refused(api.UploadGone)
		if took := time.Since(began); took != 100*time.Millisecond {
			t.Errorf("the answer took %v, want %v", took, 100*time.Millisecond)
		}
		f.asked(storagetest.ListParts, storagetest.Head)
	})
}

// Two completions at once: both have the receipt, and nothing is made twice.
func TestCompleteTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		s := f.start(sized(5))
		f.fill(s, 5)
		var waiting sync.WaitGroup // until both have seen the parts
		waiting.Add(2)
		meet := storagetest.Fault{Before: func(context.Context) { waiting.Done(); waiting.Wait() }}
		f.bucket.Next(storagetest.Complete, meet, meet)
		var replies [2]reply
		var wg sync.WaitGroup
		for i := range replies {
			wg.Go(func() { replies[i] = f.as("alice", "POST", s.path("/complete"), "") })
		}
		wg.Wait()
		var got [2]confirm.Answer
		for i, r := range replies {
			r.ok(&got[i])
		}
		if jsonOf(t, got[0]) != jsonOf(t, got[1]) || len(f.bucket.Keys("u/alice/")) != 1 {
			t.Errorf("receipts %+v and %+v, objects %q", got[0], got[1], f.bucket.Keys("u/alice/"))
		}
		f.told(s.Key)
	})
}

// A delivery that fails is queued and told, and healed by asking again, under one
// id. The object is stored, which is a success.
func TestCompleteDeliversAgain(t *testing.T) {
	for name, heal := range map[string]func(f *fixture, s started) reply{
		"by completing": func(f *fixture, s started) reply { return f.as("alice", "POST", s.path("/complete"), "") },
		"by confirming": func(f *fixture, s started) reply {
			return f.as("alice", "POST", "/confirm", `{"uploadToken":"`+s.UploadID+`"}`)
		},
		"by confirming the key": func(f *fixture, s started) reply {
			return f.as("alice", "POST", "/confirm", `{"key":"`+s.Key+`"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				s := f.start(sized(5))
				f.fill(s, 5)
				f.webhook.answers = []int{http.StatusInternalServerError, 0, http.StatusTooManyRequests, http.StatusBadRequest}
				var late, refused, got confirm.Answer
				f.as("alice", "POST", s.path("/complete"), "").ok(&late)
				ids := f.told(s.Key, s.Key, s.Key) // it tries three times
				calls := f.asked(storagetest.ListParts, storagetest.Complete, storagetest.Head, storagetest.Get, storagetest.Get, storagetest.Put, storagetest.Put)
				if !strings.HasSuffix(calls[5].Key, "-"+late.EventID) || string(calls[6].Content) != "queued" {
					t.Errorf("put %q, then %q into %q, want the event queued and marked so", calls[5].Key, calls[6].Content, calls[6].Key)
				}
				heal(f, s).ok(&refused) // a 400 is for good
				ids = append(ids, f.told(s.Key)...)
				heal(f, s).ok(&got)
				if late.Delivered || refused.Delivered || !got.Delivered || jsonOf(t, late.Receipt) != jsonOf(t, got.Receipt) {
					t.Errorf("answers %+v, %+v, %+v, want one receipt, delivered at last", late, refused, got)
				}
				for _, id := range append(ids, f.told(s.Key)...) {
					if id != got.EventID {
						t.Errorf("delivered as %s, want %s", id, got.EventID)
					}
				}
				if marks := f.bucket.Keys(grant.AnnouncedPrefix(prefix)); len(marks) != 1 {
					t.Errorf("markers = %q, want one", marks)
				}
				if waiting := f.bucket.Keys("_ossupload/u/_pending/"); len(waiting) != 1 {
					t.Errorf("the queue is %q, want one entry", waiting)
				}
				// Of what was taken since, the worker only clears the queue.
				f.clock = f.clock.Add(time.Hour)
				if _, err := f.timerOf(`{"do":"deliver"}`); err != nil || len(f.bucket.Keys("_ossupload/u/_pending/")) != 0 {
					t.Errorf("deliver = %v, the queue is %q, want it empty", err, f.bucket.Keys("_ossupload/u/_pending/"))
				}
				f.told()
			})
		})
	}
}

// All tries to deliver together have eight seconds, the first of them half.
func TestDeliveryHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		s := f.start(sized(5))
		f.fill(s, 5)
		f.webhook.always = 1
		began := time.Now()
		var got confirm.Answer
		if f.as("alice", "POST", s.path("/complete"), "").ok(&got); got.Delivered {
			t.Error("the event counts as delivered")
		}
		events := f.webhook.taken()
		if len(events) != 3 || events[0].deadline.Sub(began) != 4*time.Second || time.Since(began) > 8*time.Second {
			t.Errorf("%d tries, the first for %v, all in %v", len(events), events[0].deadline.Sub(began), time.Since(began))
		}
	})
}

// The worker waits for a receiver as long as Standard Webhooks says, since it comes
// back anyway. What took all of that is marked nevertheless.
func TestWorkerIsPatient(t *testing.T) {
	for _, tt := range []struct {
		name     string
		left     time.Duration // of the invocation
		want     time.Duration // of the try
		answer   int
		waiting  int
		markSays string
	}{
		{"within a minute", time.Minute, 15 * time.Second, 1, 1, "queued"},
		{"within ten minutes", 10 * time.Minute, 15 * time.Second, 1, 1, "queued"},
		{"within less", 20 * time.Second, 5 * time.Second, 1, 1, "queued"},
		{"answered at the end of it", time.Minute, 15 * time.Second, 2, 0, "taken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				s := f.start(sized(5))
				f.fill(s, 5)
				f.webhook.always = http.StatusBadRequest
				f.as("alice", "POST", s.path("/complete"), "").ok(new(confirm.Answer))
				f.told(s.Key)
				f.clock, f.webhook.always = f.clock.Add(time.Hour), tt.answer
				f.bucket.Next(storagetest.Put, storagetest.Fault{Before: func(context.Context) { time.Sleep(time.Second) }})
				ctx, cancel := context.WithTimeout(t.Context(), tt.left)
				defer cancel()
				began := time.Now()
				if _, err := f.handler.timer(ctx, `{"do":"deliver"}`); err != nil {
					t.Error(err)
				}
				events := f.webhook.taken()
				if len(events) != 1 || events[0].deadline.Sub(began) != tt.want {
					t.Errorf("tried %d times, want once, for %v: %+v", len(events), tt.want, events)
				}
				markers := f.bucket.Keys(grant.AnnouncedPrefix(prefix))
				if len(markers) != 1 {
					t.Fatalf("markers = %q, want one", markers)
				}
				says, err := f.bucket.Get(t.Context(), markers[0], 64)
				if waiting := f.bucket.Keys("_ossupload/u/_pending/"); err != nil || string(says) != tt.markSays || len(waiting) != tt.waiting {
					t.Errorf("the marker says %q, %v, and %q waits; want %q and %d entries", says, err, waiting, tt.markSays, tt.waiting)
				}
			})
		})
	}
}

// A marker that cannot be put costs a second delivery one day, and no answer.
func TestCompleteWithoutMarker(t *testing.T) {
	f := newFixture(t)
	s := f.start(sized(5))
	f.fill(s, 5)
	f.bucket.Next(storagetest.Put, storagetest.Fault{Err: storage.ErrDenied})
	f.as("alice", "POST", s.path("/complete"), "").ok(new(confirm.Answer))
	f.told(s.Key)
	if !strings.Contains(f.log.String(), `"msg":"mark"`) {
		t.Errorf("log = %s, want that it was not marked", f.log.String())
	}
}

// What can neither be delivered nor queued is told as an error.
func TestNeitherDeliveredNorQueued(t *testing.T) {
	f := newFixture(t)
	s := f.start(sized(5))
	f.fill(s, 5)
	f.webhook.always = http.StatusBadRequest
	f.bucket.Next(storagetest.Put, storagetest.Fault{Err: storage.ErrDenied})
	f.as("alice", "POST", s.path("/complete"), "").refused(api.DeliveryFailed)
	f.told(s.Key)
	f.webhook.always = 0
	var got confirm.Answer
	if f.as("alice", "POST", s.path("/complete"), "").ok(&got); !got.Delivered {
		t.Errorf("answer %+v, want it delivered", got)
	}
	f.told(s.Key)
}

// abort aborts an upload behind the handler's back.
func abort(f *fixture, s started) { f.bucket.AbortUpload(s.claims.UploadID) }
