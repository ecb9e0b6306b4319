package osscallback

import (
	"context"
	"crypto/rsa"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"ossupload/shared/fetchonce"
	"ossupload/shared/trace"
)

const (
	fetchTimeout   = time.Second
	maxKeyDocument = 16 << 10

	// failureMemory is how long a failed fetch is remembered. OSS waits five seconds
	// for an answer, so a key server that is down costs one callback the
	// timeout and the others nothing.
	failureMemory = 5 * time.Second
)

// publishedKeyURLs are the URLs under which OSS names its public key.
func publishedKeyURLs() []string {
	return []string{
		"http://gosspublic.alicdn.com/callback_pub_key_v1.pem",
		"https://gosspublic.alicdn.com/callback_pub_key_v1.pem",
	}
}

// publishedKey is the document at those URLs. It has never changed. Because it is
// built in, a cold start need not fetch it, and nobody need trust plain http.
const publishedKey = `-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKs/JBGzwUB2aVht4crBx3oIPBLNsjGs
C0fTXv+nvlmklvkcolvpvXLTjaxUHR3W9LXxQ2EHXAJfCB+6H2YF1k8CAwEAAQ==
-----END PUBLIC KEY-----
`

// keyStore has the public keys by allowed URL. A key is never fetched again: OSS
// gives a new key a new URL.
type keyStore struct {
	client  *http.Client
	log     *slog.Logger
	builtIn map[string]*rsa.PublicKey
	fetched map[string]*fetchonce.Value[*rsa.PublicKey] // all others
}

func newKeyStore(cfg Config) (*keyStore, error) {
	s := &keyStore{
		log:     cfg.Log,
		builtIn: make(map[string]*rsa.PublicKey),
		fetched: make(map[string]*fetchonce.Value[*rsa.PublicKey]),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}

	// A copy, because the limits hold for a caller's client too.
	client := http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	if cfg.Client != nil {
		client = *cfg.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.client = &client

	key, err := parseKey([]byte(publishedKey))
	if err != nil {
		return nil, fmt.Errorf("reading built-in key: %w", err)
	}
	for _, keyURL := range publishedKeyURLs() {
		s.builtIn[keyURL] = key
	}
	for _, keyURL := range cfg.KeyURLs {
		if s.builtIn[keyURL] != nil {
			continue
		}
		s.fetched[keyURL] = fetchonce.New(fetchonce.Config[*rsa.PublicKey]{
			Fetch:   func(ctx context.Context) (*rsa.PublicKey, error) { return s.fetch(ctx, keyURL) },
			Timeout: fetchTimeout,
			Now:     cfg.Now,
			Report:  func(ctx context.Context, known fetchonce.State[*rsa.PublicKey]) { s.report(ctx, keyURL, known) },
		})
	}
	return s, nil
}

// get returns the key at an allowed URL. The error wraps ErrKeyFetch.
func (s *keyStore) get(ctx context.Context, keyURL string) (*rsa.PublicKey, error) {
	if key := s.builtIn[keyURL]; key != nil {
		return key, nil
	}
	known, err := s.fetched[keyURL].Get(ctx, func(known fetchonce.State[*rsa.PublicKey]) bool {
		return known.Value != nil || known.FailedWithin(failureMemory)
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: waiting for %q: %w", ErrKeyFetch, keyURL, err)
	case known.Value == nil:
		return nil, fmt.Errorf("%w: fetching %q: %w", ErrKeyFetch, keyURL, known.Err)
	}
	return known.Value, nil
}

// report logs how a fetch ended.
func (s *keyStore) report(ctx context.Context, keyURL string, known fetchonce.State[*rsa.PublicKey]) {
	if known.Err != nil {
		s.log.WarnContext(ctx, "public key not fetched", "url", keyURL, "err", known.Err)
		return
	}
	s.log.InfoContext(ctx, "public key fetched", "url", keyURL, "bits", known.Value.N.BitLen())
}

func (s *keyStore) fetch(ctx context.Context, keyURL string) (*rsa.PublicKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, keyURL, nil)
	if err != nil {
		return nil, fmt.Errorf("building request: %w", err)
	}
	defer trace.From(ctx).Begin(trace.Keys)()
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("sending request: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status is %d", resp.StatusCode)
	}
	document, err := io.ReadAll(io.LimitReader(resp.Body, maxKeyDocument+1))
	if err != nil {
		return nil, fmt.Errorf("reading document: %w", err)
	}
	if len(document) > maxKeyDocument {
		return nil, fmt.Errorf("document is longer than %d bytes", maxKeyDocument)
	}
	return parseKey(document)
}
