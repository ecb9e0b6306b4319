package confirm

import (
	"log/slog"
	"time"
)

// The notifiers that New chooses from, one by one.

func NewWebhook(c WebhookConfig, now func() time.Time) (Notifier, error) { return newWebhook(c, now) }

func NewOnce(next Notifier, now func() time.Time) Notifier { return newOnce(next, now) }

func NewEventLog(log *slog.Logger, whole bool) Notifier { return eventLog{log, whole} }
