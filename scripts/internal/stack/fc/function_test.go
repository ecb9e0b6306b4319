package fc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stacktest"
)

func TestInvocationCarriesItsCircumstances(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	f := start(t, func(cfg *fc.FunctionConfig) {
		cfg.Name = "presign"
		cfg.Env = []string{"OWN=1", "FC_REGION=overridden"}
		cfg.Timeout = 9500 * time.Millisecond
		cfg.MemoryMB = 256
		cfg.Region = "cn-hangzhou"
		cfg.AccountID = "123456"
		cfg.Credentials = func() (string, string, string) {
			n := calls.Add(1)
			return fmt.Sprintf("STS.%d", n), fmt.Sprintf("secret%d", n), fmt.Sprintf("token%d", n)
		}
	})

	before := time.Now()
	first := invokeReport(t, f, `{"order":1}`)
	second := invokeReport(t, f, `{"order":2}`)

	if got, want := string(first.Event), `{"order":1}`; got != want {
		t.Errorf("event = %s, want %s", got, want)
	}
	if first.Credentials.AccessKeyId != "STS.1" || first.Credentials.AccessKeySecret != "secret1" || first.Credentials.SecurityToken != "token1" {
		t.Errorf("credentials = %+v, want those of the first call", first.Credentials)
	}
	if second.Credentials.AccessKeyId != "STS.2" {
		t.Errorf("credentials = %+v, want those of the second call", second.Credentials)
	}
	if got := fmt.Sprintf("%+v", first.Function); got != "{Name:presign Handler:main Memory:256 Timeout:10}" {
		t.Errorf("function = %s", got)
	}
	if first.Qualifier != "LATEST" || first.Region != "cn-hangzhou" || first.AccountID != "123456" {
		t.Errorf("qualifier, region, account = %q, %q, %q", first.Qualifier, first.Region, first.AccountID)
	}
	if first.RequestID == "" || first.RequestID == second.RequestID {
		t.Errorf("request ids = %q, %q, want two", first.RequestID, second.RequestID)
	}
	if left := time.UnixMilli(first.Deadline).Sub(before); left < 9*time.Second || left > 19*time.Second {
		t.Errorf("deadline is %v ahead, want the timeout", left)
	}
	if want := filepath.Dir(echoBinary); first.Directory != want {
		t.Errorf("working directory = %q, want %q", first.Directory, want)
	}
	slices.Sort(first.Environment)
	api := variable(first.Environment, "FC_RUNTIME_API")
	want := []string{
		"FC_ACCOUNT_ID=123456", "FC_FUNCTION_HANDLER=main", "FC_FUNCTION_MEMORY_SIZE=256",
		"FC_FUNCTION_NAME=presign", "FC_FUNC_CODE_PATH=" + filepath.Dir(echoBinary),
		"FC_QUALIFIER=LATEST", "FC_REGION=cn-hangzhou", "FC_RUNTIME_API=" + api, "OWN=1",
	}
	if !slices.Equal(withoutPWD(first.Environment), want) {
		t.Errorf("environment = %q, want %q and no more", first.Environment, want)
	}
}

func variable(environment []string, name string) string {
	for _, v := range environment {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// withoutPWD leaves out what os/exec adds for a working directory.
func withoutPWD(environment []string) []string {
	return slices.DeleteFunc(environment, func(v string) bool { return strings.HasPrefix(v, "PWD=") })
}

func TestRuntimeAPIRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	base := "http://" + variable(invokeReport(t, f, `{}`).Environment, "FC_RUNTIME_API")
	for _, c := range []struct {
		name, method, path string
		want               int
	}{
		{"response to an unknown invocation", "POST", "/2020-11-11/runtime/invocation/1-2-3/response", 404},
		{"error of an unknown invocation", "POST", "/2020-11-11/runtime/invocation/1-2-3/error", 404},
		{"another version", "GET", "/2018-06-01/runtime/invocation/next", 404},
		{"another method", "POST", "/2020-11-11/runtime/invocation/next", 405},
	} {
		t.Run(c.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), c.method, base+c.path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != c.want {
				t.Errorf("%s %s = %d, want %d", c.method, c.path, response.StatusCode, c.want)
			}
		})
	}
}

func TestPayloadsAreTheSDKs(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	payload, err := f.Invoke(t.Context(), []byte(`{"mode":"answer","body":"x&y"}`))
	if err != nil {
		t.Fatal(err)
	}
	// encoding/json escapes what HTML would trip over.
	if want := `"body":"x\u0026y"`; !strings.Contains(string(payload), want) {
		t.Errorf("Invoke() = %s, want it to hold %s", payload, want)
	}
}

func TestErrorsOfTheFunction(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for _, c := range []struct {
		mode string
		want fc.FunctionError
	}{
		{"error", fc.FunctionError{Message: "the bucket is on fire", Type: "errorString"}},
		{"panic", fc.FunctionError{Message: "out of cheese", Type: "string", Panic: true}},
	} {
		t.Run(c.mode, func(t *testing.T) {
			pid := f.Pid()
			_, err := f.Invoke(t.Context(), []byte(`{"mode":"`+c.mode+`"}`))
			var reported *fc.FunctionError
			if !errors.As(err, &reported) || *reported != c.want {
				t.Fatalf("Invoke() = %v, want %+v", err, c.want)
			}
			invokeReport(t, f, `{}`)
			if f.Pid() != pid {
				t.Errorf("the process was replaced, want it to go on")
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	f := start(t, func(cfg *fc.FunctionConfig) { cfg.Timeout = 2 * time.Second }) // a new process has to answer within
	if _, err := f.Invoke(t.Context(), []byte(`{"mode":"sleep"}`)); !errors.Is(err, fc.ErrTimeout) {
		t.Errorf("Invoke(sleep) = %v, want ErrTimeout", err)
	}
	invokeReport(t, f, `{}`)
}

func TestCallerMayLeave(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := f.Invoke(ctx, []byte(`{"mode":"sleep"}`)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Invoke(sleep) = %v, want the error of the context", err)
	}
	invokeReport(t, f, `{}`)
}

func TestConcurrency(t *testing.T) {
	t.Parallel()
	t.Run("unlimited lets two invocations meet", func(t *testing.T) {
		t.Parallel()
		f := start(t, nil)
		waiting := make(chan error, 1)
		go func() {
			_, err := f.Invoke(t.Context(), []byte(`{"mode":"wait"}`))
			waiting <- err
		}()
		if _, err := f.Invoke(t.Context(), []byte(`{"mode":"meet"}`)); err != nil {
			t.Errorf("Invoke(meet) = %v", err)
		}
		if err := <-waiting; err != nil {
			t.Errorf("Invoke(wait) = %v", err)
		}
	})
	t.Run("one holds the second back until the first ends", func(t *testing.T) {
		t.Parallel()
		f := start(t, func(cfg *fc.FunctionConfig) {
			cfg.Concurrency = 1
			cfg.Timeout = 300 * time.Millisecond
		})
		results := make(chan error, 2)
		begin := time.Now()
		for range 2 {
			go func() {
				_, err := f.Invoke(t.Context(), []byte(`{"mode":"wait"}`))
				results <- err
			}()
		}
		for range 2 {
			if err := <-results; !errors.Is(err, fc.ErrTimeout) {
				t.Errorf("Invoke(wait) = %v, want ErrTimeout", err)
			}
		}
		if took := time.Since(begin); took < 550*time.Millisecond {
			t.Errorf("two invocations took %v, want one timeout after the other", took)
		}
	})
	t.Run("a caller that waits for its turn may leave", func(t *testing.T) {
		t.Parallel()
		f := start(t, func(cfg *fc.FunctionConfig) { cfg.Concurrency = 1 })
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		for range 2 {
			if _, err := f.Invoke(ctx, []byte(`{"mode":"sleep"}`)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Invoke(sleep) = %v, want the error of the context", err)
			}
		}
	})
}

func TestProcessThatExitsIsReplaced(t *testing.T) {
	t.Parallel()
	logs := &logBuffer{}
	f := start(t, func(cfg *fc.FunctionConfig) { cfg.Stdout, cfg.Stderr = logs, logs })
	pid := f.Pid()

	bystander := make(chan error, 1)
	go func() {
		_, err := f.Invoke(t.Context(), []byte(`{"mode":"wait"}`))
		bystander <- err
	}()
	stacktest.Eventually(t, "the bystander runs", func() bool {
		return strings.Contains(logs.String(), "FC Invoke Start")
	})
	if _, err := f.Invoke(t.Context(), []byte(`{"mode":"exit"}`)); !errors.Is(err, fc.ErrExited) {
		t.Errorf("Invoke(exit) = %v, want ErrExited", err)
	}
	if err := <-bystander; !errors.Is(err, fc.ErrExited) {
		t.Errorf("Invoke(wait) = %v, want ErrExited", err)
	}

	invokeReport(t, f, `{}`)
	// The new process may answer a moment before it is known.
	stacktest.Eventually(t, "there is a new process", func() bool { got := f.Pid(); return got != pid && got != 0 })
	for _, want := range []string{"last words, no newline\n", `"exit":"exit status 3"`} {
		if !strings.Contains(logs.String(), want) {
			t.Errorf("logs = %s, want %s in them", logs, want)
		}
	}
	logs.mu.Lock()
	defer logs.mu.Unlock()
	for _, write := range logs.writes {
		if !strings.HasSuffix(write, "\n") {
			t.Errorf("a write of %q, want whole lines", write)
		}
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	t.Run("kills and starts again", func(t *testing.T) {
		t.Parallel()
		logs := &logBuffer{}
		f := start(t, func(cfg *fc.FunctionConfig) { cfg.Stdout = logs })
		pid := f.Pid()
		inFlight := make(chan error, 1)
		go func() {
			_, err := f.Invoke(t.Context(), []byte(`{"mode":"sleep"}`))
			inFlight <- err
		}()
		stacktest.Eventually(t, "the invocation runs", func() bool {
			return strings.Contains(logs.String(), "FC Invoke Start")
		})
		if err := f.Restart(); err != nil {
			t.Fatalf("Restart() = %v", err)
		}
		if err := <-inFlight; !errors.Is(err, fc.ErrExited) {
			t.Errorf("Invoke(sleep) = %v, want ErrExited", err)
		}
		if alive(pid) {
			t.Errorf("process %d lives on", pid)
		}
		invokeReport(t, f, `{}`)
	})
	t.Run("tells that the new process refuses, and tries on", func(t *testing.T) {
		t.Parallel()
		obstacle := filepath.Join(t.TempDir(), "obstacle")
		logs := &logBuffer{}
		f := start(t, func(cfg *fc.FunctionConfig) {
			cfg.Env = []string{"ECHO_REFUSE_IF_EXISTS=" + obstacle}
			cfg.Stderr = logs
		})
		if err := os.WriteFile(obstacle, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		err := f.Restart()
		if !errors.Is(err, fc.ErrExited) || !strings.Contains(err.Error(), "refusing from now on") {
			t.Errorf("Restart() = %v, want ErrExited and the reason", err)
		}
		stacktest.Eventually(t, "another attempt", func() bool {
			return strings.Contains(logs.String(), "function did not start")
		})
		if err := os.Remove(obstacle); err != nil {
			t.Fatal(err)
		}
		invokeReport(t, f, `{}`)
	})
}

func TestStart(t *testing.T) {
	t.Parallel()
	t.Run("shows why the process refused", func(t *testing.T) {
		t.Parallel()
		_, err := fc.Start(t.Context(), fc.FunctionConfig{
			Name: "presign", Binary: echoBinary,
			Env: []string{"ECHO_REFUSE=OSS_BUCKET is required"},
		})
		want := `starting function "presign": function process exited: exit status 1: OSS_BUCKET is required`
		if !errors.Is(err, fc.ErrExited) || err.Error() != want {
			t.Errorf("Start() = %v, want %s", err, want)
		}
	})
	t.Run("gives up with its context", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := fc.Start(ctx, fc.FunctionConfig{
			Name: "presign", Binary: echoBinary, Env: []string{"ECHO_NEVER_READY=1"},
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Start() = %v, want the error of the context", err)
		}
	})
	t.Run("wants a binary that exists", func(t *testing.T) {
		t.Parallel()
		_, err := fc.Start(t.Context(), fc.FunctionConfig{
			Name: "presign", Binary: filepath.Join(t.TempDir(), "none"),
		})
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("Start() = %v, want os.ErrNotExist", err)
		}
	})
	t.Run("wants a name", func(t *testing.T) {
		t.Parallel()
		if _, err := fc.Start(t.Context(), fc.FunctionConfig{Binary: echoBinary}); err == nil {
			t.Error("Start() = nil, want an error")
		}
	})
}

// TestStopLeavesNothing is not parallel, for it counts goroutines.
func TestStopLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	f := start(t, nil)
	pid := f.Pid()
	for range 3 {
		invokeReport(t, f, `{}`)
	}
	inFlight := make(chan error, 1)
	go func() {
		_, err := f.Invoke(context.Background(), []byte(`{"mode":"sleep"}`))
		inFlight <- err
	}()
	if err := f.Stop(); err != nil {
		t.Errorf("Stop() = %v", err)
	}
	if err := <-inFlight; !errors.Is(err, fc.ErrExited) && !errors.Is(err, fc.ErrStopped) {
		t.Errorf("Invoke(sleep) = %v, want ErrExited or ErrStopped", err)
	}
	if alive(pid) {
		t.Errorf("process %d lives on", pid)
	}
	if got := f.Pid(); got != 0 {
		t.Errorf("Pid() = %d, want 0", got)
	}
	if err := f.Stop(); err != nil {
		t.Errorf("Stop() again = %v", err)
	}
	if err := f.Restart(); !errors.Is(err, fc.ErrStopped) {
		t.Errorf("Restart() = %v, want ErrStopped", err)
	}
	if _, err := f.Invoke(t.Context(), []byte(`{}`)); !errors.Is(err, fc.ErrStopped) {
		t.Errorf("Invoke() = %v, want ErrStopped", err)
	}
	stacktest.Eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
}

func TestStopKillsTheStubborn(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows knows no SIGTERM")
	}
	t.Parallel()
	f := start(t, func(cfg *fc.FunctionConfig) { cfg.Env = []string{"ECHO_STUBBORN=1"} })
	pid := f.Pid()
	if err := f.Stop(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("Stop() = %v, want it to say that the process was killed", err)
	}
	if alive(pid) {
		t.Errorf("process %d lives on", pid)
	}
}

// A function whose runtime API is gone must not spin on: the SDK retries
// without a pause.
func TestFunctionEndsWithItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the state of a process that is not a child is read from /proc")
	}
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self)
	parent.Env = append(os.Environ(), orphanVariable+"="+echoBinary)
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { parent.Process.Kill(); parent.Wait() })
	var pid int
	if _, err := fmt.Fscanln(stdout, &pid); err != nil {
		t.Fatalf("reading the pid of the function: %v", err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, stdout)
	stacktest.Eventually(t, "the orphan ends", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		// A zombie has ended, though nobody asked for its status.
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}

func alive(pid int) bool {
	process, err := os.FindProcess(pid)
	return err == nil && process.Signal(syscall.Signal(0)) == nil
}
