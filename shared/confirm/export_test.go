package confirm

import (
	"context"
	"log/slog"
	"time"
)

// The notifiers that New chooses from, one by one.

func NewWebhook(c WebhookConfig, now func() time.Time) (Notifier, error) { return newWebhook(c, now) }

func NewOnce(next Notifier, now func() time.Time) Notifier { return onceTo{newOnce(now), next} }

type onceTo struct {
	*once
	next Notifier
}

func (o onceTo) Notify(ctx context.Context, id string, body []byte) error {
	return o.notify(ctx, 0, o.next, id, body)
}

func NewEventLog(log *slog.Logger, whole bool) Notifier { return eventLog{log, whole} }
