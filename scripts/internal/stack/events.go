package stack

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"ossupload/scripts/internal/facts"
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
		objects.SetTrigger(&oss.Trigger{Prefix: s.Settings.prefix(), Deliver: func(event []byte) {
			event, err := wrapped(event, o.Assume)
			if err == nil {
				err = queue.Send(event)
			}
			if err != nil {
				s.log.Error("an event of OSS's trigger is lost", "err", err.Error())
			}
		}})
		s.onClose(func() error { objects.SetTrigger(nil); return nil })
	}
	if o.DeliverEvery > 0 {
		return s.startTimer(o.DeliverEvery)
	}
	return nil
}

// wrapped is OSS's event as the function gets it: as it is, or as EventBridge sends
// it on.
//
//	{"specversion":"1.0","id":"…","source":"acs.oss","type":"oss:ObjectCreated:PutObject","data":{"eventName":…}}
func wrapped(event []byte, a facts.Assumptions) ([]byte, error) {
	// unconfirmed (trigger.cloudevent): which of them a bucket's trigger is.
	if a.Is("trigger.cloudevent", "bare") {
		return event, nil
	}
	var list struct{ Events []json.RawMessage }
	if err := json.Unmarshal(event, &list); err != nil || len(list.Events) != 1 {
		return nil, fmt.Errorf("wrapping an event of OSS: it holds %d events (%w)", len(list.Events), err)
	}
	var name struct{ EventName string }
	if err := json.Unmarshal(list.Events[0], &name); err != nil {
		return nil, fmt.Errorf("wrapping an event of OSS: %w", err)
	}
	return json.Marshal(map[string]any{
		"specversion": "1.0", "id": rand.Text(), "source": "acs.oss", "type": "oss:" + name.EventName,
		"datacontenttype": "application/json", "data": list.Events[0],
	})
}

// startTimer has repair deliver what waits, again and again. The platform puts
// timers through the asynchronous queue, too: a run that was killed is tried
// again.
func (s *Stack) startTimer(pause time.Duration) error {
	queue, err := fc.NewAsync(fc.AsyncConfig{
		Invoke: s.groups[Repair].Invoke, Pauses: fc.Pauses(), Log: s.log.With("function", Repair, "trigger", "timer"),
	})
	if err != nil {
		return err
	}
	s.onClose(queue.Close)
	s.onClose(every(pause, func() {
		event, err := timerEvent(`{"do":"deliver"}`)
		if err == nil {
			err = queue.Send(event)
		}
		if err != nil {
			s.log.Error("the timer failed", "err", err.Error())
		}
	}))
	return nil
}

// every does something in turns until stop is called, which waits for the last.
func every(pause time.Duration, do func()) (stop func() error) {
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				do()
			case <-done:
				return
			}
		}
	})
	return sync.OnceValue(func() error {
		close(done)
		running.Wait()
		return nil
	})
}

// timerEvent is what a timer hands to the function.
//
//	{"triggerTime":"2026-11-20T10:00:00Z","triggerName":"deliver","payload":"{\"do\":\"deliver\"}"}
func timerEvent(payload string) ([]byte, error) {
	name := struct{ Do string }{"timer"}
	if err := json.Unmarshal([]byte(payload), &name); err != nil {
		name.Do = "timer" // The function says what is wrong with it.
	}
	return json.Marshal(map[string]string{
		"triggerTime": time.Now().UTC().Format(time.RFC3339), "triggerName": name.Do, "payload": payload,
	})
}

// fireTimer calls repair as its timer does, once, and returns what it made of it.
func (s *Stack) fireTimer(ctx context.Context, payload string) (json.RawMessage, error) {
	event, err := timerEvent(payload)
	if err != nil {
		return nil, err
	}
	answer, err := s.groups[Repair].Invoke(ctx, event)
	if reported := (*fc.FunctionError)(nil); errors.As(err, &reported) {
		return nil, errors.New(reported.Message)
	}
	return answer, err
}
