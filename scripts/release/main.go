// Command release builds what a release consists of:
//
//	go run ./scripts/release v1.2.3
//
// Into dist/release it writes, for v1.2.3:
//
//	ossupload-presign_v1.2.3.zip …                functions, each as s.yaml deploys it
//	ossupload-upload_v1.2.3_linux_amd64.tar.gz …  the command line, for six systems
//	ossupload-local_v1.2.3_linux_amd64.tar.gz …   the local stack, with its functions
//	*.tgz                                         the browser client, as npm publishes it
//	ossupload_v1.2.3.cdx.json                     a software bill of materials (CycloneDX)
//	SHA256SUMS                                    of all of these
//
// The same tree and the same version of Go make the same bytes: paths, times and
// the commit are left out. It changes nothing in the tree and publishes nothing;
// .github/workflows/release.yml does that for a tag.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"ossupload/scripts/internal/cmdline"
	"ossupload/scripts/internal/deployment"
	"ossupload/scripts/internal/stack"
	"ossupload/shared/settings"
)

func main() { deployment.Main(run, errUsage) }

var errUsage = errors.New("release cannot begin")

const usage = `usage: release [flags] VERSION

Builds what a release consists of; see go doc ./scripts/release.

`

// release is one to be built.
type release struct {
	version string   // v1.2.3
	root    string   // of the module
	out     string   // folder of what is built
	scratch string   // folder of what it is made of
	targets []target // of programs
	bill    bill
	log     io.Writer
}

// versions are those of Go modules.
var versions = regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z]+([.-][0-9A-Za-z]+)*)?$`)

func run(ctx context.Context, args []string, _ settings.Lookup, stdout, _ io.Writer) (err error) {
	r, err := parse(args)
	if err != nil {
		return err
	}
	r.log = stdout
	if r.root, err = stack.ModuleRoot(ctx); err != nil {
		return err
	}
	if r.scratch, err = os.MkdirTemp("", "ossupload-release-"); err != nil {
		return fmt.Errorf("making a temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.scratch)) }()
	return r.build(ctx)
}

func parse(args []string) (*release, error) {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	out := flags.String("out", "", "`folder` to write into, which is emptied if it holds a release (default dist/release)")
	wanted := flags.String("targets", strings.Join(targetNames(), ","), "`list` of systems for which programs are built")
	switch err := cmdline.Parse(flags, args); {
	case errors.Is(err, flag.ErrHelp):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	case flags.NArg() != 1:
		return nil, fmt.Errorf("%w: it wants one VERSION, such as v1.2.3", errUsage)
	case !versions.MatchString(flags.Arg(0)):
		return nil, fmt.Errorf("%w: %q is not a version such as v1.2.3 or v1.2.3-rc.1", errUsage, flags.Arg(0))
	}
	r := &release{version: flags.Arg(0), out: *out}
	for name := range strings.SplitSeq(*wanted, ",") {
		at := slices.Index(targetNames(), name)
		if at < 0 {
			return nil, fmt.Errorf("%w: -targets: %q is none of %s", errUsage, name, strings.Join(targetNames(), ", "))
		}
		r.targets = append(r.targets, allTargets[at])
	}
	return r, nil
}

// build builds all of it. The sums come last: where they are, a release is whole.
func (r *release) build(ctx context.Context) error {
	if r.out == "" {
		r.out = filepath.Join(r.root, "dist", "release")
	}
	if err := emptyFolder(r.out); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{r.functions, r.programs, r.browserClient, r.writeBill} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return r.writeSums()
}

// emptyFolder makes a folder, or empties it if it has the sums of an earlier
// release; whatever else lies there is somebody's.
func emptyFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, sumsFile)); err != nil {
			return fmt.Errorf("%w: %s is not empty, and holds no release that may be replaced", errUsage, dir)
		}
		for _, e := range entries {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("emptying the folder: %w", err)
			}
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the folder: %w", err)
	}
	return nil
}
