package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"ossupload/scripts/internal/stack"
)

// localStack is a local stack, started here or found running.
type localStack struct {
	gateway string
	token   string       // of the caller
	ready   *stack.Ready // nil: not known, as it is not ours

	cmd     *exec.Cmd // nil: not ours
	dir     string    // temporary, with the program
	log     *os.File
	logFile string // its path; empty: not ours
	keepLog bool   // it was asked for
}

const (
	startTimeout = 3 * time.Minute // for building and starting
	stopGrace    = 30 * time.Second
)

// startStack builds the local stack, runs it on free ports, and returns when
// it is ready. It is a process of its own, since its memory is watched, and load
// that shared it would hide a leak. Its log goes to a file. Nothing is left behind when that fails.
func startStack(ctx context.Context, logFile string, extra []string) (_ *localStack, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	root, err := stack.ModuleRoot(ctx)
	if err != nil {
		return nil, err
	}
	s := &localStack{keepLog: logFile != ""}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop(true))
		}
	}()
	if s.dir, err = os.MkdirTemp("", "ossupload-load-"); err != nil {
		return nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	if logFile == "" {
		s.log, err = os.CreateTemp("", "ossupload-load-*.log")
	} else {
		s.log, err = os.Create(logFile)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the stack's log: %w", err)
	}
	s.logFile = s.log.Name()

	program := filepath.Join(s.dir, "local.exe") // Windows insists on the extension
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", program, "./scripts/local")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the local stack: %w\n%s", err, out)
	}
	const free = "127.0.0.1:0"
	// The objects are removed here, not by the stack, which has to stop in time:
	// after a long run they are many.
	data := filepath.Join(s.dir, "data")
	cmd := exec.Command(program, append([]string{"-addr", free, "-oss-addr", free, "-sts-addr", free, "-data", data}, extra...)...)
	cmd.Dir = root // it builds the functions of the module that it is started in
	cmd.Stderr = s.log
	// All that it writes is removed with this folder, also if it is killed.
	cmd.Env = append(os.Environ(), "TMPDIR="+s.dir)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the local stack: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the local stack: %w", err)
	}
	s.cmd = cmd
	return s, s.awaitReady(ctx, stdout)
}

// awaitReady reads the ready line.
func (s *localStack) awaitReady(ctx context.Context, stdout io.ReadCloser) error {
	defer context.AfterFunc(ctx, func() { stdout.Close() })()
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	var ready stack.Ready
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err != nil {
		tail, _ := os.ReadFile(s.logFile)
		return fmt.Errorf("starting the local stack: it never said that it was ready: %w\n%s", err, lastBytes(tail, 2000))
	}
	s.gateway, s.token, s.ready = ready.Gateway, ready.CallerToken, &ready
	return checkLoopback(s.gateway)
}

// stop ends the stack and removes what was made for it; its log only with
// forget, and never one that was asked for.
func (s *localStack) stop(forget bool) error {
	var errs []error
	if s.cmd != nil {
		if err := s.terminate(); err != nil {
			forget = false
			errs = append(errs, fmt.Errorf("%w%s", err, pointer(s.logFile)))
		}
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	if s.log != nil {
		errs = append(errs, s.log.Close())
		if forget && !s.keepLog {
			errs = append(errs, os.Remove(s.logFile))
		}
	}
	return errors.Join(errs...)
}

func (s *localStack) terminate() error {
	// Where the system knows no SIGTERM, killing is the ordinary way.
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		_ = s.cmd.Process.Kill()
	}
	killing := time.AfterFunc(stopGrace, func() { _ = s.cmd.Process.Kill() })
	defer killing.Stop()
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("stopping the local stack: %w", err)
	}
	return nil
}

func lastBytes(text []byte, n int) []byte {
	return text[max(0, len(text)-n):]
}
