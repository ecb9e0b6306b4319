package stacktest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"ossupload/scripts/internal/openapi"
)

var loadContract = sync.OnceValues(func() (*openapi.Contract, error) { return openapi.Load(context.Background()) })

// contract holds the calls that a stack gets against the contract, until the
// end of the test.
func contract(t *testing.T) func(http.Handler) http.Handler {
	t.Helper()
	c, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	faults := &faults{}
	t.Cleanup(func() {
		for _, fault := range faults.all {
			t.Errorf("against the contract: %s", fault)
		}
	})
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if own := r.URL.Path == "/" || strings.HasPrefix(r.URL.Path, "/_local/"); own {
				next.ServeHTTP(w, r)
				return
			}
			call := openapi.Call{Method: r.Method, Target: r.URL.RequestURI(), Header: r.Header.Clone()}
			asked := &kept{}
			r.Body = struct {
				io.Reader
				io.Closer
			}{io.TeeReader(r.Body, asked), r.Body}
			answer := &answer{ResponseWriter: w}
			next.ServeHTTP(answer, r)
			if answer.status == 0 || asked.cut || answer.body.cut || platforms(r.Method, answer) {
				return
			}
			call.Body, call.Status, call.AnswerHeader, call.Answer = asked.Bytes(), answer.status, answer.header, answer.body.Bytes()
			if err := c.Check(r.Context(), call); err != nil {
				// Neither the target nor the bodies: they hold tokens.
				faults.add(r.Method + " " + route(r.URL.Path) + ": " + firstLine(err))
			}
		})
	}
}

// platforms reports whether an answer is the platform's own, of which the contract
// does not speak: a refusal, the failure of a function, or a preflight.
func platforms(method string, a *answer) bool {
	body := a.body.Bytes()
	return bytes.HasPrefix(body, []byte(`{"RequestId":`)) || bytes.HasPrefix(body, []byte(`{"errorMessage":`)) ||
		method == http.MethodOptions && a.header.Get("X-Request-Id") == ""
}

// route is a path without what is secret or of any length.
func route(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if len(s) > 40 {
			segments[i] = "…"
		}
	}
	return strings.Join(segments, "/")
}

// firstLine is as much of an error as says what is wrong; the rest quotes schemas
// and values.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\nSchema:")
	return line
}

// faults are what was found, each once.
type faults struct {
	mu  sync.Mutex
	all []string
}

func (f *faults) add(fault string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.all) < 20 && !slices.Contains(f.all, fault) {
		f.all = append(f.all, fault)
	}
}

// kept keeps what fits.
type kept struct {
	bytes.Buffer
	cut bool
}

// maxKept is over any answer of the functions, and any body that they take.
const maxKept = 16 << 20

func (k *kept) Write(p []byte) (int, error) {
	if k.Len()+len(p) > maxKept {
		k.cut = true
		return len(p), nil
	}
	return k.Buffer.Write(p)
}

// answer keeps what is answered.
type answer struct {
	http.ResponseWriter
	status int
	header http.Header
	body   kept
}

// Unwrap lets faults take the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status, a.header = status, a.Header().Clone()
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	a.body.Write(p)
	return a.ResponseWriter.Write(p)
}
