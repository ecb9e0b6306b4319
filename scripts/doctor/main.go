// Command doctor says what is wrong, one line for each finding:
//
//	go run ./scripts/doctor -settings                                            # of s.yaml
//	go run ./scripts/doctor -settings -template scripts/deploy/domain.yaml
//
// With -settings it looks at the variables from which a deployment is made, all
// at once and before anything is deployed: those of the environment, and of .env
// where the environment has none, as Serverless Devs reads them. It calls nothing,
// and prints no value that may be secret. Run it from the top of the tree.
//
// The status is 0 when nothing is wrong, warnings aside, 1 when something is, and
// 2 when the command line is, or a file cannot be read.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"ossupload/scripts/internal/deployment"
	"ossupload/shared/settings"
)

func main() { deployment.Main(run, errUsage) }

var errUsage = errors.New("doctor cannot begin")

// command is what the command line asks for.
type command struct {
	settings bool
	template string
	envFile  string
	envGiven bool
}

func run(_ context.Context, args []string, lookup settings.Lookup, stdout, stderr io.Writer) error {
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	findings, err := examineSettings(c, lookup)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return report(findings, stdout)
}

func parse(args []string, stderr io.Writer) (command, error) {
	var c command
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&c.settings, "settings", false, "look at the settings alone, before a deployment")
	flags.StringVar(&c.template, "template", "s.yaml", "the `template` that is going to be deployed")
	flags.StringVar(&c.envFile, "env", ".env", "`file` of settings")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return c, err
	case err != nil:
		return c, fmt.Errorf("%w: %w", errUsage, err)
	case flags.NArg() > 0:
		return c, fmt.Errorf("%w: unexpected argument %q: only flags are accepted", errUsage, flags.Arg(0))
	case !c.settings:
		return c, fmt.Errorf("%w: say what to look at: -settings", errUsage)
	}
	flags.Visit(func(f *flag.Flag) { c.envGiven = c.envGiven || f.Name == "env" })
	return c, nil
}
