package osscallback

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Message is a callback as it arrived.
type Message struct {
	// URIs are the candidates for what OSS signed, each an escaped path with "?"
	// and the raw query if there is one. They are tried in order until one
	// holds: a gateway may have rewritten the path or lost the query, so the
	// URI of the configured URL comes first and the received one second.
	URIs []string

	// Header is searched without regard to case, so that names which differ
	// only in case count as repeated.
	Header http.Header

	// Body is the body in the very bytes that were received.
	Body []byte
}

// Config configures a Verifier. Its zero value accepts the published key only.
type Config struct {
	// KeyURLs are the URLs, exactly as OSS names them, from which a public key
	// may come. Empty means the two that OSS publishes, whose key is built in.
	// A key at any other URL is fetched when a message first names it; over
	// plain http the network in between is trusted as well.
	KeyURLs []string

	// Client fetches keys. Nil: one without proxy. With any client a fetch lasts
	// at most a second and follows no redirect.
	Client *http.Client

	// Now is the clock. Nil: time.Now.
	Now func() time.Time

	// Log gets a line for each fetch. Nil: discard.
	Log *slog.Logger
}

// Verifier decides whether a callback was signed by OSS. It is safe for
// concurrent use, and meant to live as long as the process because it remembers
// keys.
type Verifier struct {
	keys *keyStore
	// allowed maps base64 of a URL, as it stands in the header, to the URL. A
	// look-up by the encoded text compares byte for byte, accepts the canonical
	// encoding only, and leaves nothing to parse.
	allowed map[string]string
}

// NewVerifier returns a Verifier. It fails on a key URL that is not an absolute
// http or https URL; it fetches nothing.
func NewVerifier(cfg Config) (*Verifier, error) {
	if len(cfg.KeyURLs) == 0 {
		cfg.KeyURLs = publishedKeyURLs()
	}
	allowed := make(map[string]string, len(cfg.KeyURLs))
	for i, keyURL := range cfg.KeyURLs {
		if err := CheckKeyURL(keyURL); err != nil {
			return nil, fmt.Errorf("checking public key url %d of %d: %w", i+1, len(cfg.KeyURLs), err)
		}
		allowed[base64.StdEncoding.EncodeToString([]byte(keyURL))] = keyURL
	}
	keys, err := newKeyStore(cfg)
	if err != nil {
		return nil, err
	}
	return &Verifier{keys: keys, allowed: allowed}, nil
}

// CheckKeyURL reports why a public key cannot be fetched from a URL. OSS itself
// names its key by plain http, too.
func CheckKeyURL(keyURL string) error {
	u, err := url.Parse(keyURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return errors.New("it is not an absolute http or https url")
	}
	return nil
}

// Verify reports whether OSS signed the message for one of its URIs: nil, or an
// error that wraps ErrKeyURL, ErrSignature or ErrKeyFetch. It reads the headers
// Authorization, x-oss-pub-key-url and x-oss-signature-version; no other header
// is signed, so none must be believed. ctx bounds the wait for a key.
func (v *Verifier) Verify(ctx context.Context, m Message) error {
	if version := headerValues(m.Header, "x-oss-signature-version"); len(version) > 1 || len(version) == 1 && version[0] != "1.0" {
		return fmt.Errorf("%w: unknown signature version", ErrSignature)
	}
	authorization := headerValues(m.Header, "Authorization")
	if len(authorization) != 1 {
		return fmt.Errorf("%w: %d authorization headers instead of one", ErrSignature, len(authorization))
	}
	signature, err := decodeBase64(authorization[0])
	if err != nil {
		return err
	}

	named := headerValues(m.Header, "x-oss-pub-key-url")
	if len(named) != 1 {
		return fmt.Errorf("%w: %d headers instead of one", ErrKeyURL, len(named))
	}
	keyURL, ok := v.allowed[named[0]]
	if !ok {
		return ErrKeyURL
	}

	// Everything above is decided from the message alone; only a message that
	// names an allowed URL can cause a call.
	key, err := v.keys.get(ctx, keyURL)
	if err != nil {
		return err
	}
	for _, uri := range m.URIs {
		signed, ok := stringToSign(uri, m.Body)
		if ok && verifyPKCS1v15MD5(key, md5.Sum(signed), signature) {
			return nil
		}
	}
	return fmt.Errorf("%w: it fits none of %d uris", ErrSignature, len(m.URIs))
}

// stringToSign returns what OSS signs for a request:
//
//	percent_decode(path) [ "?" query ] "\n" body
//
// "+" stays "+" in both; the query is taken as it was received. A URI that does
// not begin with "/", that is badly escaped or that holds a line feed has no
// string to sign: the first line feed always ends the URI.
func stringToSign(uri string, body []byte) (signed []byte, ok bool) {
	escaped, query, _ := strings.Cut(uri, "?")
	path, err := url.PathUnescape(escaped)
	if err != nil || !strings.HasPrefix(path, "/") || strings.Contains(path, "\n") || strings.Contains(query, "\n") {
		return nil, false
	}
	signed = make([]byte, 0, len(path)+len("?")+len(query)+len("\n")+len(body))
	signed = append(signed, path...)
	if query != "" {
		signed = append(signed, '?')
		signed = append(signed, query...)
	}
	signed = append(signed, '\n')
	return append(signed, body...), true
}

// strict refuses stray bits at the end.
var strict = base64.StdEncoding.Strict()

// decodeBase64 accepts the canonical encoding only: no line breaks, which the
// decoder skips, and no stray bits.
func decodeBase64(s string) ([]byte, error) {
	raw, err := strict.DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return nil, fmt.Errorf("%w: it is not base64", ErrSignature)
	}
	return raw, nil
}

// headerValues returns all values of a header, whatever the case of its name:
// an event's header map need not be in canonical form.
func headerValues(h http.Header, name string) []string {
	var values []string
	for key, v := range h {
		switch {
		case !strings.EqualFold(key, name):
		case values == nil:
			values = v // nearly always the only ones
		default:
			values = slices.Concat(values, v)
		}
	}
	return values
}
