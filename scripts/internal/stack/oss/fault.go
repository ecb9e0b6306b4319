package oss

import (
	"io"
	"net"
	"net/http"
	"time"
)

// The faults that Config.Fault may ask for. It is asked once per call, with
// target "oss" and the name of the operation; with "keys", "GetPublicKey" for
// the callback key; and with "callback", "Callback" before a callback is sent.
const (
	fault500             = "500"     // answer InternalError, do nothing
	fault503             = "503"     // answer ServiceUnavailable, do nothing
	faultTimeout         = "timeout" // hold the request, then close; do nothing
	faultReset           = "reset"   // reset the connection, do nothing
	faultStoredThenReset = "stored-then-reset"
)

// withFault runs do unless the configured fault says otherwise. A preflight
// is a call of its own, so it takes a fault that was meant for any operation.
func (c *call) withFault(target string, do func(*call) error) error {
	switch c.s.cfg.Fault(target, c.operation) {
	case fault500:
		return errInternal()
	case fault503:
		return errServiceUnavailable()
	case faultTimeout:
		c.hold()
	case faultReset:
		c.reset()
	case faultStoredThenReset:
		connection := c.w.ResponseWriter
		c.w.ResponseWriter = &discard{header: http.Header{}}
		do(c)
		c.w.ResponseWriter = connection
		c.reset()
	}
	return do(c)
}

// hold keeps the client waiting until the time is up or it goes away, and
// closes the connection. The body is read meanwhile: net/http notices a lost
// client only once the body has been read.
func (c *call) hold() {
	lost := make(chan struct{})
	go func() {
		if _, err := io.Copy(io.Discard, c.r.Body); err != nil {
			close(lost)
		}
	}()
	timer := time.NewTimer(c.s.cfg.Timeout)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-lost:
	case <-c.r.Context().Done():
	}
	panic(http.ErrAbortHandler)
}

// reset drops the connection with a TCP reset. It does not return.
func (c *call) reset() {
	conn, _, err := http.NewResponseController(c.w).Hijack()
	if err == nil {
		under := conn
		if t, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
			under = t.NetConn()
		}
		if t, ok := under.(*net.TCPConn); ok {
			t.SetLinger(0)
		}
		under.Close()
	}
	panic(http.ErrAbortHandler)
}

// discard takes the answer that nobody will see.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}
