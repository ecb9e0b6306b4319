package confirm

import (
	"context"
	"errors"
	"fmt"

	"ossupload/shared/grant"
	"ossupload/shared/storage"
)

// state is what a marker says.
type state string

const (
	taken   state = "taken"   // the event was delivered
	queued  state = "queued"  // it waits in the outbox
	refused state = "refused" // the object disagrees with its grant, and that was told
	dead    state = "dead"    // the event was given up
)

// maxMarker bounds what is read of a marker.
const maxMarker = 64

func (c *Confirmer) markerName(key string, o storage.Object) string {
	return grant.Marker(c.config.Prefix, key, o.ETag, o.Size, o.LastModified)
}

// marker is what the object's marker says, or "" if there is none.
func (c *Confirmer) marker(ctx context.Context, key string, o storage.Object) (state, error) {
	return c.readMarker(ctx, c.markerName(key, o))
}

func (c *Confirmer) readMarker(ctx context.Context, name string) (state, error) {
	if name == "" {
		return "", nil
	}
	text, err := c.config.Storage.Get(ctx, name, maxMarker)
	if errors.Is(err, storage.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading a marker: %w", err)
	}
	return state(text), nil
}

// mark remembers how far the announcement of an object is. A mark that is missing
// means one more delivery under the same id.
func (c *Confirmer) mark(ctx context.Context, e raised, s state, p pace) error {
	ctx, cancel := context.WithTimeout(ctx, p.marking)
	defer cancel()
	return c.writeMarker(ctx, c.markerName(e.key, e.object), s)
}

func (c *Confirmer) writeMarker(ctx context.Context, name string, s state) error {
	if name == "" {
		return nil
	}
	if err := c.config.Storage.Put(ctx, name, []byte(s)); err != nil {
		return fmt.Errorf("writing a marker: %w", err)
	}
	return nil
}
