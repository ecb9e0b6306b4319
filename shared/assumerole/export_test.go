package assumerole

import (
	"context"
	"log/slog"
	"time"

	"ossupload/shared/rolecreds"
)

// NewWithin is New with other limits, so that tests need not wait.
func NewWithin(c Config, connect, read, patience time.Duration) (*Source, error) {
	return newSource(c, limits{connect: connect, read: read, patience: patience})
}

// NewRenewal is what a Source is but for STS.
func NewRenewal(fetch func(context.Context) (rolecreds.Credentials, error), log *slog.Logger) rolecreds.Source {
	return newRenewal(fetch, time.Now, log, time.Second)
}
