package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v4"

	"ossupload/scripts/internal/client"
)

const (
	tryTimeout  = 20 * time.Second // of one request
	dialTimeout = 5 * time.Second
)

// wire is the contract's client for a stack of this machine. It knows no proxy,
// and tries again until the context ends.
type wire struct{ *client.Client }

func newWire(gateway, token string, connections int) *wire {
	dialer := &net.Dialer{Timeout: dialTimeout, Control: refuseOthers}
	transport := &http.Transport{
		DialContext:         dialer.DialContext,
		MaxIdleConnsPerHost: connections,
		DisableCompression:  true,
	}
	c := &client.Client{
		Endpoint: gateway, Token: token,
		HTTP:  client.NewHTTP(transport),
		Retry: client.Retry{Tries: math.MaxInt, First: firstPause, Most: mostPause, MostAsked: maxRetryAfter},
	}
	c.HTTP.Timeout = tryTimeout // the client's own would grow with each try
	return &wire{c}
}

// errNotHere means that an address is not this machine's.
var errNotHere = errors.New("only this machine may be put under load")

// refuseOthers has the last word on every connection, when names have become
// addresses: signed URLs come from the functions, and are followed blindly.
func refuseOthers(_, address string, _ syscall.RawConn) error {
	if a, err := netip.ParseAddrPort(address); err != nil || !a.Addr().IsLoopback() {
		return backoff.Permanent(errNotHere)
	}
	return nil
}

// checkLoopback refuses a URL that is not of this machine.
func checkLoopback(target string) error {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" {
		return fmt.Errorf("gateway %q is not http://host:port", target)
	}
	if a, err := netip.ParseAddr(u.Hostname()); u.Hostname() != "localhost" && (err != nil || !a.IsLoopback()) {
		return fmt.Errorf("gateway %q: %w", target, errNotHere)
	}
	return nil
}

// local calls one of the stack's own endpoints once and reads the JSON of its
// answer into out, unless that is nil.
func (w *wire) local(ctx context.Context, method, path string, in, out any) error {
	a, err := w.Ask(ctx, method, path, nil, in)
	if err == nil && (out != nil || a.Status/100 != 2) {
		err = a.Into(out)
	}
	if err != nil {
		return fmt.Errorf("asking the stack for %s: %w", path, err)
	}
	return nil
}

// sleep waits for d, and reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// codeOf names an error in a table: in the error table's words, or OSS's.
func codeOf(err error) string {
	if r, ok := errors.AsType[*client.Refusal](err); ok {
		return cmp.Or(r.Code, "status "+strconv.Itoa(r.Status))
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, client.ErrTimeout):
		return "no answer in time"
	case errors.As(err, new(*client.LostAnswer)):
		return "connection lost"
	}
	return "wrong answer"
}
