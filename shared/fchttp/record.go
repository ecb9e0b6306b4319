package fchttp

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"ossupload/shared/redact"
)

const (
	// maxRecorded and maxPlatform bound what a recorded event and what the platform
	// said around it take of a line: 16 KiB in all, of the 32 at which FC cuts.
	maxRecorded = 11 << 10
	maxPlatform = 4 << 10
)

type platformKey struct{}

// WithPlatform hands on what the platform says of an invocation, for the line that
// Adapter.Record asks for. It may hold credentials: nothing but its shape is logged.
func WithPlatform(ctx context.Context, platform any) context.Context {
	return context.WithValue(ctx, platformKey{}, platform)
}

// record logs an event without its values, and how it was answered. The line is
// what scripts/replay reads:
//
//	{"msg":"event","requestId":…,"function":"presign","trigger":"http","status":401,"code":"unauthorized",
//	 "durationMs":1,"bytes":812,"platform":{…},"event":{…}}
//
// Status is 0 where there is no HTTP answer; code is "failed" then, if the
// invocation ended in an error.
func (a *Adapter) record(ctx context.Context, c *call, k kind, event []byte, failed bool, took time.Duration) {
	code := c.code()
	if failed {
		code = "failed"
	}
	attrs := []slog.Attr{
		slog.String("requestId", c.requestID),
		slog.String("function", a.Name),
		slog.String("trigger", k.String()),
		slog.Int("status", c.status),
		slog.String("code", code),
		slog.Int64("durationMs", took.Milliseconds()),
		slog.Int("bytes", len(event)),
	}
	// The answer is there already, and no fault of a record may take it away.
	err := guard(func() error {
		r := redact.New()
		platform, err := json.Marshal(ctx.Value(platformKey{}))
		attrs = append(attrs, slog.Any("platform", r.JSON(platform, maxPlatform)), slog.Any("event", r.JSON(event, maxRecorded)))
		return err
	})
	if err != nil {
		attrs = append(attrs, errorAttrs(err)...)
	}
	a.log().LogAttrs(ctx, slog.LevelInfo, "event", attrs...)
}
