package main

import (
	"testing"
	"time"

	"ossupload/shared/sweep"
)

func TestSweepOptions(t *testing.T) {
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
		{"nothing", "", sweep.Defaults(), true},
		{"white space", " \n", sweep.Defaults(), true},
		{"an empty object", "{}", sweep.Defaults(), true},
		{"a dry run", `{"dryRun":true}`, with(func(o *sweep.Options) { o.DryRun = true }), true},
		{"deletion", `{"dryRun":false,"delete":true}`, with(func(o *sweep.Options) { o.Delete = true }), true},
		{"limits", `{"maxObjects":10,"minAgeSeconds":0,"lookBackSeconds":60,"graceSeconds":3600}`,
			sweep.Options{MaxObjects: 10, LookBack: time.Minute, Grace: time.Hour}, true},
		{"ten years", `{"graceSeconds":316224000}`, with(func(o *sweep.Options) { o.Grace = 10 * 366 * 24 * time.Hour }), true},
		{"a second more", `{"graceSeconds":316224001}`, sweep.Options{}, false},

		{"a misspelt dryRun", `{"dryrunn":true}`, sweep.Options{}, false},
		{"a word for a number", `{"maxObjects":"10"}`, sweep.Options{}, false},
		{"a negative age", `{"minAgeSeconds":-1}`, sweep.Options{}, false},
		{"an age beyond time", `{"graceSeconds":9223372036854775807}`, sweep.Options{}, false},
		{"no object", `true`, sweep.Options{}, false},
		{"half an object", `{"dryRun":true`, sweep.Options{}, false},
		{"two objects", `{} {}`, sweep.Options{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := sweepOptions(tt.payload)
			if got != tt.want || (err == nil) != tt.ok {
				t.Errorf("sweepOptions(%q) = %+v, %v, want %+v", tt.payload, got, err, tt.want)
			}
		})
	}
}
