package signing

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Style says where in a URL the bucket stands.
type Style int

const (
	VirtualHosted Style = iota // https://bucket.host/key
	PathStyle                  // https://host/bucket/key
	CNAME                      // https://host/key: a custom domain of the bucket
)

// Endpoint is where a URL points. The signature does not cover it.
type Endpoint struct {
	Scheme string // http or https
	Host   string // with the port, if it is not the scheme's own
	Style  Style
}

// ParseEndpoint reads host, host:port or a URL of no more than scheme and host.
// Without a scheme it is https. A host that is an IP address has path style,
// whatever style says: it has no subdomains. It fails with ErrEndpoint.
func ParseEndpoint(raw string, style Style) (Endpoint, error) {
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return Endpoint{}, fmt.Errorf("%w: not a URL", ErrEndpoint)
	case u.User != nil:
		return Endpoint{}, fmt.Errorf("%w: it has a user", ErrEndpoint)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return Endpoint{}, fmt.Errorf("%w: %q is more than scheme and host", ErrEndpoint, raw)
	}
	e := Endpoint{Scheme: u.Scheme, Host: u.Host, Style: style}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		e.Style = PathStyle
	}
	return e, e.check()
}

func (e Endpoint) check() error {
	switch {
	case e.Scheme != "http" && e.Scheme != "https":
		return fmt.Errorf("%w: scheme %q is not http or https", ErrEndpoint, e.Scheme)
	case e.Host == "" || strings.HasPrefix(e.Host, ":") || strings.HasSuffix(e.Host, ":") || strings.ContainsAny(e.Host, "/?#@ \t\r\n"):
		return fmt.Errorf("%w: host %q", ErrEndpoint, e.Host)
	case e.Style < VirtualHosted || e.Style > CNAME:
		return fmt.Errorf("%w: style %d", ErrEndpoint, e.Style)
	}
	return nil
}

// URL is the plain, unsigned URL of an object.
func (e Endpoint) URL(bucket, key string) string {
	host, path := e.Host, "/"+escapePath(key)
	switch e.Style {
	case VirtualHosted:
		host = bucket + "." + host
	case PathStyle:
		path = "/" + bucket + path
	}
	return e.Scheme + "://" + host + path
}
