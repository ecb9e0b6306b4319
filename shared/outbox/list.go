package outbox

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"ossupload/shared/storage"
)

// Listed is an object of the queue or of the dead, as an operator sees it.
type Listed struct {
	Name  string    // below the root; Revive takes it
	Since time.Time // when it was written
	Due   time.Time // zero for the dead, and for a name that is not ours
	// Entry is nil if it cannot be read, and Err says why.
	Entry *Entry
	Err   error
}

// Pending yields what waits, the earliest first. An error ends it.
func (q *Queue) Pending(ctx context.Context) iter.Seq2[Listed, error] {
	return q.opened(ctx, pendingName)
}

// Dead yields what was given up or did not open, by name. What it yields may be
// revived while it goes on. An error ends it.
func (q *Queue) Dead(ctx context.Context) iter.Seq2[Listed, error] {
	return q.opened(ctx, deadName)
}

func (q *Queue) opened(ctx context.Context, below string) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		for o, err := range q.listed(ctx, below) {
			if err != nil {
				yield(Listed{}, err)
				return
			}
			l := Listed{Name: strings.TrimPrefix(o.Key, q.config.Root), Since: o.LastModified}
			if below == pendingName {
				l.Due = q.dueOf(o.Key)
			}
			e, err := q.readListed(ctx, o)
			switch {
			case errors.Is(err, storage.ErrNotFound):
				continue // it was taken in between
			case err != nil:
				l.Err = err
			default:
				l.Entry = &e
			}
			if !yield(l, nil) {
				return
			}
		}
	}
}

// readListed reads an entry unless its size tells that it is none.
func (q *Queue) readListed(ctx context.Context, o storage.Listed) (Entry, error) {
	if o.Size > maxEntry {
		return Entry{}, fmt.Errorf("%w: %w", errUnreadable, storage.ErrTooLarge)
	}
	e, _, err := q.read(ctx, o.Key)
	return e, err
}

// listed yields the objects below a name, page by page, but not the empty one of
// that very name, with which consoles make folders.
func (q *Queue) listed(ctx context.Context, below string) iter.Seq2[storage.Listed, error] {
	return func(yield func(storage.Listed, error) bool) {
		prefix := q.config.Root + below
		for after, more := prefix, true; more; {
			page, err := q.config.Storage.List(ctx, prefix, after, storage.PageSize)
			if err != nil {
				yield(storage.Listed{}, fmt.Errorf("listing queued events: %w", err))
				return
			}
			for _, o := range page.Objects {
				if !yield(o, nil) {
					return
				}
				after = o.Key
			}
			more = page.More
		}
	}
}

// Revive queues a dead entry again, due at once and with all its tries before it;
// name is as it was listed. The dead one is deleted last: a crash in between
// leaves both, and the marker of the first delivery ends the other.
func (q *Queue) Revive(ctx context.Context, name string) (Entry, error) {
	if !strings.HasPrefix(name, deadName) {
		return Entry{}, fmt.Errorf("reviving %q: it is not among the dead", name)
	}
	key := q.config.Root + name
	e, _, err := q.read(ctx, key)
	if err != nil {
		return Entry{}, fmt.Errorf("reviving %q: %w", name, err)
	}
	now := q.config.Now()
	e.restart(now)
	if err := q.write(ctx, q.pending(now.Unix(), e.ID), e); err != nil {
		return Entry{}, fmt.Errorf("reviving %q: %w", name, err)
	}
	if err := q.config.Storage.Delete(ctx, key); err != nil {
		return Entry{}, fmt.Errorf("reviving %q: %w", name, err)
	}
	return e, nil
}
