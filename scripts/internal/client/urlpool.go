package client

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	// urlBatch is how many URLs are asked for at once: few calls, and few URLs
	// that expire before their turn comes on a slow line.
	urlBatch = 64
	// urlMargin is how long before its end a URL is not used any more.
	urlMargin = 30 * time.Second
)

// URLPool gives out signed URLs of the parts of an upload, which it asks for in
// batches. It is safe for concurrent use.
type URLPool struct {
	client   *Client
	uploadID string
	numbers  []int // the parts to be sent, ascending

	mu    sync.Mutex
	known map[int]signedPart
}

type signedPart struct {
	url string
	end time.Time
}

// NewURLPool is for the parts with these numbers, which ascend.
func NewURLPool(c *Client, uploadID string, numbers []int) *URLPool {
	return &URLPool{client: c, uploadID: uploadID, numbers: numbers, known: make(map[int]signedPart)}
}

// Get is a PartSigner. The URLs of a part's batch are asked for with it;
// batches do not overlap, whichever of its parts is asked for first.
func (p *URLPool) Get(ctx context.Context, number int, another bool) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u, ok := p.known[number]; ok && !another && p.client.now().Before(u.end) {
		return u.url, nil
	}
	batch := []int{number}
	if at, found := slices.BinarySearch(p.numbers, number); found && !another {
		from := at / urlBatch * urlBatch
		batch = p.numbers[from:min(from+urlBatch, len(p.numbers))]
	}
	return p.ask(ctx, number, batch)
}

// ask asks for the URLs of parts and returns that of part number.
func (p *URLPool) ask(ctx context.Context, number int, batch []int) (string, error) {
	signed, err := p.client.PartURLs(ctx, p.uploadID, batch)
	if err != nil {
		return "", err
	}
	// This machine's clock may be wrong. If it is fast, URLs would seem to have
	// expired always; they are then used for a minute. If it is slow, storage
	// refuses the URL, and the part gets another.
	now := p.client.now()
	end := now.Add(max(time.Minute, signed.ExpiresAt.Sub(now)-urlMargin))
	for n, u := range signed.URLs {
		p.known[n] = signedPart{u, end}
	}
	if u := signed.URLs[number]; u != "" {
		return u, nil
	}
	return "", errors.New("asking for the URLs of parts: one is missing")
}
