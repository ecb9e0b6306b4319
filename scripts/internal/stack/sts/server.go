package sts

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/ram"
)

// maxBody bounds the form of one call; the longest parameter, Policy, has at
// most 2,048 characters.
const maxBody = 64 << 10

// Config says who may assume what, and what the server depends on.
type Config struct {
	// Store knows the callers and receives the new credentials. Required.
	Store *ram.Store
	// Roles are the roles that exist.
	Roles []ram.Role
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Rand makes IDs, secrets and tokens; nil is crypto/rand.Reader. It is
	// read by one goroutine at a time.
	Rand io.Reader
	// Fault returns the mode in which a call is to fail, or "". It is asked
	// with the target "sts" and the operation "AssumeRole"; nil never fails.
	Fault func(target, operation string) string
	// Assume are the values of what is unknown about STS.
	Assume facts.Assumptions
	// Log gets one line for each call, without secrets; nil discards them.
	Log *slog.Logger
	// Timeout is how long a call that has to time out is held before its
	// connection is reset; zero is 30 seconds, more than clients wait.
	Timeout time.Duration
}

// Server is the stand-in, an http.Handler. It is safe for concurrent use.
type Server struct {
	cfg   Config
	roles map[string]ram.Role

	mu     sync.Mutex           // guards nonces and cfg.Rand
	nonces map[string]time.Time // when each may be forgotten
}

// New returns a Server. It panics without a Store.
func New(cfg Config) *Server {
	if cfg.Store == nil {
		panic("sts: Config.Store is nil")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Fault == nil {
		cfg.Fault = func(string, string) string { return "" }
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	s := &Server{cfg: cfg, roles: make(map[string]ram.Role), nonces: make(map[string]time.Time)}
	for _, r := range cfg.Roles {
		s.roles[s.roleName(r.ARN)] = r
	}
	return s
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The body is read before a fault is considered: until then net/http
	// would not notice a client that gives up waiting.
	params, refused := readParams(w, r)
	if refused != nil {
		s.refuse(w, r, refused)
		return
	}
	if refused := checkOperation(r, params); refused != nil {
		s.refuse(w, r, refused)
		return
	}
	mode := s.cfg.Fault("sts", "AssumeRole")
	if mode != "" {
		s.cfg.Log.Info("failing on demand", "operation", "AssumeRole", "mode", mode)
	}
	switch mode {
	case fault.InternalError:
		s.refuse(w, r, errInternal)
		return
	case fault.Unavailable:
		s.refuse(w, r, errUnavailable)
		return
	case fault.Timeout:
		fault.Hang(r, s.cfg.Timeout)
		fault.Reset(w)
		return
	case fault.ConnectionReset:
		fault.Reset(w)
		return
	}
	answer, refused := s.assumeRole(params)
	if mode == fault.StoredThenReset {
		fault.Reset(w)
		return
	}
	if refused != nil {
		s.refuse(w, r, refused)
		return
	}
	s.reply(w, http.StatusOK, answer)
}

// refuse answers an error as the RPC gateway does.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, e *apiError) {
	s.cfg.Log.Info("refusing a call", "status", e.status, "code", e.code)
	s.reply(w, e.status, map[string]string{
		"RequestId": s.requestID(),
		"HostId":    r.Host,
		"Code":      e.code,
		"Message":   e.message,
		"Recommend": "https://api.aliyun.com/troubleshoot?q=" + e.code + "&product=Sts",
	})
}

func (s *Server) reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(status)
	// The only possible error is that the client has left.
	_ = json.NewEncoder(w).Encode(value)
}

// random returns n random bytes. It panics when there are none, as
// crypto/rand does: no answer would be safe.
func (s *Server) random(n int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := make([]byte, n)
	if _, err := io.ReadFull(s.cfg.Rand, b); err != nil {
		panic(fmt.Sprintf("sts: reading random bytes: %v", err))
	}
	return b
}

// requestID looks like 6894B13B-6D71-4EF5-88FA-F32781734A7F.
func (s *Server) requestID() string {
	h := strings.ToUpper(hex.EncodeToString(s.random(16)))
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
