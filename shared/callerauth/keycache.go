package callerauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"ossupload/shared/fetchonce"
	"ossupload/shared/trace"
)

const (
	fetchTimeout    = 2 * time.Second
	maxKeyDocument  = 256 << 10 // bytes
	maxAnswerHeader = 64 << 10  // bytes

	// Keys are fresh for as long as the answer's max-age says, within bounds.
	defaultFresh = 10 * time.Minute
	minFresh     = time.Minute
	maxFresh     = time.Hour

	// staleLimit is how long after their fetch keys are trusted while the issuer
	// cannot be reached. A key that it withdraws in that time is trusted too:
	// otherwise its outage would be ours.
	staleLimit = 24 * time.Hour

	// failureMemory is how long a failed fetch is remembered, so that an issuer
	// that is down costs one request the timeout and the others nothing.
	failureMemory = 10 * time.Second

	// unknownPause is the least time between two fetches caused by tokens with an
	// unknown kid. Anybody can write such tokens.
	unknownPause = time.Minute
)

// keyCache has the keys of one issuer. They are renewed by the request that finds
// them old, because nothing runs while an instance is frozen between requests.
type keyCache struct {
	client  *http.Client
	url     string
	name    string // the URL in logs and errors, without its query
	log     *slog.Logger
	keys    *fetchonce.Value[published]
	unknown time.Time // when an unknown kid last caused a fetch; only enough uses it
}

// published is what an issuer said, and how long that is fresh.
type published struct {
	set   *keySet
	fresh time.Duration
}

// find returns the set to look a kid up in (nil: the token has none). The error
// matches ErrKeys.
func (c *keyCache) find(ctx context.Context, id *string) (*keySet, error) {
	known, err := c.keys.Get(ctx, func(known fetchonce.State[published]) bool { return c.enough(known, id) })
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: waiting for %q: %w", ErrKeys, c.name, err)
	case known.Err != nil && !known.FetchedWithin(staleLimit):
		return nil, fmt.Errorf("%w: fetching %q: %w", ErrKeys, c.name, known.Err)
	}
	return known.Value.set, nil
}

// enough reports whether a token with this kid can be judged by what is known.
func (c *keyCache) enough(known fetchonce.State[published], id *string) bool {
	switch {
	case known.FailedWithin(failureMemory):
		return true
	case !known.FetchedWithin(known.Value.fresh):
		return false
	case id == nil || known.Value.set.knows(*id):
		return true
	// The issuer may have a new key.
	case known.UnderWay:
		return false
	case fetchonce.Within(known.Now, c.unknown, unknownPause):
		return true
	}
	c.unknown = known.Now
	return false
}

// report logs how a fetch ended.
func (c *keyCache) report(ctx context.Context, known fetchonce.State[published]) {
	if known.Err != nil {
		c.log.WarnContext(ctx, "signing keys not fetched", "url", c.name, "err", known.Err, "usingOld", known.FetchedWithin(staleLimit))
		return
	}
	set, level := known.Value.set, slog.LevelInfo
	if len(set.keys) == 0 {
		level = slog.LevelWarn
	}
	c.log.Log(ctx, level, "signing keys fetched", "url", c.name, "usable", len(set.keys), "unused", set.unused)
}

// fetch returns what the issuer publishes now, and for how long that is fresh.
func (c *keyCache) fetch(ctx context.Context) (published, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return published{}, errors.New("building request")
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	defer trace.From(ctx).Begin(trace.Keys)()
	resp, err := c.client.Do(req)
	if err != nil {
		// The client's own error repeats the URL, query included.
		if outer, ok := errors.AsType[*url.Error](err); ok {
			err = outer.Err
		}
		return published{}, fmt.Errorf("sending request: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return published{}, fmt.Errorf("status is %d", resp.StatusCode)
	}
	document, err := io.ReadAll(io.LimitReader(resp.Body, maxKeyDocument+1))
	if err != nil {
		return published{}, fmt.Errorf("reading key set: %w", err)
	}
	if len(document) > maxKeyDocument {
		return published{}, fmt.Errorf("key set is longer than %d bytes", maxKeyDocument)
	}
	set, err := parseKeySet(document)
	return published{set, freshness(resp.Header)}, err
}

// freshness reads max-age (RFC 9111, 5.2.2.1), within our bounds.
func freshness(h http.Header) time.Duration {
	for _, line := range h.Values("Cache-Control") {
		for directive := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			if !strings.EqualFold(name, "max-age") {
				continue
			}
			// A number beyond 31 bits comes back as the greatest of them.
			seconds, err := strconv.ParseUint(value, 10, 31)
			if err == nil || errors.Is(err, strconv.ErrRange) {
				return min(max(time.Duration(seconds)*time.Second, minFresh), maxFresh)
			}
		}
	}
	return defaultFresh
}
