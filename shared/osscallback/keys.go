package osscallback

import (
	"context"
	"crypto/rsa"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	fetchTimeout   = time.Second
	maxKeyDocument = 16 << 10

	// failureMemory is how long a failed fetch stands. OSS waits five seconds
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

// publishedKey is the document at those URLs. It has never changed; built in, it
// spares a cold start the fetch, and keeps plain http out of the trust.
const publishedKey = `-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKs/JBGzwUB2aVht4crBx3oIPBLNsjGs
C0fTXv+nvlmklvkcolvpvXLTjaxUHR3W9LXxQ2EHXAJfCB+6H2YF1k8CAwEAAQ==
-----END PUBLIC KEY-----
`

// keyStore has the public keys by URL. A key, once had, is kept for ever: OSS
// gives a new key a new URL.
type keyStore struct {
	client *http.Client
	now    func() time.Time
	log    *slog.Logger
	flight singleflight.Group

	mu     sync.Mutex
	keys   map[string]*rsa.PublicKey
	failed map[string]failure
}

type failure struct {
	err   error
	until time.Time
}

func newKeyStore(cfg Config) (*keyStore, error) {
	s := &keyStore{
		now:    cfg.Now,
		log:    cfg.Log,
		keys:   make(map[string]*rsa.PublicKey),
		failed: make(map[string]failure),
	}
	if s.now == nil {
		s.now = time.Now
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
		s.keys[keyURL] = key
	}
	return s, nil
}

// get returns the key at an allowed URL, from memory or by one fetch for all
// who wait for it. The error wraps ErrKeyFetch.
func (s *keyStore) get(ctx context.Context, keyURL string) (*rsa.PublicKey, error) {
	if key, err := s.recall(keyURL); key != nil || err != nil {
		return key, err
	}
	result := s.flight.DoChan(keyURL, func() (any, error) {
		// A fetch may have ended between the look above and this one.
		if key, err := s.recall(keyURL); key != nil || err != nil {
			return key, err
		}
		// The fetch is for everybody who waits, so it outlives the one who
		// happened to start it; its own deadline ends it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		key, err := s.fetch(ctx, keyURL)
		if err != nil {
			err = fmt.Errorf("%w: fetching %q: %w", ErrKeyFetch, keyURL, err)
		}
		s.remember(keyURL, key, err)
		return key, err
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*rsa.PublicKey), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: waiting for %q: %w", ErrKeyFetch, keyURL, context.Cause(ctx))
	}
}

// recall returns what is known: a key, a recent failure, or neither.
func (s *keyStore) recall(keyURL string) (*rsa.PublicKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key := s.keys[keyURL]; key != nil {
		return key, nil
	}
	if f, ok := s.failed[keyURL]; ok && s.now().Before(f.until) {
		return nil, f.err
	}
	return nil, nil
}

func (s *keyStore) remember(keyURL string, key *rsa.PublicKey, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed[keyURL] = failure{err: err, until: s.now().Add(failureMemory)}
		s.log.Warn("public key not fetched", "url", keyURL, "error", err)
		return
	}
	s.keys[keyURL] = key
	delete(s.failed, keyURL)
	s.log.Info("public key fetched", "url", keyURL, "bits", key.N.BitLen())
}

func (s *keyStore) fetch(ctx context.Context, keyURL string) (*rsa.PublicKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, keyURL, nil)
	if err != nil {
		return nil, fmt.Errorf("building request: %w", err)
	}
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
