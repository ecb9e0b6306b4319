package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// client speaks to the functions as the caller, and to storage with the URLs
// that it got from them. It is safe for concurrent use.
type client struct {
	endpoint string // base URL without a slash at its end
	token    string // of the caller; empty: none is sent
	http     *http.Client
	timeout  time.Duration // of a call, without the time that its bytes take
	parallel int           // how many bodies are on their way at once
	retry    retry
	now      func() time.Time
}

const (
	functions = "the endpoint"
	storage   = "storage"
)

// newTransport keeps a connection for every part that is on its way. Nothing
// is decompressed: answers are small, and what was signed should be what is
// sent.
func newTransport(parallel int) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = parallel + 1
	t.DisableCompression = true
	t.WriteBufferSize = 64 << 10
	return t
}

// newHTTPClient follows no redirect: the token and the bytes go where the user
// and the functions said.
func newHTTPClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// deadline is how long try number may take with so many bytes: the timeout,
// and a second for each 100 KB, since all that is on its way shares one line.
// Later tries get more, for lines that are slower still.
func (c *client) deadline(number int, size int64) time.Duration {
	const bytesPerMillisecond = 100
	sending := time.Duration(size*int64(c.parallel)/bytesPerMillisecond) * time.Millisecond
	return time.Duration(number) * (c.timeout + sending)
}

// call asks a function and reads the JSON of its answer into out. It is for
// calls that may be repeated: a lost answer is asked for again.
func (c *client) call(ctx context.Context, what, method, path string, in, out any) error {
	err := c.retry.do(ctx, what, func(number int) error {
		return c.ask(ctx, number, method, path, in, out)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// ask is one try of call.
func (c *client) ask(ctx context.Context, number int, method, path string, in, out any) error {
	header := make(http.Header)
	var content io.Reader = http.NoBody
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encoding the request: %w", err)
		}
		header.Set("Content-Type", "application/json")
		content = bytes.NewReader(text)
	}
	if c.token != "" {
		header.Set("Authorization", "Bearer "+c.token)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.endpoint+path, content)
	if err != nil {
		return errors.New("the endpoint is no URL")
	}
	req.Header = header
	a, err := c.do(req, functions, c.deadline(number, 0))
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return a.refusal(functions, c.now())
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return fmt.Errorf("reading the answer of %s: it is not the JSON that was expected; is it ossupload's?", functions)
	}
	return nil
}

// send puts a body to a signed URL with exactly these headers. Without b the
// body is empty. Any status is an answer.
func (c *client) send(ctx context.Context, number int, signed string, headers map[string]string, b *body, size int64) (answer, error) {
	var content io.Reader = http.NoBody
	if b != nil {
		content = io.NopCloser(b)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, signed, content)
	if err != nil {
		return answer{}, errors.New("the signed URL is none") // err repeats it
	}
	req.ContentLength = size
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	return c.do(req, storage, c.deadline(number, size))
}

// do makes one request within d. Its errors are *lostAnswer, or the end of the
// request's own context.
func (c *client) do(req *http.Request, from string, d time.Duration) (answer, error) {
	parent := req.Context()
	ctx, cancel := context.WithTimeout(parent, d)
	defer cancel()
	req.Header.Set("User-Agent", "ossupload")
	res, err := c.http.Do(req.WithContext(ctx))
	var a answer
	if err == nil {
		a, err = readAnswer(res)
	}
	switch {
	case err == nil:
		return a, nil
	case parent.Err() != nil:
		return answer{}, context.Cause(parent)
	}
	return answer{}, lost(from, err)
}
