// Command bucket shows what a deployment needs of its bucket and the bucket does not
// have, and adds it:
//
//	go run ./scripts/bucket          # show the difference
//	go run ./scripts/bucket -apply   # make it so
//	go run ./scripts/bucket -out DIR # write what is needed as files; no call is made
//
// These are a rule of CORS for CORS_ORIGINS, rules of the lifecycle that clean up, the
// block of public access unless -keep-public is given, and with -forbid-overwrite
// protection of what is below UPLOAD_PREFIX. Rules of others stay as they are.
// README.md beside it has the rules and what they are for.
//
// It reads the environment of the functions, or the file of -env: OSS_REGION,
// OSS_BUCKET, OSS_ENDPOINT, OSS_CNAME, UPLOAD_PREFIX, CORS_ORIGINS. It finds
// credentials where Alibaba Cloud's tools look, ALIBABA_CLOUD_ACCESS_KEY_ID and its
// siblings first. They need the policy ossupload-bucket of scripts/ram.
//
// The exit status is 0 if the bucket has all that is needed, or was given it; 1 if it
// differs; 2 for wrong flags or settings; and 3 if it could not be read or written.
// ("go run" itself makes 1 of each of them.)
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/retry"

	"ossupload/scripts/internal/bucket"
	"ossupload/scripts/internal/cmdline"
	"ossupload/scripts/internal/envfile"
	"ossupload/shared/assumerole"
	"ossupload/shared/rolecreds"
	"ossupload/shared/settings"
	"ossupload/shared/signing"
	"ossupload/shared/storage"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := program{lookup: os.LookupEnv, credentials: assumerole.DefaultChain(time.Now), out: os.Stdout, err: os.Stderr}
	err := p.run(ctx, os.Args[1:])
	stop()
	os.Exit(status(os.Stdout, os.Stderr, err))
}

// program is what the command takes from where it runs.
type program struct {
	lookup      settings.Lookup
	credentials rolecreds.Source
	out, err    io.Writer
}

var (
	errUsage   = errors.New("bucket cannot begin")
	errDiffers = errors.New("the bucket differs")
)

// status tells an error, and is what the program ends with.
func status(stdout, w io.Writer, err error) int {
	switch {
	case err == nil, cmdline.Answered(err, stdout):
		return 0
	case errors.Is(err, errDiffers):
		return 1 // the report says in what
	case errors.Is(err, errUsage):
		fmt.Fprintln(w, err)
		return 2
	}
	fmt.Fprintln(w, "bucket:", err)
	return 3
}

// options are what the flags say.
type options struct {
	env, endpoint, out          string
	apply, json                 bool
	forbidOverwrite, keepPublic bool
	timeout                     time.Duration
}

func parseFlags(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bucket", flag.ContinueOnError)
	flags.StringVar(&o.env, "env", "", "`file` of KEY=VALUE lines, in place of the environment")
	flags.BoolVar(&o.apply, "apply", false, "give the bucket what it does not have")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	flags.BoolVar(&o.forbidOverwrite, "forbid-overwrite", false, "nobody may overwrite what is below UPLOAD_PREFIX (without effect where versioning is or was enabled)")
	flags.BoolVar(&o.keepPublic, "keep-public", false, "leave public access of the bucket as it is")
	flags.StringVar(&o.endpoint, "endpoint", "", "of OSS for these calls, `host` or URL (default OSS_ENDPOINT, or the region's if that is a domain of the bucket)")
	flags.StringVar(&o.out, "out", "", "write what a bucket needs that has nothing into this `folder`, and end")
	flags.DurationVar(&o.timeout, "timeout", time.Minute, "give up after so long")
	switch err := cmdline.Parse(flags, args); {
	case errors.Is(err, flag.ErrHelp):
		return o, err
	case err != nil:
		return o, fmt.Errorf("%w: %w", errUsage, err)
	case flags.NArg() > 0:
		return o, fmt.Errorf("%w: unexpected argument %q: only flags are accepted", errUsage, flags.Arg(0))
	case o.out != "" && o.apply:
		return o, fmt.Errorf("%w: -out changes no bucket, so that -apply has no place beside it", errUsage)
	case o.timeout <= 0:
		return o, fmt.Errorf("%w: -timeout must be more than nothing", errUsage)
	}
	return o, nil
}

func (p program) run(ctx context.Context, args []string) error {
	o, err := parseFlags(args)
	if err != nil {
		return err
	}
	s, err := p.settings(o.env)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	needs := bucket.Needs{Prefix: s.Prefix, Origins: s.Origins, ForbidOverwrite: o.forbidOverwrite, BlockPublicAccess: !o.keepPublic}
	if o.out != "" {
		return writeFiles(o.out, needs, p.out)
	}
	client, err := p.client(s.Storage, o.endpoint)
	if err != nil {
		return fmt.Errorf("%w: -endpoint: %w", errUsage, err)
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	b := bucket.New(s.Storage.Bucket, client)
	do := b.Look
	if o.apply {
		do = b.Apply
	}
	report, err := do(ctx, needs)
	return p.tell(o, report, err)
}

func (p program) settings(file string) (settings.Bucket, error) {
	lookup := p.lookup
	if file != "" {
		values, err := envfile.Read(file)
		if err != nil {
			return settings.Bucket{}, err
		}
		lookup = func(name string) (string, bool) { value, ok := values[name]; return value, ok }
	}
	s, err := settings.LoadBucket(lookup)
	for _, warning := range s.Warnings {
		fmt.Fprintln(p.err, "warning:", warning)
	}
	return s, err
}

// endpointOf is where the settings of a bucket are asked for: a domain of the bucket
// itself is for its objects.
func endpointOf(s settings.Storage, own string) (signing.Endpoint, error) {
	if own == "" && s.Public.Style != signing.CNAME {
		return s.Public, nil
	}
	style := signing.VirtualHosted
	if s.Public.Style == signing.PathStyle {
		style = signing.PathStyle
	}
	return signing.ParseEndpoint(cmp.Or(own, "oss-"+s.Region+".aliyuncs.com"), style)
}

func (p program) client(s settings.Storage, endpoint string) (*oss.Client, error) {
	at, err := endpointOf(s, endpoint)
	if err != nil {
		return nil, err
	}
	const pause = time.Second // between two tries of a read, at most
	return oss.NewClient(oss.NewConfig().
		WithRegion(s.Region).
		WithEndpoint(at.Scheme + "://" + at.Host).
		WithUsePathStyle(at.Style == signing.PathStyle).
		WithCredentialsProvider(storage.Provider(p.credentials)).
		WithProxyFromEnvironment(true).
		WithRetryer(retry.NewStandard(func(o *retry.RetryOptions) { o.MaxBackoff = pause }))), nil
}

// writeFiles writes what a bucket needs that has nothing yet.
func writeFiles(dir string, needs bucket.Needs, stdout io.Writer) error {
	files, err := bucket.Files(needs)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the folder: %w", err)
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		if err := os.WriteFile(path, f.Text, 0o644); err != nil {
			return fmt.Errorf("writing what is needed: %w", err)
		}
		fmt.Fprintln(stdout, path)
	}
	return nil
}
