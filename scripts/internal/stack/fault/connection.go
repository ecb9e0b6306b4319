package fault

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// Reset ends the request as a network fault would: over HTTP/1.1 the client
// sees its TCP connection reset, over HTTP/2 its stream. It returns in the
// first case and panics with http.ErrAbortHandler, which net/http expects, in the
// second; either way the caller must be done with w.
//
// A Go client that sent an idempotent request over a kept-alive connection
// repeats it by itself, and then uses up the next fault or succeeds.
func Reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	raw := conn
	if t, ok := conn.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		// Lingering for zero seconds makes Close send RST instead of FIN. An
		// error only means that the client is gone already.
		_ = tcp.SetLinger(0)
	}
	_ = raw.Close()
}

// Hang keeps the caller of r waiting for d, or until it gives up. The body of
// r must have been read: net/http watches for a client that leaves only from
// then on.
func Hang(r *http.Request, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}
