package main

import (
	"cmp"
	"encoding/json"
	"time"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack"
)

// receipt is all that a receipt says, and an event's data, in a form that can be
// compared.
type receipt struct {
	Location, Bucket, Key        string
	Size                         int
	ETag, CRC64, ContentType     string
	VersionID, Filename          string
	Metadata, Vars, Context      string // JSON
	UploadedAt, EventID, Subject string // Subject is an event's alone
}

func checked(r client.Receipt) receipt {
	return receipt{
		Location: r.Location, Bucket: r.Bucket, Key: r.Key, Size: int(r.Size), ETag: r.ETag, CRC64: r.CRC64,
		ContentType: r.ContentType, VersionID: r.VersionID, Filename: r.Filename,
		Metadata: words(r.Metadata), Vars: words(r.Vars), Context: string(r.Context),
		UploadedAt: r.UploadedAt.UTC().Format(time.RFC3339Nano), EventID: r.EventID,
	}
}

// words is a map as JSON, with its names in order. One that is missing is null.
func words(m map[string]string) string {
	text, err := json.Marshal(m)
	if err != nil {
		return err.Error() // it cannot fail: these are strings
	}
	return string(text)
}

// fields are those of a receipt, under the names of violations.
var fields = []struct {
	name string
	of   func(receipt) any
}{
	{"location", func(r receipt) any { return r.Location }},
	{"bucket", func(r receipt) any { return r.Bucket }},
	{"key", func(r receipt) any { return r.Key }},
	{"size", func(r receipt) any { return r.Size }},
	{"etag", func(r receipt) any { return r.ETag }},
	{"crc64", func(r receipt) any { return r.CRC64 }},
	{"contentType", func(r receipt) any { return r.ContentType }},
	{"versionId", func(r receipt) any { return r.VersionID }},
	{"filename", func(r receipt) any { return r.Filename }},
	{"metadata", func(r receipt) any { return r.Metadata }},
	{"vars", func(r receipt) any { return r.Vars }},
	{"context", func(r receipt) any { return r.Context }},
	{"uploadedAt", func(r receipt) any { return r.UploadedAt }},
	{"eventId", func(r receipt) any { return r.EventID }},
	{"subject", func(r receipt) any { return r.Subject }},
}

// compare holds what is said against what should be, field by field. What says
// it is the first half of a violation's name.
func (l *ledger) compare(what, about string, got, want receipt) {
	for _, f := range fields {
		if said, due := f.of(got), f.of(want); said != due {
			l.violate(what+"."+f.name, "%s: %v, and should be %v", about, said, due)
		}
	}
}

// event is a delivery, as the stack's receiver shows it.
type event struct {
	Number    int    `json:"number"` // among all that the receiver got
	ID        string `json:"id"`
	Timestamp int64  `json:"timestamp"` // of the delivery
	Verified  bool   `json:"verified"`
	Body      struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"` // of the upload
		Data      eventData `json:"data"`
	} `json:"body"`
}

// eventData is the data of an event: a receipt, and whose it is.
type eventData struct{ receipt }

func (d *eventData) UnmarshalJSON(text []byte) error {
	var in struct {
		client.Receipt
		Subject string `json:"subject"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	d.receipt = checked(in.Receipt)
	d.Subject = in.Subject
	return nil
}

// clockSkew is how far the clocks of one machine may seem apart: times are in
// whole seconds.
const clockSkew = 2 * time.Second

// deliver notes events that the receiver got until now.
func (l *ledger) deliver(events []event, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		data := e.Body.Data.receipt
		if l.announced[data.Key] == nil {
			l.announced[data.Key] = map[string]*told{}
		}
		if t := l.announced[data.Key][e.ID]; t != nil {
			t.count++
			l.judge(e, now)
			if e.Body != t.event.Body {
				l.violate("event.changed", "event %s was delivered again with another body", e.ID)
			}
			continue
		}
		l.announced[data.Key][e.ID] = &told{event: e, count: 1}
		l.judge(e, now)
	}
}

// judge finds what is wrong with a delivery by itself.
func (l *ledger) judge(e event, now time.Time) {
	data, delivered := e.Body.Data.receipt, time.Unix(e.Timestamp, 0)
	if !e.Verified {
		l.violate("event.signature", "the signature of event %s does not verify", e.ID)
	}
	if e.Body.Type != "upload.completed" {
		l.violate("event.type", "event %s is of the type %q", e.ID, e.Body.Type)
	}
	if e.ID != data.EventID {
		l.violate("event.id", "event %q says that it is event %q", e.ID, data.EventID)
	}
	if stamp := e.Body.Timestamp.UTC().Format(time.RFC3339Nano); stamp != data.UploadedAt {
		l.violate("event.timestamp", "event %s is of %s, and its upload of %s", e.ID, stamp, data.UploadedAt)
	}
	if delivered.After(now.Add(clockSkew)) || delivered.Add(clockSkew).Before(e.Body.Timestamp) {
		l.violate("event.sent", "event %s was sent at %v, before its upload or after it came", e.ID, delivered.UTC())
	}
}

// compareEvents holds each event against the receipt of its upload.
func (l *ledger) compareEvents(u upload) {
	want := u.receipt
	want.Subject = cmp.Or(want.Subject, stack.CallerSubject)
	for _, t := range l.announced[u.receipt.Key] {
		want.EventID = t.event.Body.Data.EventID // is judged by itself
		l.compare("event", u.kind+" "+u.receipt.Key, t.event.Body.Data.receipt, want)
	}
}
