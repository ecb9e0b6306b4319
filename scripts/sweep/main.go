// Command sweep does by hand what the timer of ossupload-repair does: it
// announces uploads that were stored and not announced, deletes objects that
// break their grant if it is told to, and aborts stale multipart uploads. It
// begins with a dry run:
//
//	go run ./scripts/sweep                  # what would be done
//	go run ./scripts/sweep -dry-run=false   # announce and abort
//
// It reads the environment of functions/complete (settings.Complete), and finds
// credentials where Alibaba Cloud's tools look, ALIBABA_CLOUD_ACCESS_KEY_ID and
// its siblings first. They need oss:ListObjects and oss:ListMultipartUploads on
// the bucket; oss:GetObject, oss:AbortMultipartUpload and, with -delete,
// oss:DeleteObject on UPLOAD_PREFIX; oss:GetObject and oss:PutObject on
// _ossupload/{UPLOAD_PREFIX}.
//
// Like the timer it begins where the last run stopped. What it does is logged as
// JSON lines on stderr, the summary is printed on stdout. The status is 1 when
// something failed and 2 when the flags or the environment are wrong.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"ossupload/scripts/internal/cmdline"
	"ossupload/scripts/internal/deployment"
	"ossupload/shared/confirm"
	"ossupload/shared/settings"
	"ossupload/shared/sweep"
)

func main() { deployment.Main(run, errUsage) }

var errUsage = errors.New("sweep cannot begin")

func run(ctx context.Context, args []string, lookup settings.Lookup, stdout, stderr io.Writer) error {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(stderr, nil))
	d, err := deployment.Open(lookup, log)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	sweeper := sweep.Sweeper{
		Prefix: d.Settings.Place.Prefix, Storage: d.Storage, Confirmer: d.Confirmer, Now: time.Now, Log: log,
		TellStored: slices.Contains(d.Settings.Webhook.Events, confirm.Stored),
	}
	summary, err := sweeper.Run(ctx, o)
	out := json.NewEncoder(stdout)
	out.SetIndent("", "  ")
	return errors.Join(err, out.Encode(summary))
}

func parseFlags(args []string) (sweep.Options, error) {
	o := sweep.Defaults()
	flags := flag.NewFlagSet("sweep", flag.ContinueOnError)
	flags.BoolVar(&o.DryRun, "dry-run", true, "log what would be done, and change nothing")
	flags.BoolVar(&o.Delete, "delete", false, "delete objects that break their grant")
	flags.IntVar(&o.MaxObjects, "max-objects", o.MaxObjects, "list at most so `many` objects, and as many multipart uploads")
	flags.DurationVar(&o.LookBack, "look-back", o.LookBack, "look at objects that were stored at most so long ago; 0 is 8 days")
	flags.DurationVar(&o.MinAge, "min-age", o.MinAge, "leave objects alone that were stored more lately")
	flags.DurationVar(&o.Grace, "grace", o.Grace, "age from which on objects may be deleted")
	switch err := cmdline.Parse(flags, args); {
	case errors.Is(err, flag.ErrHelp):
		return o, err
	case err != nil:
		return o, fmt.Errorf("%w: %w", errUsage, err)
	case flags.NArg() > 0:
		return o, fmt.Errorf("%w: unexpected argument %q: only flags are accepted", errUsage, flags.Arg(0))
	}
	return o, nil
}
