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
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	fetchTimeout    = 2 * time.Second
	maxKeyDocument  = 256 << 10 // bytes
	maxAnswerHeader = 64 << 10  // bytes

	// Keys are fresh for as long as the answer's max-age says, within bounds.
	defaultFresh = 10 * time.Minute
	minFresh     = time.Minute
	maxFresh     = time.Hour

	// staleLimit is how long after their fetch keys are believed while the
	// issuer cannot be asked. A key that it withdraws in that time is believed
	// too: that is the price of not failing with it.
	staleLimit = 24 * time.Hour

	// failureMemory is how long a failed fetch stands, so that an issuer that is
	// down costs one request the timeout and the others nothing.
	failureMemory = 10 * time.Second

	// unknownPause is between two fetches that tokens with an unknown kid cause.
	// Anybody can write such tokens.
	unknownPause = time.Minute
)

// keyCache has the keys of one issuer. Nothing runs between requests, because an
// instance is frozen then: keys are renewed by the request that finds them old,
// and others that find the same wait for its fetch.
type keyCache struct {
	client *http.Client
	url    string
	name   string // the URL as logs and errors have it, without its query
	now    func() time.Time
	log    *slog.Logger
	flight singleflight.Group

	mu      sync.Mutex
	set     *keySet // nil: none was ever had
	fetched time.Time
	fresh   time.Duration // after fetched
	failed  time.Time     // of the last fetch; zero: it succeeded
	err     error         // of that failure; matches ErrKeys
	unknown time.Time     // when an unknown kid last caused a fetch
}

// find returns the set to look a kid up in (nil: the token has none). If the
// kid is unknown, the issuer may have a new key, and is asked once more if it
// was not asked for this very request already.
func (c *keyCache) find(ctx context.Context, id *string) (*keySet, error) {
	before := c.last()
	set, err := c.get(ctx, nil)
	if err != nil || id == nil || set.knows(*id) || set != before {
		return set, err
	}
	return c.get(ctx, set)
}

func (c *keyCache) last() *keySet {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.set
}

// get returns a set that is good now, from memory or by one fetch for all who
// wait for it. If another than lacking (nil: any) cannot be had, it returns
// lacking. The error matches ErrKeys.
func (c *keyCache) get(ctx context.Context, lacking *keySet) (*keySet, error) {
	if set, err := c.recall(lacking); set != nil || err != nil {
		return set, err
	}
	result := c.flight.DoChan("", func() (any, error) {
		// A fetch may have ended between the look above and this one.
		if set, err := c.recall(lacking); set != nil || err != nil {
			return set, err
		}
		return c.renew(ctx, lacking != nil)
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*keySet), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: waiting for %q: %w", ErrKeys, c.name, context.Cause(ctx))
	}
}

// recall returns what is known: a set, a recent failure, or neither if a fetch
// is due.
func (c *keyCache) recall(lacking *keySet) (*keySet, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock()
	switch {
	case c.set != nil && c.set != lacking && within(now, c.fetched, c.fresh):
		return c.set, nil
	case !c.failed.IsZero() && within(now, c.failed, failureMemory):
		return c.fallback(now)
	case lacking != nil && c.set == lacking && within(now, c.unknown, unknownPause):
		return c.set, nil
	}
	return nil, nil
}

// renew fetches the set and remembers how that went, and whether it was for an
// unknown kid.
func (c *keyCache) renew(ctx context.Context, unknown bool) (*keySet, error) {
	asked := c.clock()
	// The fetch is for everybody who waits, so it outlives the one who happened
	// to start it; its own deadline ends it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	set, fresh, err := c.fetch(ctx)

	c.mu.Lock()
	defer c.mu.Unlock()
	// Not before, or requests for the new key would find the old set and the
	// pause, instead of this fetch.
	if unknown {
		c.unknown = asked
	}
	now := c.clock()
	if err != nil {
		c.failed, c.err = now, fmt.Errorf("%w: fetching %q: %w", ErrKeys, c.name, err)
		old, fallbackErr := c.fallback(now)
		c.log.Warn("signing keys not fetched", "url", c.name, "error", err.Error(), "usingOld", old != nil)
		return old, fallbackErr
	}
	c.set, c.fetched, c.fresh, c.failed, c.err = set, asked, fresh, time.Time{}, nil
	level := slog.LevelInfo
	if len(set.keys) == 0 {
		level = slog.LevelWarn
	}
	c.log.Log(ctx, level, "signing keys fetched", "url", c.name, "usable", len(set.keys), "unused", set.unused)
	return set, nil
}

// fallback is what there is after a failure.
func (c *keyCache) fallback(now time.Time) (*keySet, error) {
	if c.set != nil && within(now, c.fetched, staleLimit) {
		return c.set, nil
	}
	return nil, c.err
}

// fetch returns what the issuer publishes now, and for how long that is fresh.
func (c *keyCache) fetch(ctx context.Context) (*keySet, time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return nil, 0, errors.New("building request")
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		// The client's own error repeats the URL, query included.
		if outer, ok := errors.AsType[*url.Error](err); ok {
			err = outer.Err
		}
		return nil, 0, fmt.Errorf("sending request: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("status is %d", resp.StatusCode)
	}
	document, err := io.ReadAll(io.LimitReader(resp.Body, maxKeyDocument+1))
	if err != nil {
		return nil, 0, fmt.Errorf("reading key set: %w", err)
	}
	if len(document) > maxKeyDocument {
		return nil, 0, fmt.Errorf("key set is longer than %d bytes", maxKeyDocument)
	}
	set, err := parseKeySet(document)
	return set, freshness(resp.Header), err
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

// clock drops the monotonic reading, which stands still while an instance is
// frozen.
func (c *keyCache) clock() time.Time { return c.now().Round(0) }

// within reports whether now is less than d after t. A clock that was set back
// makes nothing last longer: what lies ahead of it counts as over.
func within(now, t time.Time, d time.Duration) bool {
	age := now.Sub(t)
	return 0 <= age && age < d
}
