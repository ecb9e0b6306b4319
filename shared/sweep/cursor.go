package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"ossupload/shared/grant"
	"ossupload/shared/storage"
)

// cursor is where a run stopped: behind an object, and behind a multipart
// upload. Empty is the beginning.
type cursor struct {
	After     string `json:"after,omitempty"`
	UploadKey string `json:"uploadKey,omitempty"`
	UploadID  string `json:"uploadId,omitempty"`
	// Round is when the listing of objects last began at the beginning, in Unix
	// seconds.
	Round int64 `json:"round,omitempty"`
}

// maxCursor bounds what is read: two keys of 1,023 bytes, escaped.
const maxCursor = 16 << 10

func (s *Sweeper) cursorKey() string { return grant.SweepPrefix(s.Prefix) + "cursor" }

// loadCursor returns where to begin: at the beginning, which is always right,
// if the cursor cannot be used.
func (s *Sweeper) loadCursor(ctx context.Context) (cursor, error) {
	text, err := s.Storage.Get(ctx, s.cursorKey(), maxCursor)
	if errors.Is(err, storage.ErrNotFound) {
		return cursor{}, nil
	}
	if err != nil {
		return cursor{}, fmt.Errorf("reading the cursor: %w", err)
	}
	var c cursor
	err = json.Unmarshal(text, &c)
	if err == nil && !(s.listed(c.After) && s.listed(c.UploadKey)) {
		err = fmt.Errorf("it is not below %q", s.Prefix)
	}
	if err != nil {
		s.Log.WarnContext(ctx, "sweep", "action", "begin anew", "err", fmt.Sprintf("the cursor cannot be used: %v", err))
		return cursor{}, nil
	}
	return c, nil
}

// listed reports whether key can be where a listing of the prefix stopped.
func (s *Sweeper) listed(key string) bool { return key == "" || strings.HasPrefix(key, s.Prefix) }

func (s *Sweeper) saveCursor(ctx context.Context, c cursor) error {
	text, err := json.Marshal(c)
	if err == nil {
		err = s.Storage.Put(ctx, s.cursorKey(), text)
	}
	if err != nil {
		return fmt.Errorf("keeping the cursor: %w", err)
	}
	return nil
}
