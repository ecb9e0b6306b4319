package fchttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// StoredObject is an object that OSS's trigger tells was created.
type StoredObject struct {
	Bucket string
	Key    string // as the event has it: whether it is encoded is not documented
	ETag   string
	Vars   map[string]string // the custom variables of the upload's callback
}

// storedEvent is what OSS hands to a trigger ("Event notification", OSS user
// guide):
//
//	{"events": [{"eventName": "ObjectCreated:PutObject", "eventSource": "acs:oss",
//	             "oss": {"bucket": {"name"}, "object": {"key", "eTag"}, "xVars": {"x:u": …}}}]}
//
// An EventBridge trigger wraps one event of the same form in a CloudEvent, as its
// data. unconfirmed (trigger.cloudevent)
type storedEvent struct {
	EventName   string `json:"eventName"`
	EventSource string `json:"eventSource"`
	OSS         struct {
		Bucket struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key  string `json:"key"`
			ETag string `json:"eTag"`
		} `json:"object"`
		Vars map[string]string `json:"xVars"`
	} `json:"oss"`
}

const (
	// maxStored is how many objects one event may tell of; OSS puts one into each.
	maxStored = 100

	eventSource      = "acs:oss"
	cloudEventSource = "acs.oss"
)

var errNoStored = errors.New("unexpected event of an OSS trigger: this function does not look at objects")

func (a *Adapter) runStored(ctx context.Context, event object) (json.RawMessage, error) {
	if a.Stored == nil {
		return nil, errNoStored
	}
	objects, err := readStored(event)
	if err != nil {
		return nil, fmt.Errorf("reading the event of an OSS trigger: %w", err)
	}
	if err := guard(func() error { return a.Stored(ctx, objects) }); err != nil {
		return nil, fmt.Errorf("looking at stored objects: %w", err)
	}
	return json.RawMessage("{}"), nil
}

func readStored(event object) ([]StoredObject, error) {
	events, err := readEvents(event)
	if err != nil {
		return nil, err
	}
	if len(events) > maxStored {
		return nil, fmt.Errorf("it tells of %d objects, at most %d are expected", len(events), maxStored)
	}
	var objects []StoredObject
	for _, e := range events {
		if e.EventSource != eventSource || e.EventName == "" {
			// Triggers of other services have a list of events, too.
			return nil, errors.New("it is not of OSS")
		}
		if !strings.Contains(e.EventName, "ObjectCreated:") {
			continue
		}
		o := StoredObject{Bucket: e.OSS.Bucket.Name, Key: e.OSS.Object.Key, ETag: strings.Trim(e.OSS.Object.ETag, `"`), Vars: e.OSS.Vars}
		if o.Bucket == "" || o.Key == "" {
			return nil, errors.New("it names no object")
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// readEvents reads a list of events, or the one inside a CloudEvent.
func readEvents(event object) ([]storedEvent, error) {
	if event.has("events") {
		raw, err := event.field("events")
		if err != nil {
			return nil, err
		}
		var events []storedEvent
		if err := json.Unmarshal(raw, &events); err != nil || len(events) == 0 {
			return nil, errors.New("events is not a list of events")
		}
		return events, nil
	}
	raw, err := event.field("data")
	if err != nil {
		return nil, err
	}
	var one storedEvent
	if err := json.Unmarshal(raw, &one); err != nil {
		return nil, errors.New("data is not an event")
	}
	if source, _ := event.text("source"); one.EventSource == "" && source == cloudEventSource {
		one.EventSource = eventSource
	}
	return []storedEvent{one}, nil
}
