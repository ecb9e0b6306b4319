// Package netcause says why no answer came, in words that are fit for a log: the
// step that failed, the address or the name of the host, and what the system or
// the certificate said.
//
// Errors of net/http hold the URL that was asked, and one of ours may be signed or
// hold a secret. So only errors of known types are put into words, those that
// know of hosts, addresses and certificates and of nothing else; of any other there
// is the type.
package netcause

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
)

// Of is the cause of err, which a client of net/http returned, or "" for nil.
func Of(err error) string {
	if err == nil {
		return ""
	}
	return short(cause(err))
}

func cause(err error) string {
	if u, ok := errors.AsType[*Unconnected](err); ok {
		return u.Error()
	}
	if text, ok := certificate(err); ok {
		return text
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.Error()
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Error()
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return alert.Error()
	}
	var timeout net.Error
	switch {
	case errors.As(err, new(tls.RecordHeaderError)), errors.Is(err, http.ErrSchemeMismatch):
		return "the server does not speak TLS: http where https was asked"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before the whole answer came"
	case errors.Is(err, context.Canceled):
		return "the request ended first"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	}
	return fmt.Sprintf("an error of type %T", root(err))
}

// certificate puts into words why a certificate is not taken. The library's own
// text of a wrong name lists all the names of the certificate.
func certificate(err error) (string, bool) {
	if name, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the certificate is not for " + name.Host, true
	}
	if unknown, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return unknown.Error(), true
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return invalid.Error(), true
	}
	if verification, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the certificate is not trusted: " + fmt.Sprintf("%T", root(verification)), true
	}
	return "", false
}

// root is the innermost error of a chain.
func root(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// short is one line of at most 200 bytes: a name in a certificate or an address may
// be as long as somebody else likes.
func short(text string) string {
	const most = 200
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// Unconnected means that the time for a request ran out, or was ended, before there
// was a connection. net/http does not tell that from a server that is silent.
type Unconnected struct {
	Host string
	err  error
}

func (u *Unconnected) Error() string {
	return "no connection to " + u.Host + " in time; is it reachable from this network?"
}

func (u *Unconnected) Unwrap() error { return u.err }

// Transport is next, which it must get its connections from, with errors that say
// whether there was a connection.
type Transport struct{ Next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var connected atomic.Bool
	ctx := httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	res, err := t.Next.RoundTrip(r.WithContext(ctx))
	if err != nil && !connected.Load() && errors.Is(err, context.DeadlineExceeded) {
		return nil, &Unconnected{r.URL.Host, err}
	}
	return res, err
}
