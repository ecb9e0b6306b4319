// Command upload uploads files through an ossupload deployment:
//
//	OSSUPLOAD_ENDPOINT=https://upload.example.com OSSUPLOAD_TOKEN=… go run ./scripts/upload FILE...
//
// It is a client of the HTTP contract and knows nothing else of the functions.
// A small file is one presigned PUT; a larger one is sent in parts, several at
// once. A receipt goes to stdout for each file, as one line of JSON, and means
// that the object is stored, that its CRC-64 is the one that was computed from
// the file here, and that the application was told. Everything else goes to
// stderr, and no token or signed URL with it.
//
// What fails for a while is tried again. What was interrupted, even by a
// SIGKILL, is resumed by the same command: the parts that storage lists are
// believed when their ETags are the MD5s of the file's bytes. A file that
// changes while it is sent is never completed.
//
// The status is 0 if every file has a receipt, 2 if the command line is wrong,
// and else 1. A first SIGINT ends the upload and keeps what resuming needs; a
// second one ends the program at once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"ossupload/scripts/internal/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run uploads the files that args name and returns the program's status.
func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer, stderr *os.File) int {
	o, err := parseFlags(args, getenv, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	how := quiet
	if !o.quiet {
		how = displayOf(stderr, getenv("TERM"))
		for _, w := range o.warnings {
			fmt.Fprintf(stderr, "upload: warning: %s\n", w)
		}
	}
	transport := client.NewTransport(o.parallel)
	defer transport.CloseIdleConnections()
	u := &uploader{
		client: &client.Client{
			Endpoint: o.endpoint, Token: o.token,
			HTTP:    client.NewHTTP(transport),
			Timeout: o.timeout, Parallel: o.parallel,
			Retry: client.Retry{Tries: 6, First: 500 * time.Millisecond, Most: 20 * time.Second, MostAsked: 5 * time.Minute},
		},
		states:        states{o.stateDir},
		wish:          o.wish,
		multipartFrom: o.multipartFrom,
		progress: func(name string, size int64) *progress {
			return newProgress(stderr, how, name, size, time.Now)
		},
	}
	return u.all(ctx, o.files, stdout, stderr)
}

// all uploads files one after the other. One that fails does not keep the
// others from being tried; an interruption does.
func (u *uploader) all(ctx context.Context, files []string, stdout, stderr io.Writer) (status int) {
	var failed []string
	for _, name := range files {
		err := context.Cause(ctx)
		if err == nil {
			var receipt []byte
			if receipt, err = u.upload(ctx, name); err == nil {
				_, err = fmt.Fprintf(stdout, "%s\n", receipt)
			}
			if err != nil {
				fmt.Fprintf(stderr, "upload: %s: %v\n", client.Clean(name), err)
			}
		}
		if err != nil {
			failed = append(failed, client.Clean(name))
		}
	}
	if len(failed) == 0 {
		return 0
	}
	fmt.Fprintf(stderr, "upload: %d of %d files have no receipt: %s\n", len(failed), len(files), strings.Join(failed, ", "))
	return 1
}
