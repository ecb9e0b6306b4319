package oss

import (
	"context"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	ecBadCallbackURL     = "0007-00000004"
	ecPrivateCallbackURL = "0007-00000008"

	// resolveTimeout bounds looking up the host of a callback.
	resolveTimeout = 2 * time.Second
)

// sharedAddresses are those between a provider and its customers, RFC 6598.
var sharedAddresses = netip.MustParsePrefix("100.64.0.0/10")

// callbackTargets reads the URLs of a callback, or says what is wrong with them. One
// private address among them refuses the upload, if such are refused.
func (c *call) callbackTargets(list string) (urls []*url.URL, ec, message string) {
	urls, ok := callbackURLs(list)
	if !ok {
		return nil, ecBadCallbackURL, "The callbackUrl is invalid."
	}
	if c.s.cfg.RefusePrivateCallbacks && slices.ContainsFunc(urls, func(u *url.URL) bool { return c.isPrivateHost(u.Hostname()) }) {
		return nil, ecPrivateCallbackURL, "Private address is forbidden to callback."
	}
	return urls, "", ""
}

// isPrivateHost reports whether a host is a private address, or a name of one. A name
// that nobody knows is not: the callback will fail.
func (c *call) isPrivateHost(host string) bool {
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	if address, err := netip.ParseAddr(name); err == nil {
		return isPrivate(address)
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), resolveTimeout)
	defer cancel()
	addresses, err := c.s.resolver.LookupNetIP(ctx, "ip4", name)
	return err == nil && slices.ContainsFunc(addresses, isPrivate)
}

func isPrivate(address netip.Addr) bool {
	address = address.Unmap()
	return address.IsPrivate() || address.IsLoopback() || address.IsLinkLocalUnicast() || address.IsUnspecified() || sharedAddresses.Contains(address)
}

// resolver looks names up.
type resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}
