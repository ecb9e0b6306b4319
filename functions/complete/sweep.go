package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"ossupload/shared/sweep"
)

// sweepPayload is what the timer trigger may be configured with. What is left
// out is as sweep.Defaults has it, so that an empty payload announces and
// aborts, and deletes nothing.
type sweepPayload struct {
	DryRun          bool   `json:"dryRun"`
	Delete          bool   `json:"delete"`
	MaxObjects      *int   `json:"maxObjects"`
	MinAgeSeconds   *int64 `json:"minAgeSeconds"`
	LookBackSeconds *int64 `json:"lookBackSeconds"`
	GraceSeconds    *int64 `json:"graceSeconds"`
}

// timer answers FC's timer event with the summary of one sweep, which is logged
// in one line as well. A sweep that failed is an error of the invocation, which
// shows in FC's own metrics, and FC tries again a few times.
func (h *handler) timer(ctx context.Context, payload string) (any, error) {
	o, err := sweepOptions(payload)
	if err != nil {
		return nil, err
	}
	summary, err := h.sweeper.Run(ctx, o)
	level, attrs := slog.LevelInfo, []slog.Attr{slog.String("action", "end"), slog.Any("summary", summary)}
	if err != nil {
		level, attrs = slog.LevelError, append(attrs, slog.String("err", err.Error()))
	}
	h.log.LogAttrs(ctx, level, "sweep", attrs...)
	return summary, err
}

// sweepOptions reads a payload strictly: a misspelt dryRun must not sweep.
func sweepOptions(payload string) (sweep.Options, error) {
	o := sweep.Defaults()
	if strings.TrimSpace(payload) == "" {
		return o, nil
	}
	var in sweepPayload
	d := json.NewDecoder(strings.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return sweep.Options{}, fmt.Errorf("reading the timer's payload: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return sweep.Options{}, errors.New("reading the timer's payload: there is text behind the object")
	}
	o.DryRun, o.Delete = in.DryRun, in.Delete
	if in.MaxObjects != nil {
		o.MaxObjects = *in.MaxObjects
	}
	for _, d := range []struct {
		seconds *int64
		option  *time.Duration
	}{{in.MinAgeSeconds, &o.MinAge}, {in.LookBackSeconds, &o.LookBack}, {in.GraceSeconds, &o.Grace}} {
		const most = 10 * 366 * 24 * 3600 // far from overflow
		switch {
		case d.seconds == nil:
		case *d.seconds < 0 || *d.seconds > most:
			return sweep.Options{}, fmt.Errorf("reading the timer's payload: %d is no number of seconds from 0 to %d", *d.seconds, most)
		default:
			*d.option = time.Duration(*d.seconds) * time.Second
		}
	}
	return o, nil
}
