package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/client/clienttest"
)

// echo answers every request with what it was, as status 202.
func echo(t *testing.T) *Client {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(202)
		io.WriteString(w, r.Method+" "+r.URL.Path+"\n")
		r.Header.Write(w)
		io.Copy(w, r.Body)
	}))
	t.Cleanup(server.Close)
	return &Client{Endpoint: server.URL, Token: "tok", HTTP: server.Client()}
}

func TestAskSendsWhatTheCallerChooses(t *testing.T) {
	c := echo(t)
	tests := []struct {
		name      string
		header    http.Header
		in        any
		has, lack string
	}{
		{"JSON", nil, map[string]int{"a": 1}, "Content-Type: application/json\r\n|{\"a\":1}|Authorization: Bearer tok\r\n", ""},
		{"nothing", nil, nil, "GET /x\n|Authorization: Bearer tok\r\n", "Content-Type"},
		{"bytes as they are", nil, []byte("{no"), "{no", "Content-Type"},
		{"another type", http.Header{"Content-Type": {"text/plain"}}, 1, "Content-Type: text/plain\r\n", "json"},
		{"another caller", http.Header{"Authorization": {"Bearer x"}}, nil, "Authorization: Bearer x\r\n", "tok"},
		{"no caller", http.Header{"Authorization": nil}, nil, "", "Authorization"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := c.Ask(t.Context(), "GET", "/x", tt.header, tt.in)
			if err != nil || a.Status != 202 || tt.lack != "" && strings.Contains(string(a.Body), tt.lack) {
				t.Errorf("Ask = %s, %v, want 202 without %q", a.Body, err, tt.lack)
			}
			for want := range strings.SplitSeq(tt.has, "|") {
				if !strings.Contains(string(a.Body), want) {
					t.Errorf("it sent\n%s, want %q in it", a.Body, want)
				}
			}
		})
	}
}

// Do leaves everything to the caller: a body without a length, too.
func TestDo(t *testing.T) {
	c := echo(t)
	req, err := http.NewRequestWithContext(t.Context(), "PATCH", c.Endpoint+"/y", struct{ io.Reader }{strings.NewReader("body")})
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.Do(req)
	if err != nil || !strings.HasPrefix(string(a.Body), "PATCH /y\n") || !strings.HasSuffix(string(a.Body), "body") || strings.Contains(string(a.Body), "Authorization") {
		t.Errorf("Do = %s, %v, want the request as it was made", a.Body, err)
	}
}

func TestAnswerTellsItsProblem(t *testing.T) {
	function := Answer{Status: 422, Body: []byte(`{"code":"parts_mismatch","message":"m\n","requestId":"r","error":"m\n","details":[{"partNumber":2}]}`)}
	if p := function.Problem(); p.Code != "parts_mismatch" || p.Message != "m\n" || p.Error != "m\n" || p.RequestID != "r" || string(p.Details) != `[{"partNumber":2}]` {
		t.Errorf("Problem = %+v, want it as it was sent", p)
	}
	const document = `<Error><Code>NoSuchKey</Code><Message>m</Message><RequestId>r</RequestId></Error>`
	want := Problem{Code: "NoSuchKey", Message: "m", RequestID: "r"}
	inHeader := http.Header{}
	inHeader.Set("x-oss-err", base64.StdEncoding.EncodeToString([]byte(document)))
	for name, a := range map[string]Answer{"in the body": {Status: 404, Body: []byte(document)}, "in the header": {Status: 404, Header: inHeader}} {
		if p := a.Problem(); p.Code != want.Code || p.Message != want.Message || p.RequestID != want.RequestID || a.String() != "404 NoSuchKey" {
			t.Errorf("%s: Problem = %+v, %v, want %+v", name, p, a, want)
		}
	}
	for _, body := range []string{"", "<html>", "[1]", "{", "null"} {
		if p := (Answer{Status: 502, Body: []byte(body)}).Problem(); p.Code != "" || p.Message != "" {
			t.Errorf("Problem of %q = %+v, want nothing", body, p)
		}
	}
	if err := function.Into(nil); !IsStatus(err, 400, 422) || IsStatus(err, 400) || !IsCode(err, "parts_mismatch") || IsCode(err, "") {
		t.Errorf("Into = %v, want the refusal", err)
	}
}

// Errors of net/http have the URL, which is a secret.
func TestErrorsHaveNoURL(t *testing.T) {
	const nobody = "http://127.0.0.1:1" // a port that was free a moment ago may be another test's by now
	c := &Client{Endpoint: nobody, HTTP: http.DefaultClient}
	signed := nobody + "/?x-oss-signature=" + clienttest.Signature
	_, err := c.Send(t.Context(), "PUT", signed, nil, Source{})
	if _, ok := errors.AsType[*LostAnswer](err); !ok {
		t.Errorf("Send = %v, want a lost answer", err)
	}
	_, malformed := c.Send(t.Context(), "PUT", signed+"\x00", nil, Source{})
	_, path := c.Ask(t.Context(), "GET", "/%zz"+clienttest.Upload, nil, nil)
	for _, err := range []error{err, malformed, path} {
		if wantNoSecret(t, err); err == nil {
			t.Error("error = nil, want one")
		}
	}
}

func TestSilenceIsATimeout(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	c := &Client{Endpoint: server.URL, HTTP: server.Client(), Timeout: 50 * time.Millisecond}
	if _, err := c.Ask(t.Context(), "GET", "/", nil, nil); !errors.Is(err, ErrTimeout) || !transient(err) {
		t.Errorf("Ask = %v, want %v, and another try", err, ErrTimeout)
	}
	interrupted := errors.New("interrupted")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, interrupted)
	defer cancel()
	c.Timeout = time.Hour
	if _, err := c.Ask(ctx, "GET", "/", nil, nil); !errors.Is(err, interrupted) || transient(err) {
		t.Errorf("Ask = %v, want %v, and no other try", err, interrupted)
	}
}

func TestDeadlineFitsTheSize(t *testing.T) {
	c := &Client{Timeout: 30 * time.Second, Parallel: 4}
	const largest = 5 << 30 // of one PUT
	for _, tt := range []struct {
		try  int
		size int64
		want time.Duration
	}{{1, 0, 30 * time.Second}, {1, 100_000, 34 * time.Second}, {2, 100_000, 68 * time.Second}, {6, largest, 6 * (30*time.Second + 214_748_364*time.Millisecond)}} {
		if got := c.deadline(tt.try, tt.size); got != tt.want || got < 0 {
			t.Errorf("deadline(%d, %d) = %v, want %v", tt.try, tt.size, got, tt.want)
		}
	}
	if got := (&Client{Timeout: time.Second}).deadline(1, 100_000); got != 2*time.Second {
		t.Errorf("deadline of a client of one body at a time = %v, want 2s", got)
	}
	if got := (&Client{}).deadline(3, largest); got != 0 {
		t.Errorf("deadline without a timeout = %v, want none", got)
	}
}

// The smaller routes, each once.
func TestRoutes(t *testing.T) {
	d := clienttest.New(t, map[string][]step{"get": {{Status: 500}}})
	c, _ := newClient(t, d)
	ctx := t.Context()
	b := content(1000)
	if _, err := put(t, c, b); err != nil {
		t.Fatal(err)
	}
	if r, err := c.ConfirmKey(ctx, "put1"); err != nil || r.Key != "put1" {
		t.Errorf("ConfirmKey = %+v, %v", r, err)
	}
	if _, err := c.ConfirmKey(ctx, "other"); !IsCode(err, "not_found") {
		t.Errorf("ConfirmKey(other) = %v, want not_found", err)
	}
	u, err := c.Download(ctx, DownloadRequest{Key: "put1"})
	if err != nil || u.Expires != 900 || u.ExpiresAt.IsZero() {
		t.Errorf("Download = %+v, %v", u, err)
	}
	if got, err := c.Fetch(ctx, u); err != nil || !bytes.Equal(got, b) {
		t.Errorf("Fetch = %d bytes, %v, want those that were sent", len(got), err)
	}
	if s, err := c.STS(ctx, "album/"); err != nil || s.Prefix != "uploads/_sts/demo/album/" || s.Expiration.IsZero() {
		t.Errorf("STS = %+v, %v", s, err)
	}
	if s, err := c.Session(ctx, 60); err != nil || s.Endpoint != d.URL+"/c/60" || s.ExpiresAt.IsZero() {
		t.Errorf("Session = %+v, %v", s, err)
	}
	if g, err := c.Params(ctx, "a b.png", "image/png", map[string]string{"camera": "x"}); err != nil || g.Fields["name"] != "a b.png" || g.Fields["type"] != "image/png" || g.Fields["camera"] != "x" {
		t.Errorf("Params = %+v, %v", g, err)
	}
	d.SetSteps(map[string][]step{"sts": {{Status: 500}}})
	if _, err := c.Once().STS(ctx, ""); !IsStatus(err, 500) || d.Count("sts") != 2 {
		t.Errorf("Once().STS = %v after %d calls, want the refusal of the first", err, d.Count("sts")-1)
	}
}
