package fc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"time"
)

// FunctionConfig describes one function.
type FunctionConfig struct {
	Name   string // what the process is told it is called, and what errors and logs say
	Binary string // the compiled function; its folder is the working directory, as /code is

	// Env is the complete environment of the process as "K=V". The FC_*
	// variables are added by this package and win over any given here.
	Env []string

	// Credentials is asked anew for each invocation and sent with it, as the
	// platform does with the credentials of the function's role. Nil sends none.
	Credentials func() (accessKeyID, accessKeySecret, securityToken string)

	Timeout   time.Duration // of one invocation; zero means 3 s, the platform's default
	MemoryMB  int           // zero means 512; told to the process, not enforced
	Region    string
	AccountID string

	// Concurrency is how many events the process holds at a time; further
	// invocations wait. One is what go1 does per instance. Zero means no
	// limit: the SDK asks for the next event before it has answered the last,
	// and so this shows whether a handler is safe for concurrent use.
	Concurrency int

	// Stdout and Stderr receive the output of the process, in whole lines and
	// one write at a time; they may be the same writer. Nil discards. A writer
	// given to several functions has to be safe for concurrent use.
	Stdout, Stderr io.Writer
}

// The reasons for which an invocation ends without the function's own word.
var (
	// ErrTimeout: the function took no event or gave no answer in its timeout.
	ErrTimeout = errors.New("function timed out")
	// ErrExited: the process ended before it answered, or before it was ready.
	ErrExited = errors.New("function process exited")
	// ErrStopped: Stop was called.
	ErrStopped = errors.New("function is stopped")
)

// FunctionError is an error that the function reported: one it returned, or a
// panic that the SDK caught for it.
type FunctionError struct {
	Message string
	Type    string
	Panic   bool // a stack trace came along, which the SDK sends for panics only
}

func (e *FunctionError) Error() string {
	return fmt.Sprintf("function reported %s: %s", e.Type, e.Message)
}

const (
	defaultTimeout  = 3 * time.Second
	defaultMemoryMB = 512

	// startTimeout bounds the time from exec to the first request for an event.
	startTimeout = 30 * time.Second
	// stopGrace is what a process has between SIGTERM and SIGKILL: it ends at
	// once, but on a machine with much else to do it has to come to its turn.
	stopGrace = 10 * time.Second
	// A process that ended by itself is started again after minBackoff; one
	// that keeps refusing to start waits twice as long each time.
	minBackoff = 100 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// Function is a running function. It is safe for concurrent use.
type Function struct {
	cfg    FunctionConfig
	output *output
	log    *slog.Logger

	// queue has no buffer: an event leaves Invoke only into the hands of a
	// process that asked for it, so none is lost with a process that died.
	queue    chan *invocation
	slots    chan struct{} // nil when concurrency is unlimited
	restarts chan chan<- error

	stopping context.Context
	stop     context.CancelFunc
	stopped  chan struct{} // closed once nothing of the function is left
	stopErr  error         // written before stopped is closed

	mu      sync.Mutex
	current *instance // nil between two processes
}

// Start runs the function and returns once its process asked for its first
// event. When the process ends instead, the error is [ErrExited] and holds its
// exit status and the end of its output: a refused configuration shows there.
// ctx bounds the start alone; after it, only Stop ends the function.
func Start(ctx context.Context, cfg FunctionConfig) (*Function, error) {
	if cfg.Name == "" || cfg.Binary == "" {
		return nil, errors.New("starting function: it needs a name and a binary")
	}
	binary, err := filepath.Abs(cfg.Binary)
	if err != nil {
		return nil, fmt.Errorf("starting function %q: %w", cfg.Name, err)
	}
	cfg.Binary = binary
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.MemoryMB <= 0 {
		cfg.MemoryMB = defaultMemoryMB
	}
	if cfg.Credentials == nil {
		cfg.Credentials = func() (string, string, string) { return "", "", "" }
	}

	f := &Function{
		cfg:      cfg,
		output:   newOutput(cfg.Stdout, cfg.Stderr),
		queue:    make(chan *invocation),
		restarts: make(chan chan<- error),
		stopped:  make(chan struct{}),
	}
	f.log = slog.New(slog.NewJSONHandler(f.output.stderr, nil)).With("function", cfg.Name)
	if cfg.Concurrency > 0 {
		f.slots = make(chan struct{}, cfg.Concurrency)
	}

	first, err := f.launch(ctx)
	if err != nil {
		return nil, err
	}
	f.stopping, f.stop = context.WithCancel(context.Background())
	f.setCurrent(first)
	go f.supervise(first)
	return f, nil
}

// Invoke hands the event to the process and returns the payload that it
// answered. The error is a [*FunctionError] when the function reported one,
// or wraps [ErrTimeout], [ErrExited], [ErrStopped] or the error of ctx. When
// ctx ends, the function goes on unheard, as after a client's disconnect.
func (f *Function) Invoke(ctx context.Context, event []byte) (payload []byte, err error) {
	return f.invoke(ctx, newRequestID(time.Now()), event)
}

func (f *Function) invoke(ctx context.Context, requestID string, event []byte) ([]byte, error) {
	if f.stopping.Err() != nil {
		return nil, f.invokeError(ErrStopped)
	}
	release := func() {}
	if f.slots != nil {
		// This wait is not the invocation's: the holder of the slot has a
		// timeout, and the clock of this one starts after it.
		select {
		case f.slots <- struct{}{}:
			release = func() { <-f.slots }
		case <-ctx.Done():
			return nil, f.invokeError(context.Cause(ctx))
		case <-f.stopping.Done():
			return nil, f.invokeError(ErrStopped)
		}
	}

	inv := &invocation{id: requestID, event: event, release: release, done: make(chan struct{})}
	unclaimed := time.NewTimer(f.cfg.Timeout)
	defer unclaimed.Stop()
	select {
	case f.queue <- inv:
		// From here on the instance settles the invocation, and with it the slot.
	case <-unclaimed.C:
		release()
		return nil, f.invokeError(ErrTimeout)
	case <-ctx.Done():
		release()
		return nil, f.invokeError(context.Cause(ctx))
	case <-f.stopping.Done():
		release()
		return nil, f.invokeError(ErrStopped)
	}

	select {
	case <-inv.done:
		if inv.err != nil {
			return nil, f.invokeError(inv.err)
		}
		return inv.payload, nil
	case <-ctx.Done():
		return nil, f.invokeError(context.Cause(ctx))
	}
}

func (f *Function) invokeError(err error) error {
	return fmt.Errorf("invoking function %q: %w", f.cfg.Name, err)
}

// Pid is the id of the process, or 0 while there is none.
func (f *Function) Pid() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.current == nil {
		return 0
	}
	return f.current.pid()
}

// Restart kills the process, which is what the loss of an instance looks like,
// and returns once a new one asked for its first event. Invocations in flight
// end with [ErrExited]. When the new process refuses to start, the error says
// so as that of [Start] does, and further attempts follow on their own.
func (f *Function) Restart() error {
	reply := make(chan error, 1)
	select {
	case f.restarts <- reply:
		return <-reply
	case <-f.stopping.Done():
		return fmt.Errorf("restarting function %q: %w", f.cfg.Name, ErrStopped)
	}
}

// Stop ends the process with SIGTERM, and after a grace with SIGKILL, and the
// runtime API with it. Invocations in flight end with [ErrExited]. The error
// says that the process had to be killed. Stop may be called again.
func (f *Function) Stop() error {
	f.stop()
	<-f.stopped
	return f.stopErr
}

func (f *Function) setCurrent(inst *instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.current = inst
}

// supervise keeps one process running until Stop.
func (f *Function) supervise(inst *instance) {
	defer close(f.stopped)
	for inst != nil {
		var asked chan<- error
		select {
		case <-f.stopping.Done():
			if killed := inst.terminate(); killed {
				f.stopErr = fmt.Errorf("stopping function %q: it was killed %v after SIGTERM", f.cfg.Name, stopGrace)
			}
		case asked = <-f.restarts:
			inst.kill()
		case <-inst.exited:
			f.log.Warn("function process exited, starting it again", "exit", inst.exitStatus())
		}
		f.setCurrent(nil)
		inst = f.relaunch(asked)
		f.setCurrent(inst)
	}
}

// relaunch starts processes until one is ready, and returns nil after Stop. A
// start that was asked for does not wait, and its outcome goes to asked.
func (f *Function) relaunch(asked chan<- error) *instance {
	for backoff := minBackoff; f.stopping.Err() == nil; backoff = min(2*backoff, maxBackoff) {
		if asked == nil {
			select {
			case <-time.After(backoff):
			case asked = <-f.restarts:
			case <-f.stopping.Done():
				return nil
			}
		}
		inst, err := f.launch(f.stopping)
		if asked != nil {
			asked <- err
			asked = nil
		}
		if err == nil {
			return inst
		}
		if f.stopping.Err() == nil {
			f.log.Error("function did not start", "err", err.Error())
		}
	}
	if asked != nil {
		asked <- fmt.Errorf("restarting function %q: %w", f.cfg.Name, ErrStopped)
	}
	return nil
}
