package stack_test

import (
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// ask sends JSON as the caller of the ready line, or as nobody with an empty
// token, and returns status and body.
func ask(t *testing.T, method, target, token string, in any) (status int, body []byte) {
	t.Helper()
	a, err := (&client.Client{Token: token, HTTP: http.DefaultClient}).Ask(t.Context(), method, target, nil, in)
	if err != nil {
		t.Fatal(err)
	}
	return a.Status, a.Body
}

func TestCloseLeavesNothing(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("asking whether a process lives takes a signal")
	}
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	// Ports that nobody else gets, once they are free again.
	address := func() string { return "127.0.0.1:" + stacktest.FreePort(t) }
	s := stacktest.Start(t, stack.Options{Addr: address(), OSSAddr: address(), STSAddr: address()})
	if status, body := ask(t, http.MethodPost, s.Ready.Gateway+"/presign", s.Ready.CallerToken, map[string]any{"filename": "a", "size": 1}); status != http.StatusOK {
		t.Errorf("POST /presign = %d %s, want 200", status, body)
	}
	// A request that waits for its answer does not keep the stack from ending.
	if err := s.Faults.Set(fault.Fault{Target: "oss", Operation: "*", Mode: "timeout"}); err != nil {
		t.Fatal(err)
	}
	held := make(chan error, 1)
	go func() {
		_, err := http.Get(s.Ready.OSS + "/bucket/key")
		held <- err
	}()
	stacktest.Eventually(t, "the request is held", func() bool { return len(s.Faults.List()) == 0 })

	var processes []*os.Process
	for name, f := range s.Functions {
		p, err := os.FindProcess(f.Pid())
		if err != nil || p.Signal(syscall.Signal(0)) != nil {
			t.Fatalf("%s has no process", name)
		}
		processes = append(processes, p)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	if err := <-held; err == nil {
		t.Error("the request that was held got an answer")
	}
	for _, p := range processes {
		if p.Signal(syscall.Signal(0)) == nil {
			t.Errorf("process %d lives on after Close", p.Pid)
		}
	}
	for _, address := range []string{s.Ready.Gateway, s.Ready.OSS, s.Ready.STS} {
		_, address, _ := strings.Cut(address, "://")
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			t.Errorf("%s still listens after Close", address)
		}
	}
	checkEmpty(t, temporary)
	if err := s.Close(); err != nil {
		t.Errorf("Close() again = %v, want nil", err)
	}
}

func checkEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("%s is left behind in the temporary folder", e.Name())
	}
}

func TestStartRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*stack.Options)
		want   []string
	}{
		{"a gateway for the network", func(o *stack.Options) { o.Addr = "0.0.0.0:0" }, []string{"the gateway", "127.0.0.1 only"}},
		{"all interfaces by no host", func(o *stack.Options) { o.OSSAddr = ":0" }, []string{"OSS", "127.0.0.1 only"}},
		{"an address without a port", func(o *stack.Options) { o.STSAddr = "127.0.0.1" }, []string{"STS", "host:port"}},
		{"settings that a function refuses", func(o *stack.Options) { o.Settings = map[string]string{"UPLOAD_MAX_SIZE": "much"} },
			[]string{`starting function "presign"`, "UPLOAD_MAX_SIZE", "much"}},
		{"a bucket that cannot be", func(o *stack.Options) { o.Settings = map[string]string{"OSS_BUCKET": "No_Bucket"} }, []string{"No_Bucket"}},
		{"a state of versions that is none", func(o *stack.Options) { o.Versioning = "Disabled" }, []string{"versioning", "Disabled"}},
		{"a malformed forward URL", func(o *stack.Options) { o.Webhook = "backend" }, []string{"forward URL"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			temporary := t.TempDir()
			t.Setenv("TMPDIR", temporary)
			o := stack.Options{Binaries: stacktest.Binaries(t), Log: t.Output()}
			tt.change(&o)
			s, err := stack.Start(t.Context(), o)
			if err == nil {
				s.Close()
				t.Fatal("Start() = nil, want an error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Start() = %v, want %q in it", err, want)
				}
			}
			checkEmpty(t, temporary)
		})
	}
}

// lines is a log that is read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
