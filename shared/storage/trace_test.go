package storage_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"ossupload/shared/storage"
	"ossupload/shared/trace"
)

// Whatever a call ends like, the time that it took ends with it.
func TestCallsAreTimed(t *testing.T) {
	calls := map[string]func(context.Context, *storage.Client) error{
		"HEAD":   head,
		"GET":    func(ctx context.Context, c *storage.Client) error { _, err := c.Get(ctx, "k", 100); return err },
		"PUT":    func(ctx context.Context, c *storage.Client) error { return c.Put(ctx, "k", []byte("x")) },
		"LIST":   func(ctx context.Context, c *storage.Client) error { _, err := c.List(ctx, "p", "", 10); return err },
		"DELETE": func(ctx context.Context, c *storage.Client) error { return c.Delete(ctx, "k") },
		"parts":  func(ctx context.Context, c *storage.Client) error { _, err := c.ListParts(ctx, "k", "U"); return err },
		"abort":  func(ctx context.Context, c *storage.Client) error { return c.Abort(ctx, "k", "U") },
		"begin":  func(ctx context.Context, c *storage.Client) error { _, err := c.Initiate(ctx, "k", nil); return err },
		"end":    func(ctx context.Context, c *storage.Client) error { return c.Complete(ctx, "k", "U", nil) },
	}
	for name, call := range calls {
		for _, status := range []int{200, 403, 404} {
			clock := time.Unix(1, 0)
			tr := trace.New(func() time.Time { return clock }, http.NoBody, nil)
			c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				clock = clock.Add(time.Second)
				if status != http.StatusOK {
					fail(w, r, status, "SomeCode")
				}
			})
			_ = call(trace.NewContext(t.Context(), tr), c) // only its time is of interest
			took, ok := tr.Waited(trace.OSS)
			clock = clock.Add(time.Hour)
			if later, _ := tr.Waited(trace.OSS); !ok || took < time.Second || later != took {
				t.Errorf("%s with status %d took %v, and an hour later %v", name, status, took, later)
			}
		}
	}
}
