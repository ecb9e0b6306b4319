// Command explain says what went wrong with an upload, and what to do about it:
//
//	curl -v ... 2>&1 | go run ./scripts/explain               # of a transcript
//	go run ./scripts/explain refusal.xml                      # of what OSS answered
//	go run ./scripts/explain -presign presign.json refusal.xml
//
// It takes the XML of an OSS refusal, the JSON of a function's, all that curl -v
// prints, or the message of a browser's console, from a file or from stdin. With the
// answer of POST /presign it names what was sent otherwise than it was signed. It asks
// nobody, and prints no signature and no token. MISTAKES.md lists what it knows.
//
// The status is 0 if it knows what is wrong, 1 if it does not, and 2 if the command
// line is wrong or a file cannot be read.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"ossupload/scripts/internal/cmdline"
	"ossupload/scripts/internal/explain"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

const (
	known = iota
	unknown
	unusable
)

// maxInput bounds what is read: a transcript of a large download is no transcript.
const maxInput = 16 << 20

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("explain", flag.ContinueOnError)
	presign := flags.String("presign", "", "`file` with the answer of POST /presign, JSON")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: explain [-presign FILE] [FILE]\n\nFILE, or stdin, is the XML or JSON of a refusal, all that curl -v printed, or a browser's message.")
		flags.PrintDefaults()
	}
	switch err := cmdline.Parse(flags, args); {
	case cmdline.Answered(err, stdout):
		return known
	case err != nil:
		fmt.Fprintln(stderr, "explain:", err)
		return unusable
	}
	found, err := examine(flags.Args(), *presign, stdin)
	if err != nil {
		fmt.Fprintln(stderr, "explain:", err)
		return unusable
	}
	for i, f := range found {
		if i > 0 {
			fmt.Fprintln(stdout)
		}
		fmt.Fprintln(stdout, f)
	}
	if found[0].ID == explain.Every().Nothing.ID {
		return unknown
	}
	return known
}

func examine(args []string, presign string, stdin io.Reader) ([]explain.Finding, error) {
	if len(args) > 1 {
		return nil, errors.New("give one file, or none for stdin")
	}
	text, err := read(append(args, "-")[0], stdin)
	if err != nil {
		return nil, err
	}
	grant := ""
	if presign != "" {
		if grant, err = read(presign, stdin); err != nil {
			return nil, err
		}
	}
	return explain.Explain(text, grant)
}

// read reads a file; "-" is stdin.
func read(name string, stdin io.Reader) (string, error) {
	in := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return "", fmt.Errorf("reading the input: %w", err)
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("reading the input: %w", err)
	case len(text) > maxInput:
		return "", fmt.Errorf("reading the input: it is over %d bytes", maxInput)
	}
	return string(text), nil
}
