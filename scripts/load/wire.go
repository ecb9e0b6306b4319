package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

const (
	tryTimeout  = 20 * time.Second // of one request
	dialTimeout = 5 * time.Second
	maxAnswer   = 16 << 20 // bytes: a thousand events are about two million
)

// wire speaks HTTP to this machine. It follows no redirect and knows no proxy.
type wire struct {
	gateway string // base URL without a slash at its end
	token   string // of the caller
	http    *http.Client
}

func newWire(gateway, token string, connections int) *wire {
	dialer := &net.Dialer{Timeout: dialTimeout, Control: refuseOthers}
	return &wire{gateway: gateway, token: token, http: &http.Client{
		Timeout: tryTimeout,
		Transport: &http.Transport{
			DialContext:         dialer.DialContext,
			MaxIdleConnsPerHost: connections,
			DisableCompression:  true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// errNotHere means that an address is not this machine's.
var errNotHere = errors.New("only this machine may be put under load")

// refuseOthers has the last word on every connection, when names have become
// addresses: signed URLs come from the functions, and are followed blindly.
func refuseOthers(_, address string, _ syscall.RawConn) error {
	if a, err := netip.ParseAddrPort(address); err != nil || !a.Addr().IsLoopback() {
		return errNotHere
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

// answer is what came back, whatever its status.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// lostAnswer means that no answer came, or not all of it. What was asked may
// have happened all the same.
type lostAnswer struct{ err error }

func (l *lostAnswer) Error() string { return "no answer: " + l.err.Error() }
func (l *lostAnswer) Unwrap() error { return l.err }

// send makes one request. Its error is a *lostAnswer.
func (w *wire) send(ctx context.Context, method, target string, header map[string]string, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return answer{}, errors.New("making a request: the URL is none") // err repeats it
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := w.http.Do(req)
	if err != nil {
		// net/http's error has the URL, and that may have a signature.
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err
		}
		return answer{}, &lostAnswer{err}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err == nil && len(text) > maxAnswer {
		err = errors.New("it is too long")
	}
	if err != nil {
		return answer{}, &lostAnswer{err}
	}
	return answer{res.StatusCode, res.Header, text}, nil
}

// ask calls a function as the caller. in is sent as JSON unless it is nil.
func (w *wire) ask(ctx context.Context, method, path string, in any) (answer, error) {
	header := map[string]string{"Authorization": "Bearer " + w.token}
	var body []byte
	if in != nil {
		header["Content-Type"] = "application/json"
		var err error
		if body, err = json.Marshal(in); err != nil {
			return answer{}, fmt.Errorf("encoding a request: %w", err)
		}
	}
	return w.send(ctx, method, w.gateway+path, header, body)
}

// local calls one of the stack's own endpoints and reads the JSON of its
// answer into out, unless that is nil.
func (w *wire) local(ctx context.Context, method, path string, in, out any) error {
	a, err := w.ask(ctx, method, path, in)
	if err != nil {
		return fmt.Errorf("asking the stack for %s: %w", path, err)
	}
	if a.status/100 != 2 {
		return fmt.Errorf("asking the stack for %s: %w", path, a.refusal())
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return fmt.Errorf("asking the stack for %s: %w", path, err)
	}
	return nil
}

// refusal is an answer that is not the one hoped for.
type refusal struct {
	status     int
	code       string // in the error table's words, or OSS's; or the status
	retryAfter time.Duration
}

func (r *refusal) Error() string { return fmt.Sprintf("answered %d %s", r.status, r.code) }

// refusal reads the code of an error: JSON of a function or the gateway, XML of
// OSS.
func (a answer) refusal() *refusal {
	var e struct {
		Code string `json:"code" xml:"Code"` // encoding/json takes the gateway's "Code" as well
	}
	if json.Unmarshal(a.body, &e) != nil && xml.Unmarshal(a.body, &e) != nil || e.Code == "" {
		e.Code = "status " + strconv.Itoa(a.status)
	}
	seconds, _ := strconv.Atoi(a.header.Get("Retry-After"))
	return &refusal{a.status, e.Code, time.Duration(seconds) * time.Second}
}

// codeOf names an error in a table.
func codeOf(err error) string {
	if r := (*refusal)(nil); errors.As(err, &r) {
		return r.code
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, new(*lostAnswer)):
		return "connection lost"
	}
	return "wrong answer"
}
