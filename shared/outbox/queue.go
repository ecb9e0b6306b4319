package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"ossupload/shared/storage"
)

// Storage is what the queue asks of OSS: storage.Client.
type Storage interface {
	List(ctx context.Context, prefix, after string, n int) (storage.Page, error)
	Get(ctx context.Context, key string, limit int64) ([]byte, error)
	Put(ctx context.Context, key string, content []byte) error
	Delete(ctx context.Context, key string) error
}

// Sealer seals entries: uploadtoken.Keyring.
type Sealer interface {
	SealEvent(content json.RawMessage) (string, error)
	OpenEvent(sealed string) (json.RawMessage, error)
}

// Config is what a Queue is made of.
type Config struct {
	Storage Storage
	Sealer  Sealer
	// Root is what the names of all our own objects begin with:
	// _ossupload/{UPLOAD_PREFIX}, with a "/" at its end.
	Root string
	// RetryFor is how long an entry is tried before it moves to the dead.
	RetryFor time.Duration
	Now      func() time.Time
	Log      *slog.Logger // nil: nothing is logged
}

const (
	pendingName = "_pending/"
	deadName    = "_dead/"
	// unreadableName is what stands before the name of what did not open. No id
	// begins with it, so that it never takes the place of a dead entry, and it is
	// short enough that whatever is pending has room for it among the dead.
	unreadableName = "~"

	// maxEntry bounds what is read: more than is ever sealed.
	maxEntry = 128 << 10
)

// Queue is an outbox. It is safe for concurrent use, also by several instances.
type Queue struct{ config Config }

// New returns the queue. It makes no call.
func New(c Config) (*Queue, error) {
	if c.Storage == nil || c.Sealer == nil || c.Now == nil || !strings.HasSuffix(c.Root, "/") || c.RetryFor <= 0 {
		return nil, errors.New("an outbox needs a storage, a sealer, a clock, a root and a time to retry for")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Queue{c}, nil
}

// Put queues an entry for the next time of its schedule. Queueing it again before
// then, by whomever, writes the same object, and neither its time nor its tries
// begin anew. An error may mean that it is queued all the same.
func (q *Queue) Put(ctx context.Context, e Entry) error {
	if !validID(e.ID) {
		return fmt.Errorf("queueing an event: %q is not an id", e.ID)
	}
	now := q.config.Now()
	e.restart(now)
	if e.Stored.IsZero() {
		e.Stored = now
	}
	return q.await(ctx, e.next(now), e)
}

// await writes an entry that is due at a time of its schedule. An event that waits
// there already under its id is the same one: it was first queued when the earlier
// of them was, and has been tried as often as either. A check is queued for so many
// objects that it is not worth looking.
func (q *Queue) await(ctx context.Context, due int64, e Entry) error {
	name := q.pending(due, e.ID)
	if e.Kind == Event {
		if known, err := q.glance(ctx, name); err == nil && known.ID == e.ID {
			e.Attempt = max(e.Attempt, known.Attempt)
			if known.Queued.Before(e.Queued) {
				e.Queued = known.Queued
			}
		}
	}
	return q.write(ctx, name, e)
}

// glance reads an entry in a sixth of the time there is: to write it matters more.
func (q *Queue) glance(ctx context.Context, name string) (Entry, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/6)
		defer cancel()
	}
	e, _, err := q.read(ctx, name)
	return e, err
}

// restart gives an entry all its tries.
func (e *Entry) restart(now time.Time) {
	e.Queued, e.Attempt = now.UTC().Truncate(time.Second), 0
}

func (q *Queue) pending(due int64, id string) string {
	return fmt.Sprintf("%s%s%010d-%s", q.config.Root, pendingName, due, id)
}

func (q *Queue) dead(name string) string { return q.config.Root + deadName + name }

func (q *Queue) write(ctx context.Context, name string, e Entry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encoding a queued event: %w", err)
	}
	sealed, err := q.config.Sealer.SealEvent(text)
	if err != nil {
		return fmt.Errorf("sealing a queued event: %w", err)
	}
	if err := q.config.Storage.Put(ctx, name, []byte(sealed)); err != nil {
		return fmt.Errorf("queueing an event: %w", err)
	}
	return nil
}

// errUnreadable is for an object that we did not write, or cannot open any more.
var errUnreadable = errors.New("queued event does not open")

// read returns an entry and how it is stored, the latter also with errUnreadable
// unless it is too large to be read.
func (q *Queue) read(ctx context.Context, name string) (Entry, []byte, error) {
	sealed, err := q.config.Storage.Get(ctx, name, maxEntry)
	if errors.Is(err, storage.ErrTooLarge) {
		return Entry{}, nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	if err != nil {
		return Entry{}, nil, fmt.Errorf("reading a queued event: %w", err)
	}
	text, err := q.config.Sealer.OpenEvent(string(sealed))
	if err != nil {
		return Entry{}, sealed, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	var e Entry
	if err := json.Unmarshal(text, &e); err != nil || !validID(e.ID) {
		return Entry{}, sealed, fmt.Errorf("%w: it is not an entry", errUnreadable)
	}
	return e, sealed, nil
}

// dueOf reads from its name when an entry is due. With any other name it is due
// now: to be looked at, and moved out of the way.
func (q *Queue) dueOf(name string) time.Time {
	digits, _, ok := strings.Cut(strings.TrimPrefix(name, q.config.Root+pendingName), "-")
	seconds, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || len(digits) != 10 || !ok {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}
