package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
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

// partURLs gives out signed URLs of parts. It is safe for concurrent use.
type partURLs struct {
	client  *client
	route   string // of the upload
	missing []int  // the parts to be sent, ascending

	mu    sync.Mutex
	known map[int]signedURL
}

type signedURL struct {
	text string
	end  time.Time
}

// get returns a URL of part number. Those of its batch are asked for with it;
// batches do not overlap, whichever of its parts is asked for first.
func (p *partURLs) get(ctx context.Context, number int) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u, ok := p.known[number]; ok && p.client.now().Before(u.end) {
		return u.text, nil
	}
	at, found := slices.BinarySearch(p.missing, number)
	if !found {
		return p.ask(ctx, number, []int{number})
	}
	from := at / urlBatch * urlBatch
	return p.ask(ctx, number, p.missing[from:min(from+urlBatch, len(p.missing))])
}

// renew returns another URL of part number.
func (p *partURLs) renew(ctx context.Context, number int) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ask(ctx, number, []int{number})
}

// ask asks for the URLs of parts and returns that of part number.
func (p *partURLs) ask(ctx context.Context, number int, numbers []int) (string, error) {
	var signed struct {
		URLs      map[string]string `json:"presignedUrls"`
		ExpiresAt time.Time         `json:"expiresAt"`
	}
	err := p.client.call(ctx, "asking for the URLs of parts", http.MethodGet, p.route+"/batch?partNumbers="+ranges(numbers), nil, &signed)
	if isGone(err) {
		return "", fmt.Errorf("%w: %v", errGone, err)
	}
	if err != nil {
		return "", err
	}
	// This machine's clock may be wrong. If it is fast, URLs would seem to have
	// expired always; they are then used for a minute. If it is slow, storage
	// refuses the URL, and the part gets another.
	now := p.client.now()
	end := now.Add(max(time.Minute, signed.ExpiresAt.Sub(now)-urlMargin))
	if p.known == nil {
		p.known = make(map[int]signedURL)
	}
	for text, u := range signed.URLs {
		if n, err := strconv.Atoi(text); err == nil {
			p.known[n] = signedURL{u, end}
		}
	}
	if u := signed.URLs[strconv.Itoa(number)]; u != "" {
		return u, nil
	}
	return "", errors.New("asking for the URLs of parts: one is missing")
}

// ranges writes ascending numbers as 1,2,5-900.
func ranges(numbers []int) string {
	var list []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		item := strconv.Itoa(numbers[i])
		if j > i {
			item += "-" + strconv.Itoa(numbers[j])
		}
		list = append(list, item)
		i = j + 1
	}
	return strings.Join(list, ",")
}
