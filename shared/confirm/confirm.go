// Package confirm holds a stored object against what was granted, makes the
// receipt and the event, and has the event delivered.
//
// Nothing that a client says about the bytes enters: size, type, ETag and CRC
// come from a HEAD of the object. An object that disagrees with its grant is
// never announced, and never deleted here.
//
// Every delivery for the same bytes of the same upload carries the same event
// id; other bytes have another. Delivery is at least once.
//
// What was announced is marked, with an empty object whose key follows from the
// upload's (grant.Place.Marker), so that the sweep finds what was not. The
// uploader does not wait for a mark that fails: one that is missing means one
// more delivery under the same id.
//
// It imports storage for what a HEAD shows, uploadtoken for what was granted,
// and grant for the names of markers and for the names and the encoding of
// metadata, which must be read as they were written.
package confirm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/grant"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

var (
	// ErrMismatch means that the object is not what was granted.
	ErrMismatch = &api.Error{Code: api.ObjectMismatch, Message: mismatched, Reason: "object", Log: "object is not what was granted"}
	// ErrNoGrant means that the object carries no grant that we sealed for it.
	ErrNoGrant = &api.Error{Code: api.ObjectMismatch, Message: mismatched, Reason: "object", Log: "object carries no grant"}
	// ErrDelivery means that the event was not taken. The object is stored, and
	// confirming again repairs it.
	ErrDelivery = &api.Error{
		Code:       api.DeliveryFailed,
		Message:    "The object is stored, but the application was not told. Confirm it again.",
		RetryAfter: time.Second,
		Log:        "event was not delivered",
	}
	// ErrMark means that the event was taken and that this was not marked.
	ErrMark = errors.New("announcement was not marked")
)

const mismatched = "The stored object is not what was granted."

var errChecksum = &api.Error{Code: api.ChecksumMismatch, Message: "The bytes that were stored are not those that were declared.", Log: "checksum is not the declared one"}

// ChecksumMismatch is an ErrMismatch whose cause is the declared CRC-64. It tells
// the client both.
func ChecksumMismatch(expected, actual string) error {
	answer := errChecksum.With(struct {
		Expected string `json:"expected"`
		Actual   string `json:"actual"`
	}{expected, actual})
	return fmt.Errorf("%w: %w: CRC-64 is %s, declared was %s", answer, ErrMismatch, actual, expected)
}

// Receipt is the answer to the uploader and, with the subject, the event's
// data. It depends on the stored object and the grant alone, so that asking
// again gives an equal one.
type Receipt struct {
	Location     string            `json:"location"` // the object's URL, unsigned
	Bucket       string            `json:"bucket"`
	Key          string            `json:"key"`
	Size         int64             `json:"size"`  // bytes
	ETag         string            `json:"etag"`  // without quotes
	CRC64        string            `json:"crc64"` // CRC-64/XZ in decimal
	ContentType  string            `json:"contentType"`
	VersionID    string            `json:"versionId,omitempty"`
	Filename     string            `json:"filename"`
	Metadata     map[string]string `json:"metadata"`
	Vars         map[string]string `json:"vars"`              // the uploader's words
	Context      json.RawMessage   `json:"context,omitempty"` // the application's
	UploadedAt   time.Time         `json:"uploadedAt"`
	EventID      string            `json:"eventId"`
	ReceiptToken string            `json:"receiptToken,omitempty"`
}

// event is the webhook's body, as Standard Webhooks lays it out. It has no
// version: fields are only added, to it and to the receipt, and none is renamed
// or removed or changes its meaning. Receivers ignore what they do not know.
type event struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // of the upload, not of the delivery
	Data      eventData `json:"data"`
}

type eventData struct {
	Receipt
	Subject string `json:"subject"`
}

// EventType is the one type of event.
const EventType = "upload.completed"

// Notifier delivers the event named id, or reports why nobody took it.
type Notifier interface {
	Notify(ctx context.Context, id string, body []byte) error
}

// Storage asks for an object's metadata and keeps markers: storage.Client.
type Storage interface {
	Head(ctx context.Context, key string) (storage.Object, error)
	Put(ctx context.Context, key string, content []byte) error
}

// Config says how uploads to one bucket are confirmed.
type Config struct {
	Storage  Storage
	Keyring  *uploadtoken.Keyring
	Location func(key string) string // the object's unsigned URL
	// Webhook gets the events. Without a URL they are logged.
	Webhook WebhookConfig
	// Notifier gets the events instead; nil: Webhook decides.
	Notifier Notifier
	// ReceiptSecret signs receipt tokens; empty: receipts carry none.
	ReceiptSecret []byte
	Now           func() time.Time
	Log           *slog.Logger // nil: nothing is logged
}

// Confirmer confirms uploads to one bucket. It is safe for concurrent use.
type Confirmer struct {
	config   Config
	notifier *once
}

// New returns a Confirmer. It delivers through one notifier, which keeps an
// instance from delivering twice at once, and marks what was announced.
func New(c Config) (*Confirmer, error) {
	if c.Storage == nil || c.Keyring == nil || c.Location == nil || c.Now == nil {
		return nil, errors.New("a confirmer needs a storage, a keyring, locations and a clock")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	notifier := c.Notifier
	switch {
	case notifier != nil:
	case c.Webhook.URL == "":
		notifier = eventLog{c.Log}
	default:
		webhook, err := newWebhook(c.Webhook, c.Now)
		if err != nil {
			return nil, err
		}
		notifier = webhook
	}
	return &Confirmer{config: c, notifier: newOnce(notifier, c.Now)}, nil
}

// markTimeout bounds what marking may add to an uploader's answer.
const markTimeout = 500 * time.Millisecond

// Confirm asks for the object of claims, holds it against them, has the event
// delivered and returns the receipt. Its errors are storage's, ErrMismatch and
// ErrDelivery.
func (c *Confirmer) Confirm(ctx context.Context, claims uploadtoken.Claims) (Receipt, error) {
	object, err := c.config.Storage.Head(ctx, claims.Key)
	if err != nil {
		return Receipt{}, err
	}
	return c.Announce(ctx, claims, object)
}

// Stored returns the object under key and the grant that it carries. The grant
// must name this very key: metadata can be copied from one object to another.
func (c *Confirmer) Stored(ctx context.Context, key string) (uploadtoken.Claims, storage.Object, error) {
	object, err := c.config.Storage.Head(ctx, key)
	if err != nil {
		return uploadtoken.Claims{}, storage.Object{}, err
	}
	token := object.Metadata[grant.MetaGrant]
	if token == "" {
		return uploadtoken.Claims{}, object, ErrNoGrant
	}
	// A grant opens at any age, so the time does not matter.
	claims, err := c.config.Keyring.Open(uploadtoken.Grant, token, time.Time{})
	if err != nil {
		return uploadtoken.Claims{}, object, fmt.Errorf("%w: %w", ErrNoGrant, err)
	}
	if claims.Key != key {
		return uploadtoken.Claims{}, object, fmt.Errorf("%w of its own", ErrNoGrant)
	}
	return claims, object, nil
}

// Announce is Confirm for an object whose HEAD is at hand.
func (c *Confirmer) Announce(ctx context.Context, claims uploadtoken.Claims, object storage.Object) (Receipt, error) {
	receipt, err := c.announce(ctx, claims, object)
	if err != nil {
		return Receipt{}, err
	}
	soon, cancel := context.WithTimeout(ctx, markTimeout)
	defer cancel()
	if err := c.mark(soon, receipt); err != nil {
		c.config.Log.WarnContext(ctx, "mark", "eventId", receipt.EventID, "err", err.Error())
	}
	return receipt, nil
}

// Repair is Announce for the sweep, which no uploader waits for and which may
// not go on when it cannot mark: it would deliver everything again each time.
// Its errors are Announce's and ErrMark.
func (c *Confirmer) Repair(ctx context.Context, claims uploadtoken.Claims, object storage.Object) (Receipt, error) {
	receipt, err := c.announce(ctx, claims, object)
	if err != nil {
		return Receipt{}, err
	}
	return receipt, c.mark(ctx, receipt)
}

// mark remembers that the event of receipt was taken.
func (c *Confirmer) mark(ctx context.Context, receipt Receipt) error {
	place, ok := grant.ParseKey(receipt.Key)
	if !ok {
		return fmt.Errorf("%w: its key was not made by a policy", ErrMark)
	}
	if err := c.config.Storage.Put(ctx, place.Marker(receipt.ETag), nil); err != nil {
		return fmt.Errorf("%w: %w", ErrMark, err)
	}
	return nil
}

func (c *Confirmer) announce(ctx context.Context, claims uploadtoken.Claims, object storage.Object) (Receipt, error) {
	if err := Check(claims, object); err != nil {
		return Receipt{}, err
	}
	receipt := c.receipt(claims, object)
	body, err := json.Marshal(event{
		Type:      EventType,
		Timestamp: receipt.UploadedAt,
		Data:      eventData{receipt, claims.Subject},
	})
	if err != nil {
		return Receipt{}, fmt.Errorf("encoding event: %w", err)
	}
	if err := c.notifier.Notify(ctx, receipt.EventID, body); err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", ErrDelivery, err)
	}
	if len(c.config.ReceiptSecret) > 0 {
		// Not part of the event: what a backend is told directly needs no proof,
		// and the event may be logged.
		if receipt.ReceiptToken, err = receiptToken(c.config.ReceiptSecret, receipt, claims.Subject); err != nil {
			return Receipt{}, err
		}
	}
	return receipt, nil
}

func (c *Confirmer) receipt(claims uploadtoken.Claims, object storage.Object) Receipt {
	r := Receipt{
		Location:    c.config.Location(claims.Key),
		Bucket:      claims.Bucket,
		Key:         claims.Key,
		Size:        object.Size,
		ETag:        object.ETag,
		CRC64:       object.CRC64,
		ContentType: object.ContentType,
		VersionID:   object.VersionID,
		Filename:    claims.Filename,
		Metadata:    make(map[string]string),
		Vars:        claims.Vars,
		Context:     claims.Context,
		UploadedAt:  object.LastModified.UTC(),
		EventID:     eventID(claims.ID, object),
	}
	if r.Vars == nil {
		r.Vars = map[string]string{}
	}
	if name, ok := object.Metadata[grant.MetaName]; ok {
		r.Filename = grant.Unescape(name)
	}
	for name, value := range object.Metadata {
		if !grant.IsOwnMetadata(name) {
			r.Metadata[name] = grant.Unescape(value)
		}
	}
	return r
}

// eventID is a function of the upload and the bytes alone:
//
//	"evt_" + hex(SHA-256(jti LF etag LF versionId))[:32]
func eventID(jti string, object storage.Object) string {
	sum := sha256.Sum256([]byte(jti + "\n" + object.ETag + "\n" + object.VersionID))
	return "evt_" + hex.EncodeToString(sum[:16])
}
