// Package secureurl decides whether something may be sent to or fetched from a
// URL that was configured: over https, or towards this machine itself, where
// nobody listens in and a local stack has no certificate.
package secureurl

import (
	"errors"
	"net/netip"
	"net/url"
)

var (
	// ErrURL: it is not an absolute http or https URL, or it has a user or a
	// fragment.
	ErrURL = errors.New("must be an absolute http or https URL, without user and fragment")
	// ErrPlain: it is plain http to another machine.
	ErrPlain = errors.New("must be https")
)

// Parse returns a URL that may be used. It fails with ErrURL or ErrPlain; no
// error repeats the URL, which may hold a secret.
func Parse(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Hostname() == "", u.Opaque != "", u.User != nil, u.Fragment != "",
		u.Scheme != "https" && u.Scheme != "http":
		return nil, ErrURL
	case u.Scheme != "https" && !isLoopback(u.Hostname()):
		return nil, ErrPlain
	}
	return u, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
