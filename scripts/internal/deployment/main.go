package deployment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"ossupload/scripts/internal/cmdline"
	"ossupload/shared/settings"
)

// Main runs an operator's command until it has ended, or is interrupted, and exits
// with the status of its error: 2 for usage, a fault of the command line or the
// environment, and 1 for any other.
func Main(run func(ctx context.Context, args []string, lookup settings.Lookup, stdout, stderr io.Writer) error, usage error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr)
	stop()
	os.Exit(status(err, usage, os.Stdout, os.Stderr))
}

// status tells an error, and is what the program ends with.
func status(err, usage error, stdout, stderr io.Writer) int {
	switch {
	case err == nil, cmdline.Answered(err, stdout):
		return 0
	case errors.Is(err, usage):
		fmt.Fprintln(stderr, err)
		return 2
	}
	fmt.Fprintln(stderr, err)
	return 1
}
