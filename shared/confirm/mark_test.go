package confirm_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ossupload/shared/confirm"
	"ossupload/shared/storage"
)

// marks keeps keys, or fails as put says.
type marks struct {
	kept []string
	put  func(context.Context) error
}

func (m *marks) Put(ctx context.Context, key string, content []byte) error {
	if m.put != nil {
		if err := m.put(ctx); err != nil {
			return err
		}
	}
	if len(content) > 0 {
		return errors.New("a marker is empty")
	}
	m.kept = append(m.kept, key)
	return nil
}

const (
	markedKey = "u/alice/2025/11/019a9f3c-0000-7abc-8def-0123456789ab.png"
	// printf 5D41402ABC4B2A76B9719D911017C592 | sha256sum | cut -c1-16
	marker = "u/_announced/alice/2025/11/019a9f3c-0000-7abc-8def-0123456789ab-e072943eaf5da242"
)

func TestMark(t *testing.T) {
	c := claims()
	c.Key = markedKey
	kept := &marks{}
	hook := &recorder{}
	config := config(t, bucket{object: object(), marks: kept})
	clock := uploadedAt
	// Each announcement is long after the one before.
	config.Now = func() time.Time { clock = clock.Add(time.Minute); return clock }
	config.Notifier = hook
	confirmer := made(t, config)
	for range 2 {
		if _, err := confirmer.Confirm(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if _, err := confirmer.Repair(t.Context(), c, object()); err != nil {
			t.Fatal(err)
		}
	}
	if len(kept.kept) != 4 {
		t.Fatalf("%d markers were put, want one for each of 4 announcements", len(kept.kept))
	}
	for _, key := range kept.kept {
		if key != marker {
			t.Errorf("marker = %q, want %q", key, marker)
		}
	}
	kept.kept, hook.err = nil, errors.New("webhook answered 500")
	confirmer.Confirm(t.Context(), c)
	confirmer.Repair(t.Context(), c, object())
	hook.err = nil
	wrong := object()
	wrong.Size++
	confirmer.Announce(t.Context(), c, wrong)
	if len(kept.kept) != 0 {
		t.Errorf("what was not announced is marked: %q", kept.kept)
	}
}

func TestMarkFails(t *testing.T) {
	tests := []struct {
		name string
		key  string
		put  func(context.Context) error
	}{
		{"the storage refuses", markedKey, func(context.Context) error { return storage.ErrDenied }},
		{"the storage is silent", markedKey, func(ctx context.Context) error { <-ctx.Done(); return storage.ErrTimeout }},
		{"the key is of another form", "u/alice/x.png", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				c := claims()
				c.Key = tt.key
				hook := &recorder{}
				config := config(t, bucket{object: object(), marks: &marks{put: tt.put}})
				config.Notifier, config.Log = hook, slog.New(slog.NewJSONHandler(&log, nil))
				confirmer := made(t, config)
				start := time.Now()
				receipt, err := confirmer.Announce(t.Context(), c, object())
				if err != nil || receipt.EventID == "" || len(hook.taken) != 1 {
					t.Errorf("Announce = %+v, %v, want the receipt", receipt, err)
				}
				if took := time.Since(start); took > 500*time.Millisecond {
					t.Errorf("the receipt came %v late", took)
				}
				if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), receipt.EventID) {
					t.Errorf("log = %s, want one line with the event id", &log)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if _, err := confirmer.Repair(ctx, c, object()); !errors.Is(err, confirm.ErrMark) {
					t.Errorf("Repair = %v, want ErrMark", err)
				}
			})
		})
	}
}
