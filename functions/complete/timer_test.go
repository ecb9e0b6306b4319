package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"ossupload/shared/storage/storagetest"
	"ossupload/shared/sweep"
)

func TestReadTimer(t *testing.T) {
	with := func(change func(*sweep.Options)) sweep.Options {
		o := sweep.Defaults()
		change(&o)
		return o
	}
	tests := []struct {
		name, payload string
		want          sweep.Options
		ok            bool
	}{
		{"nothing more", `{"do":"sweep"}`, sweep.Defaults(), true},
		{"white space", " {\"do\" : \"sweep\"}\n", sweep.Defaults(), true},
		{"a dry run", `{"do":"sweep","dryRun":true}`, with(func(o *sweep.Options) { o.DryRun = true }), true},
		{"deletion", `{"do":"sweep","dryRun":false,"delete":true}`, with(func(o *sweep.Options) { o.Delete = true }), true},
		{"limits", `{"do":"sweep","maxObjects":10,"minAgeSeconds":0}`, with(func(o *sweep.Options) { o.MaxObjects, o.MinAge = 10, 0 }), true},
		{"a year", `{"do":"sweep","minAgeSeconds":31622400}`, with(func(o *sweep.Options) { o.MinAge = 366 * 24 * time.Hour }), true},
		{"a second more", `{"do":"sweep","minAgeSeconds":31622401}`, sweep.Options{}, false},

		{"a misspelt dryRun", `{"do":"sweep","dryrunn":true}`, sweep.Options{}, false},
		{"dryRun in other letters", `{"do":"sweep","dryrun":true}`, sweep.Options{}, false},
		{"delete in other letters", `{"do":"sweep","Delete":true}`, sweep.Options{}, false},
		{"what is not configured", `{"do":"sweep","graceSeconds":1}`, sweep.Options{}, false},
		{"a word for a number", `{"do":"sweep","maxObjects":"10"}`, sweep.Options{}, false},
		{"a negative age", `{"do":"sweep","minAgeSeconds":-1}`, sweep.Options{}, false},
		{"an age beyond time", `{"do":"sweep","minAgeSeconds":9223372036854775807}`, sweep.Options{}, false},
		{"no object", `true`, sweep.Options{}, false},
		{"half an object", `{"do":"sweep"`, sweep.Options{}, false},
		{"two objects", `{"do":"sweep"} {}`, sweep.Options{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in, err := readTimer(tt.payload)
			var got sweep.Options
			if err == nil {
				if got, err = in.sweepOptions(); err != nil {
					got = sweep.Options{}
				}
			}
			if got != tt.want || (err == nil) != tt.ok {
				t.Errorf("payload %q = %+v, %v, want %+v", tt.payload, got, err, tt.want)
			}
		})
	}
}

// What a timer is to do must be said, to the letter, and nothing is asked before
// it is understood.
func TestTimerRefuses(t *testing.T) {
	f := newFixture(t)
	for _, payload := range []string{
		"", " ", "null", "{}", "[]", `"sweep"`, `{"do":""}`, `{"do":"Sweep"}`, `{"do":"delete"}`, `{"Do":"sweep"}`, `{"do":["sweep"]}`,
		`{"dryrun":true}`, `{"do":"sweep","dryrun":true}`, `{"do":"sweep","maxObjects":0}`, `{"do":"deliver","aheadSeconds":-1}`, `{"do":"deliver","AheadSeconds":1}`,
	} {
		if _, err := f.timerOf(payload); err == nil || !strings.Contains(err.Error(), "timer") && !strings.Contains(err.Error(), "sweep") {
			t.Errorf("the timer with %q = %v, want an error", payload, err)
		}
	}
	f.asked()
}

// Deliveries end before the next begin, a minute later, whatever the function may
// take. A sweep takes it.
func TestDeliveriesEndBeforeTheNextBegin(t *testing.T) {
	for payload, want := range map[string]bool{`{"do":"deliver"}`: true, `{"do":"sweep"}`: false} {
		f := newFixture(t)
		began, limited := time.Now(), false
		f.bucket.Next(storagetest.List, storagetest.Fault{Before: func(ctx context.Context) {
			deadline, ok := ctx.Deadline()
			limited = ok && deadline.Before(began.Add(time.Minute))
		}})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		if _, err := f.handler.timer(ctx, payload); err != nil {
			t.Fatal(err)
		}
		if limited != want {
			t.Errorf("the timer with %s ends within a minute: %v, want %v", payload, limited, want)
		}
	}
}
