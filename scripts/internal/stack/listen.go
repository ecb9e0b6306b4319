package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// listeners are those of the three servers.
type listeners struct{ gateway, oss, sts net.Listener }

// listen opens all three addresses, until the stack is closed.
func (s *Stack) listen(o Options) (l listeners, err error) {
	for _, x := range []struct {
		of, address string
		to          *net.Listener
	}{
		{"the gateway", o.Addr, &l.gateway},
		{"OSS", o.OSSAddr, &l.oss},
		{"STS", o.STSAddr, &l.sts},
	} {
		opened, err := listenLoopback(cmp.Or(x.address, "127.0.0.1:0"))
		if err != nil {
			return listeners{}, fmt.Errorf("listening for %s: %w", x.of, err)
		}
		*x.to = opened
		s.onClose(closer(opened))
	}
	return l, nil
}

// listenLoopback opens an address of this machine. IPv6 is refused as well: OSS
// sends its callbacks over IPv4.
func listenLoopback(address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("address %q is not host:port", address)
	}
	if host != "127.0.0.1" && host != "localhost" {
		return nil, fmt.Errorf("address %q is refused: the local stack trusts whoever reaches it, so it listens on 127.0.0.1 only", address)
	}
	return net.Listen("tcp4", net.JoinHostPort("127.0.0.1", port))
}

// closer closes a listener that a server may have closed before.
func closer(l net.Listener) func() error {
	return func() error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}

// stopGrace is what requests in flight have when the stack ends.
const stopGrace = 2 * time.Second

// serve answers on l until stop is called, which lets requests in flight end
// for a moment, breaks the others off, and returns when the last handler has.
//
// Neither reading nor writing has a deadline as a whole: an upload may take as
// long as it takes.
func serve(l net.Listener, handler http.Handler, log *slog.Logger) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	// Every handler holds the gate shared. Once stop has held it alone, none
	// runs and none will.
	var gate sync.RWMutex
	closed := false
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			gate.RLock()
			defer gate.RUnlock()
			if !closed {
				handler.ServeHTTP(w, r)
			}
		}),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()

	return func() error {
		defer cancel()
		patience, done := context.WithTimeout(context.Background(), stopGrace)
		defer done()
		if server.Shutdown(patience) != nil {
			cancel()
			server.Close()
		}
		err := <-served
		gate.Lock()
		closed = true
		gate.Unlock()
		if !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving %s: %w", l.Addr(), err)
		}
		return nil
	}
}
