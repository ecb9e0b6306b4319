package settings

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"ossupload/shared/secureurl"
	"ossupload/shared/signing"
)

// What may be meant, and mostly is a mistake, is warned of.

func (r *reader) warn(name, format string, args ...any) {
	r.warns = append(r.warns, name+" "+fmt.Sprintf(format, args...))
}

// warnOfEndpoint looks for what makes every URL fail, far from here.
func (r *reader) warnOfEndpoint(name string, e signing.Endpoint, s Storage) {
	host := strings.ToLower((&url.URL{Host: e.Host}).Hostname())
	if isPlain(e.Scheme + "://" + e.Host) {
		r.warn(name, "is plain http: whoever listens in reads the bytes and may use the URLs")
	}
	if e.Style != signing.CNAME && strings.HasPrefix(host, s.Bucket+".") {
		r.warn(name, "holds the bucket, which is put before it once more: leave it out, or set OSS_CNAME for a domain of the bucket")
	}
	region, internal := regionOf(host)
	if internal && name != "OSS_INTERNAL_ENDPOINT" {
		r.warn(name, "is an internal endpoint, which nobody outside of Alibaba Cloud can reach")
	}
	if region != "" && region != s.Region {
		r.warn(name, "is of the region %s, and OSS_REGION is %s", region, s.Region)
	}
}

// regionOf reads an endpoint of OSS itself. Those that serve many regions have
// none, like domains of other owners.
//
//	oss-cn-hangzhou.aliyuncs.com  oss-cn-hangzhou-internal.aliyuncs.com
//	cn-hangzhou.oss.aliyuncs.com  oss-accelerate.aliyuncs.com
func regionOf(host string) (region string, internal bool) {
	rest, ok := strings.CutSuffix(host, ".aliyuncs.com")
	if !ok {
		return "", false
	}
	labels := strings.Split(rest, ".")
	last := labels[len(labels)-1]
	if last == "oss" && len(labels) > 1 {
		return labels[len(labels)-2], false
	}
	region, ok = strings.CutPrefix(last, "oss-")
	if !ok || strings.HasPrefix(region, "accelerate") || strings.HasPrefix(region, "rg-") {
		return "", false
	}
	return strings.CutSuffix(region, "-internal")
}

// warnOfCallback tells of a URL that OSS cannot call from where it is. Beside an
// endpoint on this machine it can: that is a local stack.
func (r *reader) warnOfCallback(callbackURL string, s Storage) {
	u, err := url.Parse(callbackURL)
	if err != nil || u.Hostname() == "" {
		return
	}
	host := strings.ToLower(u.Hostname())
	if isLoopback(u.Host) && isLoopback(s.Public.Host) {
		return
	}
	if isPrivate(host) {
		r.warn("CALLBACK_URL", "is private: OSS calls it from the internet, and no upload will be announced by it")
	}
	if isPlain(callbackURL) {
		r.warn("CALLBACK_URL", "is plain http: whoever listens in reads upload tokens")
	}
}

// isPlain reports whether a URL is plain http to another machine.
func isPlain(s string) bool {
	_, err := secureurl.Parse(s)
	return errors.Is(err, secureurl.ErrPlain)
}

// isLoopback reports whether a host, with or without a port, is this machine.
func isLoopback(host string) bool {
	_, err := secureurl.Parse("http://" + host)
	return err == nil
}

// isPrivate reports whether host is of a private network by its address, by its
// name, or by what Alibaba Cloud calls addresses inside of a VPC.
func isPrivate(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		shared := netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
		return addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsUnspecified() || shared.Contains(addr)
	}
	ends := func(suffix string) bool { return strings.HasSuffix(host, suffix) }
	return !strings.Contains(host, ".") || isInternal(host) ||
		slices.ContainsFunc([]string{".local", ".localhost", ".internal", ".lan", ".home.arpa"}, ends)
}

// isInternal reports whether host is a name that Alibaba Cloud gives inside of a
// VPC: abc.cn-hangzhou-vpc.fcapp.run, oss-cn-hangzhou-internal.aliyuncs.com.
func isInternal(host string) bool {
	for _, owner := range []string{".fcapp.run", ".aliyuncs.com", ".alicloudapi.com"} {
		if name, ok := strings.CutSuffix(host, owner); ok {
			return slices.ContainsFunc(strings.Split(name, "."), func(label string) bool {
				return strings.HasSuffix(label, "-vpc") || strings.HasSuffix(label, "-internal") || strings.HasSuffix(label, "-intranet")
			})
		}
	}
	return false
}

// warnOfMainland tells of the domains that new accounts may not use for data.
func (r *reader) warnOfMainland(s Storage) {
	// Hong Kong is cn-hongkong by name, but not of the mainland regions.
	if strings.HasPrefix(s.Region, "cn-") && s.Region != "cn-hongkong" && s.Public.Host == "oss-"+s.Region+".aliyuncs.com" {
		r.warn("OSS_ENDPOINT", "is the default public domain of a mainland region: "+
			"accounts that are new to OSS since March 2025 get PublicEndpointForbidden there and need a custom domain (OSS_CNAME)")
	}
}
