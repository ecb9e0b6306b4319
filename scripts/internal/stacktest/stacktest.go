// Package stacktest runs the local stack in a test: its servers in the process
// of the test, the functions as processes of their own.
//
// The TestMain of a package that uses it calls [Main]. Its tests that need the
// built functions, or drive other programs, are skipped by "go test -short":
// see [EndToEnd].
package stacktest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fault"
)

// Options are those of the stack itself, for tests that need nothing else of it.
type Options = stack.Options

// Assume is what unknown facts are taken to be: settings as "fact=value".
func Assume(t *testing.T, settings ...string) facts.Assumptions {
	t.Helper()
	a, err := facts.Assume(settings...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Stack is a running local stack, and what tests of its clients ask of it.
type Stack struct{ *stack.Stack }

// binaries are the functions, which all tests of a process share.
var binaries struct {
	dir  string // of Main
	once sync.Once
	err  error
}

// These let a test that runs its own program once more spare it the build, and the
// check of what it has checked itself. The detector makes that many times as dear,
// and there is nothing of ours in it to detect. scripts/check.sh builds once for the
// tests of all packages.
var (
	given    = flag.String("functions", os.Getenv("OSSUPLOAD_FUNCTIONS"), "`folder` of the built functions, which are else built for the tests")
	checking = flag.Bool("contract", !race, "hold every call of the functions against the contract")
)

// callbackKey is that of all stacks: OSS too has one key for everybody, and making
// one takes as long as starting a stack.
var callbackKey = sync.OnceValues(stack.NewCallbackKey)

// Main runs the tests of a package and exits.
func Main(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "ossupload-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binaries.dir = dir
		return m.Run()
	}())
}

// EndToEnd skips the test in the short run, which tells within a minute
// whether a change is sound. [Binaries] and [Start] call it; so does a test that
// builds or drives other programs.
func EndToEnd(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short leaves out the end-to-end tests")
	}
}

// Binaries returns the folder of the built functions. The first call builds
// them.
func Binaries(t *testing.T) string {
	t.Helper()
	EndToEnd(t)
	if *given != "" {
		return *given
	}
	if binaries.dir == "" {
		t.Fatal("the TestMain of this package does not call stacktest.Main")
	}
	binaries.once.Do(func() {
		// Other tests wait for it too, so it does not end with this one.
		binaries.err = build(context.WithoutCancel(t.Context()), binaries.dir)
	})
	if binaries.err != nil {
		t.Fatal(binaries.err)
	}
	return binaries.dir
}

// Start runs a stack until the end of the test. Unless the options say
// otherwise, it listens on free ports, shares the functions of [Binaries],
// logs to the test's output, and holds every call of the functions against the
// contract, unless -contract=false or under the race detector.
func Start(t *testing.T, o Options) *Stack {
	t.Helper()
	EndToEnd(t)
	if o.Binaries == "" {
		o.Binaries = Binaries(t)
	}
	if o.Log == nil {
		o.Log = t.Output()
	}
	if o.NewCallbackKey == nil {
		key, err := callbackKey()
		if err != nil {
			t.Fatal(err)
		}
		o.NewCallbackKey = key
	}
	if o.Around == nil && *checking {
		o.Around = contract(t)
	}
	s, err := stack.Start(t.Context(), o)
	if err != nil {
		t.Fatalf("starting the local stack: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("stopping the local stack: %v", err)
		}
	})
	return &Stack{s}
}

// build builds the functions, and looks at their sources as [Watch] does.
func build(ctx context.Context, dir string) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	for _, source := range []string{"go.mod", "functions", "shared"} {
		if err := watch(filepath.Join(root, source)); err != nil {
			return err
		}
	}
	return stack.Build(ctx, dir)
}

// moduleRoot is the folder of go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the module: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("finding the module: no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

// Watch looks at the files below root, on which the outcome depends: "go test"
// repeats a cached pass unless a file changed that the test itself has looked
// at, and does not see what other programs read.
func Watch(t *testing.T, root string) {
	t.Helper()
	if err := watch(root); err != nil {
		t.Fatal(err)
	}
}

func watch(root string) error {
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			_, err = os.Stat(path)
		}
		return err
	})
}

// Client is the stack's caller, who tries everything once.
func (s *Stack) Client() *client.Client {
	c := s.Ready.Client(http.DefaultClient)
	c.Timeout = 30 * time.Second
	return c
}

// Eventually waits for what happens outside the test's own goroutine.
func Eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute) // on a busy machine; else it takes moments
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("timed out: %s", what)
		}
	}
}

var ports sync.Map // the ports that FreePort returned

// FreePort is a port of this machine for a server that is not ours to give a
// listener to. What asks for any port gets one from above 16000, on every
// system: so nobody takes this one before the server does, or after it ended.
func FreePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(11000 + rand.IntN(5000)) // above 10080, to which browsers send nothing
		if _, again := ports.LoadOrStore(port, true); again {
			continue
		}
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// Fail makes the next call of an operation of a target fail.
func (s *Stack) Fail(t *testing.T, target, operation, mode string) {
	t.Helper()
	if err := s.Faults.Set(fault.Fault{Target: target, Operation: operation, Mode: mode, Count: 1}); err != nil {
		t.Fatal(err)
	}
}

// FaultsLeft is how many faults were set and have not happened. It forgets
// them, so that they do not happen to the next test.
func (s *Stack) FaultsLeft() int {
	defer s.Faults.Clear()
	return len(s.Faults.List())
}

// Events returns what the stack's own receiver got, newest last.
func (s *Stack) Events(t *testing.T) []stack.Event {
	t.Helper()
	events, err := stack.Events(t.Context(), s.Client())
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// Object returns the bytes of an object.
func (s *Stack) Object(t *testing.T, key string) []byte {
	t.Helper()
	res, err := s.Ready.Developer(http.DefaultClient).GetObject(t.Context(), &oss.GetObjectRequest{Bucket: &s.Ready.Bucket, Key: &key})
	if err != nil {
		t.Fatalf("getting object %q: %v", key, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("getting object %q: %v", key, err)
	}
	return body
}
