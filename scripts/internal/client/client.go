// Package client is a client of the HTTP contract: the routes of the functions,
// with their requests and answers, and what storage is sent with the URLs that
// they give out. Programs and tests under scripts use it; an application copies
// one of scripts/clients instead.
//
// It works at three levels. Do, Ask and Send make one request and return the
// answer as it is, whatever its status. Call and the method of each route decode
// the answer, turn a refusal into an error and try again as Retry says. Put,
// SendPut, SendForm and SendPart move bytes, and bring an upload that is stored
// without a receipt to its receipt.
//
// # What is tried again
//
// Every request of the contract may be repeated. A second grant or multipart
// upload binds nobody to the first; storage refuses to overwrite an object, and
// that refusal tells that the first try succeeded; a part replaces itself;
// completing, confirming and aborting answer the same each time. So a lost
// answer is a reason to ask again. So are the statuses 408, 429 and 5xx, the
// code RequestTimeout by which OSS says that a body stopped coming, and a part
// that arrived damaged. Any other refusal is final, as are a certificate that
// does not verify, a source that cannot be read and the end of the context.
//
// # Secrets
//
// No error and no failed try that is reported holds a token or a signed URL.
package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"
)

// Client speaks to the functions as one caller, and to storage with the URLs
// that they give out. Endpoint and HTTP are required. It is safe for concurrent
// use as long as nobody changes it; a copy may be changed.
type Client struct {
	Endpoint string // base URL without a slash at its end
	Token    string // of the caller; empty: none is sent
	HTTP     *http.Client

	// TokenHeader is the header that functions read tokens from, for gateways that
	// take Authorization for themselves; empty: Authorization.
	TokenHeader string

	// Timeout bounds one request, without the time that its bytes take; 0 does
	// not bound it.
	Timeout time.Duration
	// Parallel is how many bodies are on their way at once, and share the line;
	// 0 counts as 1.
	Parallel int

	Retry Retry // the zero value tries once
	Now   func() time.Time
}

// Who answered, in errors.
const (
	Functions = "the endpoint"
	Storage   = "storage"
)

// NewTransport keeps a connection for every body that is on its way. Nothing is
// decompressed: answers are small, and what was signed should be what is sent.
func NewTransport(parallel int) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = parallel + 1
	t.DisableCompression = true
	t.WriteBufferSize = 64 << 10
	return t
}

// NewHTTP follows no redirect: the token and the bytes go where the user and the
// functions said.
func NewHTTP(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Once returns a client that tries everything once.
func (c *Client) Once() *Client {
	once := *c
	once.Retry.Tries = 1
	return &once
}

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// Do makes one request and reads all of its answer, whatever the status. Its
// errors are *LostAnswer and the cause by which the request's context ended.
func (c *Client) Do(req *http.Request) (Answer, error) {
	from := Storage
	if strings.HasPrefix(req.URL.String(), c.Endpoint+"/") {
		from = Functions
	}
	return c.do(req, from, c.deadline(1, max(0, req.ContentLength)))
}

// Ask asks a function once, as the caller. in is sent as it is if it is a
// []byte, and otherwise as JSON; nil sends nothing. Entries of header replace
// what Ask sets by itself, and one without values removes it.
func (c *Client) Ask(ctx context.Context, method, path string, header http.Header, in any) (Answer, error) {
	return c.ask(ctx, 1, method, path, header, in)
}

func (c *Client) ask(ctx context.Context, number int, method, path string, header http.Header, in any) (Answer, error) {
	var content io.Reader = http.NoBody
	contentType := ""
	switch in := in.(type) {
	case nil:
	case []byte:
		content = bytes.NewReader(in)
	default:
		text, err := json.Marshal(in)
		if err != nil {
			return Answer{}, fmt.Errorf("encoding the request: %w", err)
		}
		content, contentType = bytes.NewReader(text), "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Endpoint+path, content)
	if err != nil {
		return Answer{}, errors.New("the method or the URL of the endpoint is not valid") // err repeats it
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	maps.Copy(req.Header, header)
	return c.do(req, Functions, c.deadline(number, 0))
}

// Call asks a function until it answers 200, as Retry says, and reads the JSON
// of the answer into out unless that is nil. what says in errors what was being
// done: "confirming the upload".
func (c *Client) Call(ctx context.Context, what, method, path string, in, out any) error {
	err := c.Retry.Do(ctx, what, func(number int) error {
		a, err := c.ask(ctx, number, method, path, nil, in)
		if err != nil {
			return err
		}
		return a.Into(out)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Send sends a source to a signed URL once, with exactly these headers. Any
// status is an answer.
func (c *Client) Send(ctx context.Context, method, signed string, headers map[string]string, source Source) (Answer, error) {
	s, err := c.send(ctx, 1, method, signed, headers, source)
	return s.Answer, err
}

// sent is one try to send a source, and its answer.
type sent struct {
	Answer
	*body
}

func (c *Client) send(ctx context.Context, number int, method, signed string, headers map[string]string, source Source) (sent, error) {
	b, err := source.begin()
	if err != nil {
		return sent{body: b}, err
	}
	var content io.Reader = http.NoBody
	if source.Size > 0 {
		content = io.NopCloser(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, signed, content)
	if err != nil {
		return sent{body: b}, errors.New("the signed URL or its method is not valid") // err repeats it
	}
	req.ContentLength = source.Size
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	a, err := c.do(req, Storage, c.deadline(number, source.Size))
	if readErr := b.settle(); readErr != nil {
		a, err = Answer{}, readErr
	}
	if err != nil || a.Status/100 != 2 {
		b.takeBack()
	}
	return sent{a, b}, err
}

// deadline is how long try number may take with so many bytes: the timeout,
// and a second for each 100 KB, since all that is on its way shares one line.
// Later tries get more, for lines that are slower still.
func (c *Client) deadline(number int, size int64) time.Duration {
	if c.Timeout == 0 {
		return 0
	}
	const bytesPerMillisecond = 100
	sending := time.Duration(size*int64(max(1, c.Parallel))/bytesPerMillisecond) * time.Millisecond
	return time.Duration(number) * (c.Timeout + sending)
}

// do makes one request within d, unless that is 0.
func (c *Client) do(req *http.Request, from string, d time.Duration) (Answer, error) {
	parent := req.Context()
	if d > 0 {
		ctx, cancel := context.WithTimeout(parent, d)
		defer cancel()
		req = req.WithContext(ctx)
	}
	if from == Functions && c.TokenHeader != "" && strings.HasPrefix(req.Header.Get("Authorization"), "Bearer ") {
		req.Header[http.CanonicalHeaderKey(c.TokenHeader)] = req.Header.Values("Authorization")
		req.Header.Del("Authorization")
	}
	req.Header.Set("User-Agent", cmp.Or(req.Header.Get("User-Agent"), "ossupload"))
	res, err := c.HTTP.Do(req)
	var a Answer
	if err == nil {
		a, err = readAnswer(res)
	}
	switch {
	case err == nil:
		a.from, a.at = from, c.now()
		return a, nil
	case parent.Err() != nil:
		return Answer{}, context.Cause(parent)
	}
	return Answer{}, lost(from, err)
}
