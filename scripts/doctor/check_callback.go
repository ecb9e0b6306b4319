package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"ossupload/shared/api"
)

const callbackPage = "README.md#deploy"

// callbackChecks look at CALLBACK_URL as OSS does.
var callbackChecks = []check{
	{
		id: "callback.tls", looks: "the callback's address has a certificate of its name", run: checkCallbackTLS,
		mend: "give the domain of CALLBACK_URL a certificate of a public authority", page: callbackPage,
	},
	{
		id: "callback.reach", looks: "something answers at CALLBACK_URL, from here", run: checkCallbackReach, after: []string{"callback.tls"},
		mend: "set CALLBACK_URL to the HTTP trigger of ossupload-callback, which must be open to the internet", page: callbackPage,
	},
	{
		id: "callback.ours", looks: "what answers at CALLBACK_URL is functions/callback, which refuses what OSS has not signed", run: checkCallbackOurs, after: []string{"callback.reach"},
		mend: "let CALLBACK_URL lead to ossupload-callback, with no gateway or login before it", page: callbackPage,
	},
}

// checkCallbackTLS says more about a certificate than a failed call would.
func checkCallbackTLS(ctx context.Context, p *patient) verdict {
	return p.checkTLS(ctx, p.Settings.CallbackURL)
}

func (p *patient) checkTLS(ctx context.Context, target string) verdict {
	u, err := url.Parse(target)
	if err != nil {
		return failed("it is not a URL")
	}
	if where := elsewhere(target); u.Scheme != "https" && where == onThisMachine {
		return passed("%s is plain http%s", u.Host, where)
	}
	if u.Scheme != "https" {
		return warned("%s is plain http: whoever listens reads tokens", u.Host)
	}
	_, err = p.ask(ctx, http.MethodOptions, target, nil, "")
	if why := certificateFault(err, u.Hostname()); why != "" {
		return failed("%s: %s", u.Host, why)
	}
	if needsSNI(ctx, u) {
		return passed("%s has a certificate of its name, by SNI alone, which browsers send and OSS is asked to", u.Host)
	}
	return passed("%s has a certificate of its name", u.Host)
}

// needsSNI reports whether a server has another certificate for who does not say
// which name is meant. callbackSNI has OSS say it.
func needsSNI(ctx context.Context, u *url.URL) bool {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	plain, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "443")))
	if err != nil {
		return false
	}
	defer plain.Close()
	// Nothing is sent: the certificate is looked at, and its name compared.
	conn := tls.Client(plain, &tls.Config{InsecureSkipVerify: true})
	if err := conn.HandshakeContext(ctx); err != nil {
		return true
	}
	return conn.ConnectionState().PeerCertificates[0].VerifyHostname(u.Hostname()) != nil
}

// certificateFault says what is wrong with a certificate, or nothing.
func certificateFault(err error, name string) string {
	var (
		of        x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &of):
		return fmt.Sprintf("the certificate is not for %s but for %s", name, strings.Join(of.Certificate.DNSNames, ", "))
	case errors.As(err, &authority):
		return "no authority that is trusted here has signed the certificate"
	case errors.As(err, &invalid):
		return "the certificate is not valid: " + invalid.Error()
	case errors.As(err, &verify):
		return "the certificate does not verify"
	case errors.As(err, &record):
		return "it does not speak TLS"
	}
	return ""
}

const onThisMachine = ", on this machine"

// elsewhere says why an address may be reached from here and not by OSS, or
// nothing.
func elsewhere(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return ""
	}
	ip := net.ParseIP(u.Hostname())
	switch {
	case u.Hostname() == "localhost" || ip != nil && ip.IsLoopback():
		return onThisMachine
	case ip != nil && ip.IsPrivate():
		return ", in this network, where OSS cannot call"
	}
	return ""
}

func checkCallbackReach(ctx context.Context, p *patient) verdict {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if _, err := p.ask(ctx, method, p.Settings.CallbackURL, nil, ""); err != nil {
			return failed("%s does not answer: %v", hostOf(p.Settings.CallbackURL), err)
		}
	}
	return passed("%s answers%s", hostOf(p.Settings.CallbackURL), elsewhere(p.Settings.CallbackURL))
}

func hostOf(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return "it"
	}
	return u.Host
}

// nameOf is a host without its port.
func nameOf(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return "it"
	}
	return u.Hostname()
}

func checkCallbackOurs(ctx context.Context, p *patient) verdict {
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	a, err := p.ask(ctx, http.MethodPost, p.Settings.CallbackURL, form, "bucket=doctor")
	if err != nil {
		return failed("it does not answer any more: %v", err)
	}
	if a.Problem().Code != string(api.CallbackRejected) {
		return failed("%s answers %s, and not 403 callback_rejected", hostOf(p.Settings.CallbackURL), a)
	}
	return passed("it refuses what OSS has not signed")
}
