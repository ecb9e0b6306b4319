package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"ossupload/shared/confirm"
	"ossupload/shared/fchttp"
	"ossupload/shared/grant"
	"ossupload/shared/osscallback"
	"ossupload/shared/sweep"
)

// timerPayload is what a timer trigger is configured with. What is left out is as
// sweep.Defaults has it, so that a sweep announces and aborts, and deletes
// nothing.
type timerPayload struct {
	Do string `json:"do"` // deliver or sweep

	AheadSeconds *int64 `json:"aheadSeconds"` // of deliver

	DryRun        bool   `json:"dryRun"` // of sweep
	Delete        bool   `json:"delete"`
	MaxObjects    *int   `json:"maxObjects"`
	MinAgeSeconds *int64 `json:"minAgeSeconds"`
}

// timerFields are the names of timerPayload, to the letter.
var timerFields = []string{"do", "aheadSeconds", "dryRun", "delete", "maxObjects", "minAgeSeconds"}

// deliverTime is from one run of deliveries to the next, as s.yaml has it. Two at a
// time would go through the queue side by side, and tell a slow receiver of
// everything twice. A sweep has all the time that the function has.
const deliverTime = time.Minute

// timer answers FC's timer event: it delivers what waits, or sweeps. A run that
// failed is an error of the invocation, which shows in FC's own metrics, and FC
// tries again a few times.
func (h *handler) timer(ctx context.Context, payload string) (any, error) {
	in, err := readTimer(payload)
	if err != nil {
		return nil, err
	}
	var summary any
	switch in.Do {
	case "deliver":
		ahead, bad := seconds("aheadSeconds", in.AheadSeconds, 0)
		if bad != nil {
			return nil, bad
		}
		ctx, cancel := context.WithTimeout(ctx, deliverTime)
		defer cancel()
		summary, err = h.queue.Run(ctx, ahead, h.confirmer)
	case "sweep":
		options, bad := in.sweepOptions()
		if bad != nil {
			return nil, bad
		}
		summary, err = h.sweeper.Run(ctx, options)
	default:
		return nil, fmt.Errorf(`reading the timer's payload: do is %q, and must be "deliver" or "sweep"`, in.Do)
	}
	level, attrs := slog.LevelInfo, []slog.Attr{slog.String("action", "end"), slog.Any("summary", summary)}
	if err != nil {
		level, attrs = slog.LevelError, append(attrs, slog.String("err", err.Error()))
	}
	h.log.LogAttrs(ctx, level, in.Do, attrs...)
	return summary, err
}

// readTimer reads a payload strictly: a misspelt dryRun must not sweep, and
// encoding/json by itself would take dryrun for it.
func readTimer(payload string) (timerPayload, error) {
	var in timerPayload
	var names map[string]json.RawMessage
	if err := json.Unmarshal([]byte(payload), &names); err != nil {
		return timerPayload{}, fmt.Errorf("reading the timer's payload: %w", err)
	}
	for name := range names {
		if !slices.Contains(timerFields, name) {
			return timerPayload{}, fmt.Errorf("reading the timer's payload: unknown field %q", name)
		}
	}
	if err := json.Unmarshal([]byte(payload), &in); err != nil {
		return timerPayload{}, fmt.Errorf("reading the timer's payload: %w", err)
	}
	return in, nil
}

func (in timerPayload) sweepOptions() (sweep.Options, error) {
	o := sweep.Defaults()
	o.DryRun, o.Delete = in.DryRun, in.Delete
	if in.MaxObjects != nil {
		o.MaxObjects = *in.MaxObjects
	}
	var err error
	o.MinAge, err = seconds("minAgeSeconds", in.MinAgeSeconds, o.MinAge)
	return o, err
}

// seconds is a payload's number as a duration, or def if there is none.
func seconds(name string, n *int64, def time.Duration) (time.Duration, error) {
	const most = 366 * 24 * 3600
	switch {
	case n == nil:
		return def, nil
	case *n < 0 || *n > most:
		return 0, fmt.Errorf("reading the timer's payload: %s is %d, and must be from 0 to %d", name, *n, most)
	}
	return time.Duration(*n) * time.Second, nil
}

// stored answers the event of OSS's trigger: objects that were created below the
// prefix. Each is looked at once. An error makes FC try the whole event again,
// which costs a marker read for those that were done.
func (h *handler) stored(ctx context.Context, objects []fchttp.StoredObject) error {
	var errs []error
	for _, o := range objects {
		if o.Bucket != h.policy.Bucket {
			h.log.WarnContext(ctx, "trigger", "action", "ignore", "err", "the object is in another bucket")
			continue
		}
		keys := h.readings(o.Key)
		if len(keys) == 0 {
			h.log.InfoContext(ctx, "trigger", "action", "ignore", "err", "the key is not one of ours")
		}
		for _, key := range keys {
			s := confirm.Sighting{Key: key, Token: o.Vars[osscallback.Variable]}
			if len(keys) > 1 {
				s.ETag = o.ETag
			}
			if err := h.confirmer.Look(ctx, s); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// readings are the keys of ours that the key of an event may mean: as it stands, or
// percent-encoded with a space as %20 or as +. Which of them an event holds is not
// documented. unconfirmed (trigger.encoded-keys)
//
// What we name needs no escaping, so that it reads in one way. Below _sts/ clients
// choose, and may mean "a%20b" by it: there all readings are looked at, and only an
// object with the event's ETag is meant.
func (h *handler) readings(key string) []string {
	keys := []string{key}
	for _, unescape := range []func(string) (string, error){url.PathUnescape, url.QueryUnescape} {
		decoded, err := unescape(key)
		if err == nil && utf8.ValidString(decoded) && !slices.Contains(keys, decoded) {
			keys = append(keys, decoded)
		}
	}
	return slices.DeleteFunc(keys, func(key string) bool { return !h.ours(key) })
}

func (h *handler) ours(key string) bool {
	return h.policy.Anybodys(key) || strings.HasPrefix(key, grant.STSRoot(h.policy.Prefix))
}
