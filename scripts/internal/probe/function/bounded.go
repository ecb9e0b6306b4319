package function

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

var errCalls = errors.New("the budget of calls is spent")

// bounded is a transport for so many calls, with short answers.
type bounded struct {
	base http.RoundTripper

	mu    sync.Mutex
	calls int // that may still be made
	made  int
	bytes int64
}

func (b *bounded) sum() (calls int, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.made, b.bytes
}

func (b *bounded) take(request int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.calls == 0 {
		return errCalls
	}
	b.calls--
	b.made++
	b.bytes += max(request, 0)
	return nil
}

func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := b.take(r.ContentLength); err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	// A transport that sends a request again by itself would not count it.
	r = r.Clone(r.Context())
	r.GetBody = nil
	response, err := b.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	response.Body = &counted{response.Body, b, maxAnswer}
	return response, nil
}

// counted is the body of an answer, which may have so many more bytes.
type counted struct {
	io.ReadCloser
	by   *bounded
	left int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.by.mu.Lock()
	c.by.bytes += int64(n)
	c.by.mu.Unlock()
	if c.left -= int64(n); c.left < 0 {
		return 0, errors.New("the answer is too long")
	}
	return n, err
}
