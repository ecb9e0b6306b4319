package confirm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ossupload/shared/grant"
	"ossupload/shared/hold"
	"ossupload/shared/outbox"
	"ossupload/shared/storage"
	"ossupload/shared/trace"
	"ossupload/shared/uploadtoken"
)

// settled is the age from which on an object is nobody else's to announce: its
// callback, or the client's completion, has had its time.
const settled = 15 * time.Second

// Sighting is an object that somebody saw stored: OSS's trigger.
type Sighting struct {
	Key string
	// ETag is the object's, where it is not sure that Key is meant: another one under
	// that key is let be. Empty: whatever is there.
	ETag string
	// Token is the upload token that travelled with the callback, if the trigger
	// tells it: the only grant that a url upload has.
	Token string
}

// Look makes sure that an object which was seen is announced. It looks once: one
// that may still be announced by its callback is queued to be looked at later.
func (c *Confirmer) Look(ctx context.Context, s Sighting) error {
	return c.look(ctx, s, true)
}

// look queues an object that is not settled, if it may wait.
func (c *Confirmer) look(ctx context.Context, s Sighting, mayWait bool) error {
	object, err := c.config.Storage.Head(ctx, s.Key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	if s.ETag != "" && !strings.EqualFold(strings.Trim(s.ETag, `"`), object.ETag) {
		return nil
	}
	if strings.HasPrefix(s.Key, grant.STSRoot(c.config.Prefix)) {
		return c.tellStored(ctx, s.Key, object)
	}
	if known, err := c.marker(ctx, s.Key, object); err != nil || known != "" {
		return err
	}
	if mayWait && c.config.Now().Sub(object.LastModified) < settled {
		return c.config.Queue.Put(ctx, outbox.Entry{
			Kind: outbox.Check, ID: checkID(s.Key, object.ETag), Key: s.Key, Token: s.Token, Stored: object.LastModified,
		})
	}
	return c.repair(ctx, s, object)
}

// checkID names the looking at an object, so that whoever queues it writes one
// entry.
func checkID(key, etag string) string {
	sum := sha256.Sum256([]byte(key + "\n" + etag))
	return "chk_" + hex.EncodeToString(sum[:16])
}

// repair does what the callback would have done.
func (c *Confirmer) repair(ctx context.Context, s Sighting, object storage.Object) error {
	claims, err := hold.Grant(c.config.Keyring, s.Key, object)
	if errors.Is(err, hold.ErrNoGrant) && s.Token != "" {
		claims, err = c.config.Keyring.Open(uploadtoken.Upload, s.Token, object.LastModified)
		if err == nil && claims.Key != s.Key {
			err = fmt.Errorf("%w: the callback's token is for another object", hold.ErrNoGrant)
		}
	}
	if errors.Is(err, hold.ErrNoGrant) || errors.Is(err, uploadtoken.ErrToken) {
		c.config.Log.InfoContext(ctx, "repair", "action", "leave", "key", s.Key, "err", err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	err = c.Repair(ctx, claims, object)
	if err == nil {
		c.config.Log.InfoContext(ctx, "repair", "action", "announce", "eventId", eventID(Completed, claims.ID, object))
	}
	if errors.Is(err, hold.ErrMismatch) && !errors.Is(err, ErrDelivery) {
		c.config.Log.WarnContext(ctx, "repair", "action", "refuse", "key", s.Key, "err", err.Error())
		return nil
	}
	return err
}

// tellStored tells of an object that was stored with STS credentials, if anybody
// wants to know. Nothing of it is verified.
func (c *Confirmer) tellStored(ctx context.Context, key string, object storage.Object) error {
	if !slices.Contains(c.config.Events, Stored) {
		return nil
	}
	if known, err := c.marker(ctx, key, object); err != nil || known != "" {
		return err
	}
	id, at := eventID(Stored, key, object), object.LastModified.UTC()
	body, err := event{Type: Stored, Timestamp: at, Data: storedData{
		Bucket: c.config.Bucket, Key: key, Size: object.Size, ETag: object.ETag, VersionID: object.VersionID,
		UploadedAt: at, EventID: id,
	}}.encode()
	if err != nil {
		return err
	}
	_, err = c.raise(ctx, raised{kind: Stored, id: id, key: key, object: object, body: body}, unhurried)
	return err
}

// Do implements outbox.Worker.
func (c *Confirmer) Do(ctx context.Context, e outbox.Entry) error {
	if e.Kind == outbox.Check {
		// It has waited. To queue it again, while it is young, would write the very
		// entry that is deleted next.
		return c.look(ctx, Sighting{Key: e.Key, Token: e.Token}, false)
	}
	ctx = trace.Continue(ctx, e.Trace)
	if known, err := c.readMarker(ctx, e.Marker); err != nil || known == taken {
		return err
	}
	if err := c.once.notify(ctx, 0, c.patient, e.ID, e.Body); err != nil {
		return err
	}
	// What was taken is marked, even if that took all the time there was.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unhurried.marking)
	defer cancel()
	if e.Type == Refused {
		return c.writeMarker(ctx, e.Marker, refused)
	}
	return c.writeMarker(ctx, e.Marker, taken)
}

// Bury implements outbox.Worker.
func (c *Confirmer) Bury(ctx context.Context, e outbox.Entry) error {
	return c.writeMarker(ctx, e.Marker, dead)
}
