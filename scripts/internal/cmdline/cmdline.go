// Package cmdline has all programs read their flags alike: -h and -version are
// answered on standard output, and a fault is one line.
package cmdline

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"ossupload/shared/version"
)

// Answer is what the command line asked for instead of the program's work: its
// usage or its version. It is a flag.ErrHelp.
type Answer struct{ Text string }

func (a *Answer) Error() string        { return "the command line asks for " + strings.TrimSpace(a.Text) }
func (a *Answer) Is(target error) bool { return target == flag.ErrHelp }

// Answered reports whether err is an Answer, and prints it.
func Answered(err error, stdout io.Writer) bool {
	var a *Answer
	if !errors.As(err, &a) {
		return false
	}
	_, _ = io.WriteString(stdout, a.Text) // nobody is left to be told
	return true
}

// Parse reads flags, and -version with them. Its error is an [*Answer], or one
// line about what is wrong. Nothing is printed; flags.Usage, if it is set,
// writes to flags.Output(). It may be called again for what stands behind an
// argument.
func Parse(flags *flag.FlagSet, args []string) error {
	if flags.Lookup(versionFlag) == nil {
		flags.Bool(versionFlag, false, "print the version")
	}
	var said strings.Builder
	flags.SetOutput(&said)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return &Answer{said.String()}
	case err != nil:
		return fmt.Errorf("%s; -h lists the flags", oneLine(err))
	case flags.Lookup(versionFlag).Value.String() == "true":
		return &Answer{Version(flags.Name())}
	}
	return nil
}

const versionFlag = "version"

// Version is the line that a program prints for -version:
//
//	upload v1.2.3 go1.26.0 linux/amd64
func Version(name string) string {
	return fmt.Sprintf("%s %s %s %s/%s\n", name, version.String(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// Terminal reports whether w is where a person reads.
func Terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// oneLine is an error without line breaks, which somebody may have typed.
func oneLine(err error) string {
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(err.Error())
}
