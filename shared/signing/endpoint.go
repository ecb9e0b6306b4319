package signing

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
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
	case u.Path != "" && u.Path != "/" || strings.ContainsAny(raw, "?#"):
		return Endpoint{}, fmt.Errorf("%w: %q is more than scheme and host", ErrEndpoint, raw)
	}
	e := Endpoint{Scheme: u.Scheme, Host: u.Host, Style: style}
	if e.isIP() {
		e.Style = PathStyle
	}
	if err := e.check(); err != nil {
		return Endpoint{}, err
	}
	return e, nil
}

func (e Endpoint) isIP() bool {
	_, err := netip.ParseAddr((&url.URL{Host: e.Host}).Hostname())
	return err == nil
}

func (e Endpoint) check() error {
	switch {
	case e.Scheme != "http" && e.Scheme != "https":
		return fmt.Errorf("%w: scheme %q is not http or https", ErrEndpoint, e.Scheme)
	case !isHost(e.Host):
		return fmt.Errorf("%w: host %q", ErrEndpoint, e.Host)
	case e.Style < VirtualHosted || e.Style > CNAME:
		return fmt.Errorf("%w: style %d", ErrEndpoint, e.Style)
	}
	return nil
}

// isHost reports whether host is a name or an IP address, with or without a
// port. A zone, as in [fe80::1%eth0], means nothing on another machine.
func isHost(host string) bool {
	u := url.URL{Host: host}
	name, port := u.Hostname(), u.Port()
	if port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return false
		}
		port = ":" + port
	}
	if addr, err := netip.ParseAddr(name); err == nil && addr.Is6() {
		return addr.Zone() == "" && host == "["+name+"]"+port
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || strings.Trim(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return host == name+port
}

// URL is the plain, unsigned URL of an object.
func (e Endpoint) URL(bucket, key string) string {
	return string(appendEscaped(e.appendBucket(nil, bucket), key, inPath))
}

// appendBucket appends the URL of a bucket, with the slash before a key.
func (e Endpoint) appendBucket(dst []byte, bucket string) []byte {
	dst = append(append(dst, e.Scheme...), "://"...)
	if e.Style == VirtualHosted {
		dst = append(append(dst, bucket...), '.')
	}
	dst = append(append(dst, e.Host...), '/')
	if e.Style == PathStyle {
		dst = append(append(dst, bucket...), '/')
	}
	return dst
}
