package stack

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stack/oss"
)

// startEvents begins what calls repair with no client: OSS's trigger, through the
// asynchronous queue, and the timer.
func (s *Stack) startEvents(o Options, objects *oss.Server) error {
	if !o.NoTrigger {
		pauses := o.RetryTrigger
		if pauses == nil {
			pauses = fc.Pauses()
		}
		queue, err := fc.NewAsync(fc.AsyncConfig{
			Invoke: s.groups[Repair].Invoke, Pauses: pauses, Twice: o.TriggerTwice, Log: s.log.With("function", Repair),
		})
		if err != nil {
			return err
		}
		s.Triggered = queue
		s.onClose(queue.Close)
		objects.SetTrigger(&oss.Trigger{Prefix: s.Settings.prefix(), EncodeKeys: o.EncodeKeys, Deliver: func(event []byte) {
			if err := queue.Send(event); err != nil {
				s.log.Error("an event of OSS's trigger is lost", "err", err.Error())
			}
		}})
		s.onClose(func() error { objects.SetTrigger(nil); return nil })
	}
	if o.DeliverEvery > 0 {
		s.onClose(s.every(o.DeliverEvery, func(ctx context.Context) {
			if _, err := s.fireTimer(ctx, `{"do":"deliver"}`); err != nil && ctx.Err() == nil {
				s.log.Error("the timer failed", "err", err.Error())
			}
		}))
	}
	return nil
}

// every does something in turns until stop is called, which waits for the last.
func (s *Stack) every(pause time.Duration, do func(context.Context)) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				do(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
	return func() error {
		cancel()
		running.Wait()
		return nil
	}
}

// fireTimer calls repair as its timer does, and returns what it made of it.
//
//	{"triggerTime":"2026-11-20T10:00:00Z","triggerName":"deliver","payload":"{\"do\":\"deliver\"}"}
func (s *Stack) fireTimer(ctx context.Context, payload string) (json.RawMessage, error) {
	name := struct{ Do string }{"timer"}
	if err := json.Unmarshal([]byte(payload), &name); err != nil {
		name.Do = "timer" // The function says what is wrong with it.
	}
	event, err := json.Marshal(map[string]string{
		"triggerTime": time.Now().UTC().Format(time.RFC3339), "triggerName": name.Do, "payload": payload,
	})
	if err != nil {
		return nil, err
	}
	answer, err := s.groups[Repair].Invoke(ctx, event)
	if reported := (*fc.FunctionError)(nil); errors.As(err, &reported) {
		return nil, errors.New(reported.Message)
	}
	return answer, err
}
