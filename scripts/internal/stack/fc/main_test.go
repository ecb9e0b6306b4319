package fc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ossupload/scripts/internal/stack/fc"
)

// orphanVariable makes the test program start the named function and wait to
// be killed, see TestFunctionEndsWithItsParent.
const orphanVariable = "LOCALFC_TEST_ORPHAN"

// echoBinary is testdata/echo, a real function on the real SDK.
var echoBinary string

func TestMain(m *testing.M) {
	if binary := os.Getenv(orphanVariable); binary != "" {
		f, err := fc.Start(context.Background(), fc.FunctionConfig{Name: "orphan", Binary: binary})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(f.Pid())
		select {}
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "fc")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		echoBinary = filepath.Join(dir, "echo.exe")
		build := exec.Command("go", "build", "-o", echoBinary, "./testdata/echo")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "building testdata/echo:", err)
			return 1
		}
		return m.Run()
	}())
}

// start runs an echo function until the end of the test.
func start(t *testing.T, change func(*fc.FunctionConfig)) *fc.Function {
	t.Helper()
	cfg := fc.FunctionConfig{Name: "echo", Binary: echoBinary, Timeout: 20 * time.Second}
	if change != nil {
		change(&cfg)
	}
	f, err := fc.Start(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Start() = %v", err)
	}
	t.Cleanup(func() { f.Stop() })
	return f
}

// report is what echo tells of an invocation.
type report struct {
	Event       json.RawMessage
	RequestID   string `json:"requestId"`
	Credentials struct{ AccessKeyId, AccessKeySecret, SecurityToken string }
	Function    struct {
		Name, Handler, Memory string
		Timeout               int
	}
	Qualifier, Region, AccountID, Directory string
	Deadline                                int64
	Environment                             []string
}

func invokeReport(t *testing.T, f *fc.Function, event string) report {
	t.Helper()
	payload, err := f.Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatalf("Invoke(%s) = %v", event, err)
	}
	var r report
	if err := json.Unmarshal(payload, &r); err != nil {
		t.Fatalf("Invoke(%s) = %s, want a report: %v", event, payload, err)
	}
	return r
}

// logBuffer is a writer that a process may write to while a test reads.
type logBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
	writes []string
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writes = append(b.writes, string(p))
	return b.buffer.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
