// Command doctor says what is wrong with a deployment, or with the local stack, and
// how to mend it, one line for each thing that it looks at:
//
//	go run ./scripts/doctor -env FILE                      # of a deployment
//	go run ./scripts/doctor -template scripts/deploy/domain.yaml   # of what that made of .env
//	go run ./scripts/doctor -env FILE -token JWT -upload   # all of it, and an upload by every method
//	go run ./scripts/doctor -env FILE -only cors,lifecycle -json
//	go run ./scripts/doctor -settings                      # before anything is deployed, of s.yaml
//	go run ./scripts/doctor -settings -template scripts/deploy/domain.yaml
//
// It reads the settings of the functions: those of the environment, and of the file
// where the environment has none; with -template, what the template makes of them.
// Addresses that only "s deploy" tells it has to be told: CALLBACK_URL, and -url with
// -complete-url. Its credentials are in the same place, or where Alibaba Cloud's
// tools look; they need what scripts/ram prints for an operator. The caller's token
// is -token or OSSUPLOAD_TOKEN, the functions' address -url or OSSUPLOAD_ENDPOINT or
// PUBLIC_URL.
//
//	ok    oss.region  cn-hangzhou
//	fail  cors.etag   ETag is not exposed for https://app.example.com; mend: expose ETag in the bucket's CORS rule  (README.md#deploy)
//
// CHECKS.md lists what is looked at. "skip" is for what cannot be seen, and says why.
// Nothing is stored without -upload, and nothing deleted with it. The receiver of
// events gets test events unless webhook is skipped.
//
// With -settings it looks at the variables from which a deployment is made, all
// at once and before anything is deployed: those of the environment, and of .env
// where the environment has none, as Serverless Devs reads them. It calls nothing,
// and prints no value that may be secret. Run it from the top of the tree.
//
// The status is 0 when nothing is wrong, warnings aside, 1 when something is, and
// 2 when the command line is, or a file cannot be read, or settings are missing.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"ossupload/scripts/internal/cmdline"
	"ossupload/scripts/internal/deployment"
	"ossupload/scripts/internal/envfile"
	"ossupload/scripts/internal/template"
	"ossupload/shared/settings"
)

func main() { deployment.Main(run, errUsage) }

var (
	errUsage = errors.New("doctor cannot begin")
	errSick  = errors.New("something is wrong")
)

// command is what the command line asks for.
type command struct {
	settings      bool
	template      string
	templateGiven bool
	envFile       string
	envGiven      bool

	url, complete string // base URLs; complete is "" if it is the same
	token, origin string
	upload, json  bool
	selection     selection
}

func run(ctx context.Context, args []string, lookup settings.Lookup, stdout, stderr io.Writer) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	if !c.settings {
		return examineDeployment(ctx, c, outside{lookup: lookup, now: time.Now, random: rand.Reader}, stdout)
	}
	findings, err := examineSettings(c, lookup)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return report(findings, stdout)
}

func parse(args []string) (command, error) {
	var (
		c          command
		only, skip string
	)
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	flags.BoolVar(&c.settings, "settings", false, "look at the settings alone, before a deployment")
	flags.StringVar(&c.template, "template", "s.yaml", "the `template` that is deployed, or going to be")
	flags.StringVar(&c.envFile, "env", ".env", "`file` of settings")
	flags.StringVar(&c.url, "url", "", "base `URL` of the functions, or of ossupload-presign")
	flags.StringVar(&c.complete, "complete-url", "", "base `URL` of ossupload-complete, where it is another")
	flags.StringVar(&c.token, "token", "", "`token` of a caller; better in OSSUPLOAD_TOKEN, which no list of processes shows")
	flags.StringVar(&c.origin, "origin", "", "`origin` of pages that upload, instead of those of CORS_ORIGINS")
	flags.BoolVar(&c.upload, "upload", false, "upload by every method, which leaves a few small objects, and try what writes")
	flags.BoolVar(&c.json, "json", false, "print lines of JSON")
	flags.StringVar(&only, "only", "", "look at these `checks` alone: ids, or areas such as cors, comma separated")
	flags.StringVar(&skip, "skip", "", "leave out these `checks`")
	switch err := cmdline.Parse(flags, args); {
	case errors.Is(err, flag.ErrHelp):
		return c, err
	case err != nil:
		return c, fmt.Errorf("%w: %w", errUsage, err)
	case flags.NArg() > 0:
		return c, fmt.Errorf("%w: unexpected argument %q: only flags are accepted", errUsage, flags.Arg(0))
	}
	flags.Visit(func(f *flag.Flag) {
		c.envGiven, c.templateGiven = c.envGiven || f.Name == "env", c.templateGiven || f.Name == "template"
	})
	var err error
	if c.selection, err = parseSelection(only, skip); err != nil {
		return c, fmt.Errorf("%w: %w", errUsage, err)
	}
	return c, nil
}

// examineDeployment looks at what is deployed.
func examineDeployment(ctx context.Context, c command, out outside, stdout io.Writer) error {
	var err error
	if out.lookup, err = deployedSettings(c, out.lookup); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	value := func(name string) string { v, _ := out.lookup(name); return strings.TrimSpace(v) }
	c.url, c.token = cmp.Or(c.url, value("OSSUPLOAD_ENDPOINT")), cmp.Or(c.token, value("OSSUPLOAD_TOKEN"))
	p, err := newPatient(c, out)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	tell := func(r result) { printText(stdout, r) }
	if c.json {
		tell = func(r result) { printJSON(stdout, r) }
	}
	if !diagnose(ctx, p, c.selection, tell) {
		return errSick
	}
	return nil
}

// deployedSettings are those of the environment, then those of the file, and before
// both what the template makes of them, if one was named.
func deployedSettings(c command, environment settings.Lookup) (settings.Lookup, error) {
	file, err := readEnv(c)
	if err != nil {
		return nil, err
	}
	given := func(name string) (string, bool) {
		if value, ok := environment(name); ok {
			return value, true
		}
		value, ok := file[name]
		return value, ok
	}
	if !c.templateGiven {
		return given, nil
	}
	t, err := template.Open(c.template)
	if err != nil {
		return nil, err
	}
	made := map[string]string{}
	for _, function := range []string{"presign", "complete"} {
		of, err := t.Environment(function, template.Lookup(given))
		if err != nil {
			return nil, err
		}
		for name, value := range of {
			// An address that only a deployment tells.
			if u, err := url.Parse(value); err != nil || !strings.HasSuffix(u.Hostname(), ".invalid") {
				made[name] = value
			}
		}
	}
	return func(name string) (string, bool) {
		if value, ok := made[name]; ok {
			return value, true
		}
		return given(name)
	}, nil
}

// readEnv reads the file of settings. There need not be one unless it was named.
func readEnv(c command) (map[string]string, error) {
	file, err := envfile.Read(c.envFile)
	if errors.Is(err, fs.ErrNotExist) && !c.envGiven {
		return nil, nil
	}
	return file, err
}
