// Command upload uploads files through an ossupload deployment:
//
//	OSSUPLOAD_ENDPOINT=https://upload.example.com OSSUPLOAD_TOKEN=… go run ./scripts/upload FILE|FOLDER...
//	pg_dump shop | OSSUPLOAD_TOKEN=… go run ./scripts/upload -name shop.sql -
//
// It is a client of the HTTP contract and knows nothing else of the functions.
// A small file is one presigned PUT; a larger one is sent in parts. A receipt
// goes to stdout for each file when it is there, as one line of JSON, and means
// that the object is stored, that its CRC-64 is the one that was computed from
// the file here, and that the application was told. Everything else goes to
// stderr, and no token or signed URL with it: on a terminal a bar for each file
// that is under way, elsewhere lines; what to do about an error; and at the end
// how much was uploaded.
//
// What fails for a while is tried again. What was interrupted, even by a
// SIGKILL, is gone on with by the same command: the parts that storage lists are
// believed when their ETags are the MD5s of the file's bytes, and a file that
// was stored with one PUT and not confirmed is confirmed, and not sent again.
// A file that changes while it is sent is never completed.
//
// The files of a folder are uploaded at any depth. Symbolic links in it are not
// followed: they may lead out of it, and around. What begins with a dot is left
// out, for it is settings and caches as a rule, and secrets among them; -hidden
// takes it. Both are counted in the last line.
//
// The status is 0 if every file has a receipt, 2 if the command line is wrong,
// and else 1. A first SIGINT ends the uploads and keeps what resuming needs; a
// second one ends the program at once.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/cmdline"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
}

// run uploads what args name and returns the program's status.
func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout io.Writer, stderr *os.File) int {
	o, err := parseFlags(args, getenv)
	switch {
	case cmdline.Answered(err, stdout):
		return statusDone
	case err != nil:
		fmt.Fprintln(stderr, "upload:", err)
		return statusUsage
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
		slots:         make(slots, o.parallel),
		screen:        newScreen(stderr, how, terminalSize(stderr), time.Now),
		stdin:         input{stdin, o.stdinName, o.stdinSize},
	}
	f := find(o.files, o.hidden)
	if _, given := o.wish.vars[placeVar]; given && f.fromFolder() {
		fmt.Fprintf(stderr, "upload: -vars %s says where a file of a folder lay: call yours otherwise\n", placeVar)
		return statusUsage
	}
	u.states.prune(time.Now())
	return u.all(ctx, f, stdout)
}

// What the program ends with.
const (
	statusDone = iota
	statusFailed
	statusUsage
)

// terminalSize tells how large a terminal is now, or what is usual.
func terminalSize(f *os.File) func() (columns, rows int) {
	return func() (columns, rows int) {
		if columns, rows, ok := sizeOf(f); ok {
			return columns, rows
		}
		return 80, 24
	}
}
