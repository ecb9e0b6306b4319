package storage_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"ossupload/shared/storage"
)

// A connection that died unnoticed answers nothing. It must not cost all of the
// time that a call has.
func TestASecondTryFollowsOneThatHangs(t *testing.T) {
	tests := []struct {
		name  string
		hangs int32 // so many tries
		call  func(context.Context, *storage.Client) error
		want  error
		tries int32
	}{
		{"HEAD hangs once", 1, head, nil, 2},
		{"HEAD hangs", 9, head, storage.ErrTimeout, 2},
		{"aborting hangs once", 1, func(ctx context.Context, c *storage.Client) error { return c.Abort(ctx, "k", "U") }, nil, 2},
		{"starting an upload hangs once, and is not repeated", 1, func(ctx context.Context, c *storage.Client) error {
			_, err := c.Initiate(ctx, "k", nil)
			return err
		}, storage.ErrTimeout, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int32
			c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if tries.Add(1) <= tt.hangs {
					// Only then does the server notice a client that leaves.
					io.Copy(io.Discard, r.Body)
					<-r.Context().Done()
					return
				}
				w.Header().Set("Last-Modified", "Fri, 20 Nov 2026 10:00:00 GMT")
			})
			const limit = 2 * time.Second // of which a try has half, to connect on a busy machine too
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			if err := tt.call(ctx, c); !errors.Is(err, tt.want) {
				t.Errorf("error = %v, want %v", err, tt.want)
			}
			if got := tries.Load(); got != tt.tries {
				t.Errorf("%d tries, want %d", got, tt.tries)
			}
		})
	}
}

func head(ctx context.Context, c *storage.Client) error {
	_, err := c.Head(ctx, "k")
	return err
}
