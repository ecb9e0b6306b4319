// Command secrets makes the secrets of a deployment:
//
//	go run ./scripts/secrets               # print them, as lines of .env
//	go run ./scripts/secrets -into .env    # add those that the file lacks
//
// With -into it prints no secret and changes none: what the file has is left as it
// is, and afterwards only its owner may read it. Where AUTH_JWKS_URL is set or
// AUTH_MODE is not jwt, no AUTH_JWT_SECRET is added.
//
// The status is 1 when something failed and 2 when the command line is wrong.
package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ossupload/scripts/internal/cmdline"
	"ossupload/scripts/internal/deployment"
	"ossupload/scripts/internal/envfile"
	"ossupload/shared/settings"
)

func main() { deployment.Main(run, errUsage) }

var errUsage = errors.New("secrets cannot begin")

func run(_ context.Context, args []string, _ settings.Lookup, stdout, _ io.Writer) error {
	flags := flag.NewFlagSet("secrets", flag.ContinueOnError)
	into := flags.String("into", "", "`file` to which those are added that it lacks")
	switch err := cmdline.Parse(flags, args); {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", errUsage, err)
	case flags.NArg() > 0:
		return fmt.Errorf("%w: unexpected argument %q: only flags are accepted", errUsage, flags.Arg(0))
	}
	made := secrets(rand.Reader)
	if *into != "" {
		return add(*into, made, stdout)
	}
	for _, s := range made {
		fmt.Fprintf(stdout, "%s=%s\n", s.name, s.value)
	}
	return nil
}

type secret struct{ name, value string }

// secrets are of 32 bytes each, in the forms that the settings have.
func secrets(random io.Reader) []secret {
	made := []secret{
		{"UPLOAD_TOKEN_SECRETS", "k1:"},
		{"RECEIPT_SECRET", "base64:"},
		{"AUTH_JWT_SECRET", "base64:"},
		{"WEBHOOK_SECRETS", "whsec_"},
	}
	for i := range made {
		key := make([]byte, 32)
		if _, err := io.ReadFull(random, key); err != nil {
			panic("secrets: " + err.Error()) // crypto/rand never fails
		}
		made[i].value += base64.StdEncoding.EncodeToString(key)
	}
	return made
}

// add writes those of made that the file at path lacks, and says which.
func add(path string, made []secret, out io.Writer) error {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading settings: %w", err)
	}
	has := map[string]string{}
	if err == nil {
		if has, err = envfile.Read(path); err != nil {
			return err
		}
	}
	var lines []string
	for _, s := range made {
		switch {
		case has[s.name] != "":
			fmt.Fprintf(out, "%s is there\n", s.name)
		case s.name == "AUTH_JWT_SECRET" && (has["AUTH_JWKS_URL"] != "" || has["AUTH_MODE"] != "" && has["AUTH_MODE"] != "jwt"):
			fmt.Fprintf(out, "%s is not needed\n", s.name)
		default:
			lines = append(lines, s.name+"="+s.value)
			fmt.Fprintf(out, "%s is new\n", s.name)
		}
	}
	return replace(path, string(text), lines)
}

// replace writes text with lines: each in place of one that sets its name to
// nothing, or at the end. The file is whole at any time.
func replace(path, text string, lines []string) error {
	for _, line := range lines {
		name, _, _ := strings.Cut(line, "=")
		text = set(text, name, line)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".env-") // mode 0600
	if err != nil {
		return fmt.Errorf("writing settings: %w", err)
	}
	defer os.Remove(f.Name()) // in vain once it has its name
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing settings: %w", err)
	}
	return nil
}

func set(text, name, line string) string {
	var out strings.Builder
	done := false
	for old := range strings.Lines(text) {
		if key, _, ok := strings.Cut(old, "="); ok && !done && strings.TrimSpace(key) == name {
			old, done = line+"\n", true
		}
		out.WriteString(old)
	}
	if !done {
		if text != "" && !strings.HasSuffix(text, "\n") {
			out.WriteString("\n")
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}
