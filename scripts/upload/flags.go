package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ossupload/scripts/internal/cmdline"
)

const (
	defaultEndpoint = "http://127.0.0.1:8580" // the local stack's
	maxParallel     = 64
	maxToken        = 64 << 10 // bytes of a token file
)

// options are what the command line and the environment say.
type options struct {
	endpoint      string
	token         string
	wish          wish
	parallel      int
	multipartFrom int64
	stdinName     string // what standard input is called
	stdinSize     int64  // -1: not known
	hidden        bool
	stateDir      string // empty: nothing is kept
	quiet         bool
	timeout       time.Duration
	files         []string
	warnings      []string
}

const usage = `usage: upload [flags] FILE|FOLDER...
       upload [flags] -name NAME [-size BYTES] -

Uploads to OSS through an ossupload deployment, several files at once, and
prints a receipt for each when it is there: one line of JSON. The exit status is
0 if all have one, 1 if some have not, 2 if the command line is wrong. What was
interrupted is gone on with by the same command, and what was stored without a
receipt is confirmed by it, and not sent again.

Of a folder all files are uploaded, at any depth, but for symbolic links and what
begins with a dot; where a file lay reaches the application as vars.path,
"photos/2026/a.jpg". "-" is standard input, which cannot be gone on with: what
fits 8 MiB is one object at once, more is sent in parts, up to 10,000 of them (78
GiB, or more with -part-size).

Environment: OSSUPLOAD_ENDPOINT, OSSUPLOAD_TOKEN.

`

func parseFlags(args []string, getenv func(string) string) (options, error) {
	o := options{
		wish:          wish{vars: map[string]string{}, metadata: map[string]string{}},
		multipartFrom: 16 << 20,
		stdinSize:     -1,
	}
	flags := flag.NewFlagSet("upload", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	endpoint := flags.String("endpoint", "", "`URL` of the deployment (default $OSSUPLOAD_ENDPOINT or "+defaultEndpoint+")")
	token := flags.String("token", "", "the caller's `token`; other users of the machine may see it: prefer $OSSUPLOAD_TOKEN or -token-file")
	tokenFile := flags.String("token-file", "", "`file` that holds the caller's token")
	flags.StringVar(&o.wish.contentType, "type", "", "`type/subtype` of the objects (default: by the extension)")
	flags.StringVar(&o.wish.contentType, "content-type", "", "the same as -`type`")
	flags.StringVar(&o.stdinName, "name", "", "with -: the file `name` that the upload gets")
	flags.Func("size", "with -: `bytes` that there will be, if that is known; fewer or more are a fault", size(&o.stdinSize, 0))
	flags.BoolVar(&o.hidden, "hidden", false, "of a folder, take what begins with a dot as well")
	flags.Func("vars", "`name=value` for the application's event; repeatable", pair(o.wish.vars))
	flags.Func("meta", "`name=value` as metadata of the objects; repeatable", pair(o.wish.metadata))
	flags.IntVar(&o.parallel, "parallel", 4, "`number` of files that are uploaded at once, and of bodies that are sent at once, parts included")
	flags.Func("part-size", "`bytes` of a part, optionally with KiB, MiB or GiB (default: the server decides)", size(&o.wish.partSize, 100<<10))
	flags.Func("multipart-from", "`bytes` from which on a file is sent in parts (default 16MiB)", size(&o.multipartFrom, 0))
	flags.StringVar(&o.stateDir, "state", "", "`folder` for what resuming needs (default: ossupload in the user's cache folder)")
	noResume := flags.Bool("no-resume", false, "keep nothing and resume nothing")
	flags.BoolVar(&o.quiet, "quiet", false, "print nothing but receipts and errors")
	flags.DurationVar(&o.timeout, "timeout", 30*time.Second, "`time` that a request may take, plus a second for each 100 KB that are being sent")

	if err := cmdline.Parse(flags, args); err != nil {
		return options{}, err
	}
	o.files = flags.Args()
	err := o.check()
	if err == nil {
		o.endpoint, err = readEndpoint(cmp.Or(*endpoint, getenv("OSSUPLOAD_ENDPOINT"), defaultEndpoint))
	}
	if err == nil {
		o.token, err = findToken(*token, *tokenFile, getenv)
	}
	if err != nil {
		return options{}, err
	}
	if o.token != "" && inTheClear(o.endpoint) {
		o.warnings = append(o.warnings, "the endpoint is not HTTPS: anybody on the way can read the token")
	}
	o.findState(*noResume)
	return o, nil
}

// check holds against their bounds what needs no look elsewhere.
func (o *options) check() error {
	switch {
	case len(o.files) == 0:
		return errors.New("no file is named; see -h")
	case o.parallel < 1 || o.parallel > maxParallel:
		return fmt.Errorf("-parallel must be from 1 to %d", maxParallel)
	case o.timeout <= 0:
		return errors.New("-timeout must be more than 0")
	}
	return o.checkStdin()
}

// checkStdin checks what belongs to standard input.
func (o *options) checkStdin() error {
	n := 0
	for _, name := range o.files {
		if name == stdinName {
			n++
		}
	}
	switch {
	case n > 1:
		return errors.New("- is given twice: standard input can be read once")
	case n == 0 && o.stdinName != "":
		return errors.New("-name is for standard input: give - as well")
	case n == 0 && o.stdinSize >= 0:
		return errors.New("-size is for standard input: give - as well")
	case n == 1 && o.stdinName == "":
		return errors.New("- needs a -name, by which the upload is known")
	}
	return nil
}

// findToken takes the caller's token from a flag, a file or the environment.
func findToken(token, file string, getenv func(string) string) (string, error) {
	switch {
	case token != "" && file != "":
		return "", errors.New("-token and -token-file exclude each other")
	case file != "":
		var err error
		if token, err = readToken(file); err != nil {
			return "", fmt.Errorf("reading the token: %w", err)
		}
	case token == "":
		token = getenv("OSSUPLOAD_TOKEN")
	}
	token = strings.TrimSpace(token)
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errors.New("the token has characters that a token cannot have")
	}
	return token, nil
}

// findState says where to keep what resuming needs.
func (o *options) findState(noResume bool) {
	if noResume {
		o.stateDir = ""
	} else if o.stateDir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			o.warnings = append(o.warnings, "uploads will not be resumable because there is no cache folder: use -state")
			return
		}
		o.stateDir = filepath.Join(cache, "ossupload")
	}
}

// pair reads name=value into m.
func pair(m map[string]string) func(string) error {
	return func(text string) error {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return errors.New("it is not name=value")
		}
		if _, repeated := m[name]; repeated {
			return fmt.Errorf("%s is given twice", name)
		}
		m[name] = value
		return nil
	}
}

// size reads a number of bytes, at least least.
func size(to *int64, least int64) func(string) error {
	return func(text string) error {
		number, unit := text, int64(1)
		for suffix, bytes := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
			if before, ok := strings.CutSuffix(text, suffix); ok {
				number, unit = strings.TrimSpace(before), bytes
			}
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/unit {
			return errors.New("it is not a number of bytes, such as 1048576 or 1MiB")
		}
		if n*unit < least {
			return fmt.Errorf("it must be at least %d", least)
		}
		*to = n * unit
		return nil
	}
}

// readEndpoint checks a base URL. Its errors do not repeat it: it may hold what
// nobody should see.
func readEndpoint(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return "", errors.New("the endpoint is not an http:// or https:// URL")
	case u.User != nil, u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return "", errors.New("the endpoint must not have a user, a query or a fragment")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// inTheClear reports whether an endpoint is reached over a network without
// TLS.
func inTheClear(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme == "https" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())
}

func readToken(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > maxToken:
		return "", fmt.Errorf("%s is too long to be a token", name)
	case len(strings.TrimSpace(string(text))) == 0:
		return "", fmt.Errorf("%s is empty", name)
	}
	return string(text), nil
}
