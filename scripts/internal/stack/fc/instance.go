package fc

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// instance is one process with a runtime API of its own, so that nothing that
// a dead process left on the wire can reach its successor.
type instance struct {
	cfg    *FunctionConfig
	queue  <-chan *invocation
	cmd    *exec.Cmd
	server *http.Server

	ready     chan struct{} // closed when the process asks for its first event
	readyOnce sync.Once
	exited    chan struct{} // closed when the process and all that served it are gone

	mu       sync.Mutex
	inFlight map[string]*invocation // by request id; nil once the process has ended
	requests sync.WaitGroup         // to the runtime API; none is added once inFlight is nil
}

// invocation is one event on its way through a process.
type invocation struct {
	id      string
	event   []byte
	release func() // gives the concurrency slot back

	timeout *time.Timer
	payload []byte
	err     error
	done    chan struct{} // closed after payload and err were written
}

func (inv *invocation) settle(payload []byte, err error) {
	inv.payload, inv.err = payload, err
	close(inv.done)
	inv.release()
}

// launch starts a process and waits until it asks for its first event.
func (f *Function) launch(ctx context.Context) (*instance, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting function %q: %w", f.cfg.Name, err)
	}
	inst := &instance{
		cfg:      &f.cfg,
		queue:    f.queue,
		ready:    make(chan struct{}),
		exited:   make(chan struct{}),
		inFlight: map[string]*invocation{},
	}
	// Both streams go through pipes, which matters beyond the logs: without a
	// runtime API the SDK retries in a tight loop and logs each failure, and
	// if this program is killed that log hits a broken pipe and ends the
	// process, so no orphan is left spinning.
	f.output.reset()
	inst.cmd = exec.Command(f.cfg.Binary)
	inst.cmd.Dir = filepath.Dir(f.cfg.Binary)
	inst.cmd.Env = append(f.cfg.Env[:len(f.cfg.Env):len(f.cfg.Env)], runtimeEnv(&f.cfg, listener.Addr().String())...)
	inst.cmd.Stdout, inst.cmd.Stderr = f.output.stdout, f.output.stderr
	inst.cmd.SysProcAttr = ownProcessGroup()
	inst.cmd.WaitDelay = 2 * time.Second // for a child of its that keeps its output open
	if err := inst.cmd.Start(); err != nil {
		listener.Close()
		return nil, fmt.Errorf("starting function %q: %w", f.cfg.Name, err)
	}

	// The context of every request to the runtime API ends with the process.
	serving, stopServing := context.WithCancel(context.Background())
	inst.server = &http.Server{
		Handler:           inst.whileAlive(inst.runtimeAPI()),
		ReadHeaderTimeout: startTimeout,
		BaseContext:       func(net.Listener) context.Context { return serving },
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		inst.server.Serve(listener)
	}()
	go func() {
		defer close(inst.exited)
		inst.cmd.Wait()
		f.output.flush()
		stopServing()
		inst.failAll()
		inst.server.Close()
		<-served
		inst.requests.Wait()
	}()

	select {
	case <-inst.ready:
		return inst, nil
	case <-inst.exited:
		return nil, fmt.Errorf("starting function %q: %w: %s: %s", f.cfg.Name, ErrExited, inst.exitStatus(), f.output.tail())
	case <-ctx.Done():
		inst.kill()
		return nil, fmt.Errorf("starting function %q: it never asked for an event: %w", f.cfg.Name, context.Cause(ctx))
	}
}

// runtimeEnv is what the platform adds to a function's environment, less the
// ALIBABA_CLOUD_* credentials. Those are fixed when a process starts, and a
// function that relied on them would work in a short local run and fail later.
func runtimeEnv(cfg *FunctionConfig, runtimeAPI string) []string {
	return []string{
		"FC_RUNTIME_API=" + runtimeAPI,
		"FC_FUNC_CODE_PATH=" + filepath.Dir(cfg.Binary),
		"FC_FUNCTION_NAME=" + cfg.Name,
		"FC_FUNCTION_HANDLER=" + handlerName,
		"FC_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(cfg.MemoryMB),
		"FC_REGION=" + cfg.Region,
		"FC_ACCOUNT_ID=" + cfg.AccountID,
		"FC_QUALIFIER=" + qualifier,
	}
}

// whileAlive drops requests of a process that has ended, which may still come
// out of a socket's buffer, and lets the others be waited for.
func (inst *instance) whileAlive(next http.Handler) http.Handler {
	enter := func() bool {
		inst.mu.Lock()
		defer inst.mu.Unlock()
		if inst.inFlight == nil {
			return false
		}
		inst.requests.Add(1)
		return true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if enter() {
			defer inst.requests.Done()
			next.ServeHTTP(w, r)
		}
	})
}

// take makes the instance responsible for the invocation, and reports whether
// there is still a process to answer it. The clock of the function's timeout
// starts here.
func (inst *instance) take(inv *invocation) (deadline time.Time, alive bool) {
	inst.mu.Lock()
	defer inst.mu.Unlock()
	if inst.inFlight == nil {
		inv.settle(nil, ErrExited)
		return time.Time{}, false
	}
	inst.inFlight[inv.id] = inv
	inv.timeout = time.AfterFunc(inst.cfg.Timeout, func() { inst.settle(inv.id, nil, ErrTimeout) })
	return time.Now().Add(inst.cfg.Timeout), true
}

// settle ends the invocation of that id, and reports whether there was one.
// Leaving the map is what makes every invocation end exactly once.
func (inst *instance) settle(id string, payload []byte, err error) bool {
	inst.mu.Lock()
	inv, ok := inst.inFlight[id]
	delete(inst.inFlight, id)
	inst.mu.Unlock()
	if !ok {
		return false
	}
	inv.timeout.Stop()
	inv.settle(payload, err)
	return true
}

func (inst *instance) failAll() {
	inst.mu.Lock()
	orphans := inst.inFlight
	inst.inFlight = nil
	inst.mu.Unlock()
	for _, inv := range orphans {
		inv.timeout.Stop()
		inv.settle(nil, ErrExited)
	}
}

func (inst *instance) pid() int { return inst.cmd.Process.Pid }

// exitStatus may be asked once exited is closed.
func (inst *instance) exitStatus() string { return inst.cmd.ProcessState.String() }

func (inst *instance) kill() {
	inst.cmd.Process.Kill()
	<-inst.exited
}

// terminate asks the process to end, and reports whether it had to be killed.
func (inst *instance) terminate() (killed bool) {
	// Where the system knows no SIGTERM, killing is the ordinary way.
	if err := inst.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		inst.kill()
		return false
	}
	select {
	case <-inst.exited:
		return false
	case <-time.After(stopGrace):
		inst.kill()
		return true
	}
}
