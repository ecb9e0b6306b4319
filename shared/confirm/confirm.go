// Package confirm has a stored object held against what was granted, makes the
// receipt and the event, and has the event delivered.
//
// Nothing that a client says about the bytes enters: size, type, ETag and CRC
// come from a HEAD of the object. An object that disagrees with its grant is
// never announced as completed, and never deleted here.
//
// # Order
//
// Never in parallel: HEAD, deliver, queue what was not taken, mark, answer. So
// what was answered as a success is delivered or queued, whatever is killed
// where; and what was delivered and not marked is delivered again, under the same
// id, by whoever looks next. Delivery is at least once.
//
// The marker of an object (grant.Marker) says how far its announcement is: taken,
// queued, refused or dead.
//
// It imports storage for what a HEAD shows, uploadtoken for what was granted, hold
// for the comparison, grant for the names of markers and for metadata, which must
// be read as it was written, outbox for what waits, rawjson to encode receipts, mac
// to sign them and events, trace for what the log tells of an event, secureurl
// for where events may be sent, and netcause for an error without that address.
package confirm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/hold"
	"ossupload/shared/mac"
	"ossupload/shared/outbox"
	"ossupload/shared/storage"
	"ossupload/shared/trace"
	"ossupload/shared/uploadtoken"
)

// ErrDelivery means that the event was neither taken nor queued. The object is
// stored, and confirming again repairs it.
var ErrDelivery = &api.Error{
	Code:       api.DeliveryFailed,
	Message:    "The object is stored, but the application was not told. Confirm it again.",
	RetryAfter: time.Second,
	Log:        "event was not delivered",
}

// Notifier delivers the event named id before ctx ends, or reports why nobody took
// it; outbox.ErrRefused means that nobody ever will.
type Notifier interface {
	Notify(ctx context.Context, id string, body []byte) error
}

// Storage asks for objects and keeps markers: storage.Client.
type Storage interface {
	Head(ctx context.Context, key string) (storage.Object, error)
	Get(ctx context.Context, key string, limit int64) ([]byte, error)
	Put(ctx context.Context, key string, content []byte) error
}

// Queue keeps what was not taken: outbox.Queue.
type Queue interface {
	Put(ctx context.Context, e outbox.Entry) error
}

// Config says how uploads to one bucket are confirmed.
type Config struct {
	Storage  Storage
	Queue    Queue
	Keyring  *uploadtoken.Keyring
	Bucket   string
	Prefix   string                  // of every key
	Location func(key string) string // the object's unsigned URL
	// Webhook gets the events. Without a URL they are logged.
	Webhook WebhookConfig
	// LogEvents logs whole events where there is no webhook, and not their names
	// alone: they hold subjects, variables and context.
	LogEvents bool
	// Notifier gets the events instead; nil: Webhook decides.
	Notifier Notifier
	// Events are the types that are raised beside Completed.
	Events []string
	// ReceiptSecret signs receipt tokens; empty: answers carry none.
	ReceiptSecret []byte
	Now           func() time.Time
	Log           *slog.Logger // nil: nothing is logged
}

// Confirmer confirms uploads to one bucket. It is safe for concurrent use.
type Confirmer struct {
	config   Config
	once     *once
	quick    Notifier // of what was just stored, or found
	patient  Notifier // of what waits in the outbox
	receipts *mac.Key // nil: answers carry no token
}

// New returns a Confirmer. It keeps an instance from delivering twice at once, and
// marks what was announced.
func New(c Config) (*Confirmer, error) {
	if c.Storage == nil || c.Queue == nil || c.Keyring == nil || c.Location == nil || c.Now == nil || c.Bucket == "" || c.Prefix == "" {
		return nil, errors.New("a confirmer needs a storage, a queue, a keyring, a bucket and a prefix, locations and a clock")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	quick, patient, err := notifiers(c)
	if err != nil {
		return nil, err
	}
	confirmer := &Confirmer{config: c, once: newOnce(c.Now), quick: quick, patient: patient}
	if len(c.ReceiptSecret) > 0 {
		confirmer.receipts = mac.New(c.ReceiptSecret)
	}
	return confirmer, nil
}

// notifiers are who gets the events, see Confirmer.
func notifiers(c Config) (quick, patient Notifier, err error) {
	switch {
	case c.Notifier != nil:
		return c.Notifier, c.Notifier, nil
	case c.Webhook.URL == "":
		log := eventLog{log: c.Log, whole: c.LogEvents}
		return log, log, nil
	}
	webhook, err := newWebhook(c.Webhook, c.Now)
	if err != nil {
		return nil, nil, err
	}
	return webhook, webhook.patient(), nil
}

// pace is how the time until the deadline is used, if all are silent:
//
//	     delivery │ marker read │ queueing │ marking
//	──────────────┼─────────────┴──────────┴────────┤ deadline
//	              └──────────── reserve ────────────┘
type pace struct {
	reserve, queueing, marking time.Duration
	// sure has an event that was not marked count as a failure, so that it is raised
	// again. While somebody waits for an answer, one delivery more under the same id
	// is better.
	sure bool
}

var (
	// waitedFor is the pace while an uploader waits: 3.4 s in all.
	waitedFor = pace{reserve: time.Second, queueing: 600 * time.Millisecond, marking: 300 * time.Millisecond}
	// unhurried is the pace of trigger, sweep and checks, for which nobody waits.
	unhurried = pace{reserve: time.Second, queueing: 2 * time.Second, marking: 2 * time.Second, sure: true}
)

// leaving is parent, ended early enough that so much time is left of ctx.
func leaving(ctx, parent context.Context, left time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(parent)
	}
	return context.WithDeadline(parent, deadline.Add(-left))
}

// Confirm asks for the object of claims, holds it against them, has the event
// delivered or queued and answers the receipt. Its errors are storage's,
// hold.ErrMismatch and ErrDelivery.
func (c *Confirmer) Confirm(ctx context.Context, claims uploadtoken.Claims) (Answer, error) {
	object, err := c.config.Storage.Head(ctx, claims.Key)
	if err != nil {
		return Answer{}, err
	}
	return c.Announce(ctx, claims, object)
}

// Granted returns the object under key and the grant that it carries. The grant
// must name this very key: metadata can be copied from one object to another.
func (c *Confirmer) Granted(ctx context.Context, key string) (uploadtoken.Claims, storage.Object, error) {
	object, err := c.config.Storage.Head(ctx, key)
	if err != nil {
		return uploadtoken.Claims{}, storage.Object{}, err
	}
	claims, err := hold.Grant(c.config.Keyring, key, object)
	return claims, object, err
}

// Asked is Announce for a client that asks. If nobody has announced an upload
// before whose callback should have, it says so in the log: one may be an accident,
// many mean that OSS does not reach the callback function, or is refused by it.
func (c *Confirmer) Asked(ctx context.Context, claims uploadtoken.Claims, object storage.Object) (Answer, error) {
	missing := c.callbackMissing(ctx, claims, object)
	answer, err := c.Announce(ctx, claims, object)
	if err == nil && missing {
		c.config.Log.WarnContext(ctx, "repair", "action", "no callback", "eventId", answer.EventID, "method", string(claims.Method),
			"hint", "OSS does not reach CALLBACK_URL, or the callback function refuses it: go run ./scripts/doctor -only callback")
	}
	return answer, err
}

// callbackMissing reports whether an upload has a callback and no marker, which its
// callback would have left. Multipart uploads have none: their completion announces
// them. Where the marker cannot be read, nothing is known.
func (c *Confirmer) callbackMissing(ctx context.Context, claims uploadtoken.Claims, object storage.Object) bool {
	name := c.markerName(claims.Key, object)
	if claims.Method == uploadtoken.MultipartPart || name == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, waitedFor.marking)
	defer cancel()
	known, err := c.readMarker(ctx, name)
	return err == nil && known == ""
}

// Announce is Confirm for an object whose HEAD is at hand.
func (c *Confirmer) Announce(ctx context.Context, claims uploadtoken.Claims, object storage.Object) (Answer, error) {
	return c.announce(ctx, claims, object, waitedFor)
}

// Repair is Announce with nobody waiting for the answer. It fails if the object was
// not marked.
func (c *Confirmer) Repair(ctx context.Context, claims uploadtoken.Claims, object storage.Object) error {
	_, err := c.announce(ctx, claims, object, unhurried)
	return err
}

func (c *Confirmer) announce(ctx context.Context, claims uploadtoken.Claims, object storage.Object, p pace) (Answer, error) {
	if err := hold.CheckUpload(c.config.Keyring, claims, object); err != nil {
		// Not refused: to its own grant it may be as it should.
		return Answer{}, err
	}
	if err := hold.Check(claims, object); err != nil {
		return Answer{}, errors.Join(err, c.refuse(ctx, claims, object, err, p))
	}
	receipt := c.receipt(claims, object)
	encoded := receipt.appendMembers(append(make([]byte, 0, usualLen), '{'))
	body := completedEvent(receipt.UploadedAt, encoded[1:], claims.Subject)
	state, err := c.raise(ctx, raised{kind: Completed, id: receipt.EventID, key: claims.Key, object: object, body: body}, p)
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{Receipt: receipt, Delivered: state == taken}
	if c.receipts != nil {
		// Not part of the event: what a backend is told directly needs no proof,
		// and the event may be logged.
		answer.ReceiptToken = receiptToken(c.receipts, encoded, receipt, claims.Subject)
	}
	return answer, nil
}

// refuse tells once of an object that disagrees with its grant, if anybody wants
// to know. It fails with ErrDelivery, so that who looks without a client looks
// again.
func (c *Confirmer) refuse(ctx context.Context, claims uploadtoken.Claims, object storage.Object, cause error, p pace) error {
	if !slices.Contains(c.config.Events, Refused) {
		return nil
	}
	switch known, err := c.marker(ctx, claims.Key, object); {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrDelivery, err)
	case known != "":
		return nil
	}
	id, at := eventID(Refused, claims.ID, object), object.LastModified.UTC()
	body, err := event{Type: Refused, Timestamp: at, Data: refusedData{
		Bucket: c.config.Bucket, Key: claims.Key, Size: object.Size, ETag: object.ETag, VersionID: object.VersionID,
		Reason: cause.Error(), Subject: claims.Subject, UploadedAt: at, EventID: id,
	}}.encode()
	if err != nil {
		return err
	}
	_, err = c.raise(ctx, raised{kind: Refused, id: id, key: claims.Key, object: object, state: refused, body: body}, p)
	return err
}

// raised is an event about an object.
type raised struct {
	kind, id, key string
	object        storage.Object
	state         state // what the marker says once it was taken; "": taken
	body          []byte
}

// raise delivers or queues an event, and marks how far it is.
func (c *Confirmer) raise(ctx context.Context, e raised, p pace) (state, error) {
	reached := e.state
	if reached == "" {
		reached = taken
	}
	if failed := c.once.notify(ctx, p.reserve, c.quick, e.id, e.body); failed != nil {
		if c.takenBefore(ctx, e, p) {
			trace.From(ctx).Announce(trace.Announced{Event: e.id, As: string(taken), Bytes: e.object.Size})
			return taken, nil
		}
		if err := c.enqueue(ctx, e, p); err != nil {
			// Not wrapped: outbox.ErrRefused is about the event, and must not end the
			// check that it was made for, and that will be made again.
			return "", fmt.Errorf("%w: %v: %w", ErrDelivery, failed, err)
		}
		c.config.Log.WarnContext(ctx, "outbox", "action", "queue", "eventId", e.id, "err", failed.Error())
		if reached == taken {
			reached = queued
		}
	}
	switch err := c.mark(ctx, e, reached, p); {
	case err != nil && p.sure:
		return "", fmt.Errorf("%w: %w", ErrDelivery, err)
	case err != nil:
		c.config.Log.WarnContext(ctx, "mark", "eventId", e.id, "err", err.Error())
	}
	trace.From(ctx).Announce(trace.Announced{Event: e.id, As: string(reached), Bytes: e.object.Size})
	return reached, nil
}

// takenBefore reports whether an event that nobody takes now was taken before. It
// ends early enough for queueing and marking.
func (c *Confirmer) takenBefore(ctx context.Context, e raised, p pace) bool {
	ctx, cancel := leaving(ctx, ctx, p.queueing+p.marking)
	defer cancel()
	ctx, stop := context.WithTimeout(ctx, p.marking)
	defer stop()
	before, err := c.marker(ctx, e.key, e.object)
	return err == nil && before == taken
}

func (c *Confirmer) enqueue(ctx context.Context, e raised, p pace) error {
	ctx, cancel := context.WithTimeout(ctx, p.queueing)
	defer cancel()
	return c.config.Queue.Put(ctx, outbox.Entry{
		Kind: outbox.Event, ID: e.id, Type: e.kind, Key: e.key, Marker: c.markerName(e.key, e.object), Body: e.body, Stored: e.object.LastModified,
		Trace: trace.From(ctx).Parent(),
	})
}
