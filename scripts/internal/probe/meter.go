package probe

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

var (
	errCalls = errors.New("the budget of calls is spent")
	errBytes = errors.New("the budget of bytes is spent")
)

// budget is what may still be spent. It is safe for concurrent use.
type budget struct {
	mu           sync.Mutex
	calls        int
	bytes        int64
	ofProbe      int // calls that the probe at work may still make
	spentCalls   int
	spentBytes   int64
	probeLimited bool
}

// begin lets the next probe make so many calls.
func (b *budget) begin(calls int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ofProbe, b.probeLimited = calls, true
}

func (b *budget) spent() (calls int, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.spentCalls, b.spentBytes
}

func (b *budget) takeCall() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spentCalls >= b.calls || b.probeLimited && b.ofProbe <= 0 {
		return errCalls
	}
	b.spentCalls++
	b.ofProbe--
	return nil
}

// takeBytes fails once more than the budget was moved.
func (b *budget) takeBytes(n int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spentBytes += int64(n)
	if b.spentBytes > b.bytes {
		return errBytes
	}
	return nil
}

// meter is a transport that spends a budget: a call that would go over it is not
// made, and a body that goes over it is cut.
type meter struct {
	base   http.RoundTripper
	budget *budget
}

func (m meter) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := m.budget.takeCall(); err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	if r.Body != nil && r.Body != http.NoBody {
		r = r.Clone(r.Context())
		r.Body = &meteredBody{r.Body, m.budget}
		// A transport that sends a request again must not pass the meter by.
		r.GetBody = nil
	}
	response, err := m.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	response.Body = &meteredBody{response.Body, m.budget}
	return response, nil
}

type meteredBody struct {
	io.ReadCloser
	budget *budget
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if over := b.budget.takeBytes(n); over != nil {
		return 0, over
	}
	return n, err
}
