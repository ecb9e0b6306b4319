package client

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/client/clienttest"
)

// step is what the deployment of the tests does instead of its work.
type step = clienttest.Step

// newClient is a client of a deployment that tries four times and never waits.
func newClient(t *testing.T, d *clienttest.Deployment) (*Client, *clienttest.Pauses) {
	pauses := new(clienttest.Pauses)
	transport := NewTransport(1)
	t.Cleanup(transport.CloseIdleConnections)
	return &Client{
		Endpoint: d.URL, Token: clienttest.Token, HTTP: NewHTTP(transport), Timeout: 20 * time.Second,
		Retry: Retry{Tries: 4, First: time.Second, Most: 20 * time.Second, MostAsked: 5 * time.Minute,
			Jitter: func() float64 { return 0 }, Timer: pauses.Timer},
	}, pauses
}

// content is size bytes that are not all the same.
func content(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + i>>16)
	}
	return b
}

// wantNoSecret fails the test if an error has a secret.
func wantNoSecret(t *testing.T, err error) {
	t.Helper()
	for _, secret := range []string{clienttest.Token, clienttest.Upload, clienttest.Signature} {
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the error has a secret: %v", err)
		}
	}
}

// put uploads with a declared checksum.
func put(t *testing.T, c *Client, b []byte) (Receipt, error) {
	t.Helper()
	r, err := c.Put(t.Context(), PresignRequest{Filename: "f", Checksum: &Checksum{CRC64: clienttest.CRC(b)}}, Bytes(b))
	wantNoSecret(t, err)
	return r, err
}

var drop = step{Carry: true, Drop: true} // done, and the answer is lost

func TestPut(t *testing.T) {
	tests := []struct {
		name  string
		size  int
		steps map[string][]step
		log   string // of requests
	}{
		{"at once", 1000, nil, "presign put"},
		{"no bytes", 0, nil, "presign put"},
		{"a URL after a fault", 1000, map[string][]step{"presign": {{Status: 503}}}, "presign presign put"},
		{"a fault of storage", 1000, map[string][]step{"put": {{Status: 500, Body: clienttest.OSS500}}}, "presign put put"},
		{"a connection that breaks", 1000, map[string][]step{"put": {{Drop: true}}}, "presign put put"},
		{"storage is tired of waiting", 1000, map[string][]step{"put": {{Status: 400, Body: `<Error><Code>RequestTimeout</Code></Error>`}}}, "presign put put"},
		{"the callback failed", 1000, map[string][]step{"put": {{Carry: true, Status: 203, Body: "<Error><Code>CallbackFailed</Code></Error>"}}}, "presign put confirm"},
		{"the callback and then the confirmation failed", 1000, map[string][]step{
			"put":     {{Carry: true, Status: 203}},
			"confirm": {clienttest.Code(502, "delivery_failed", ""), {Drop: true}},
		}, "presign put confirm confirm confirm"},
		{"stored, and the answer is lost", 1000, map[string][]step{"put": {drop}}, "presign put put confirm"},
		{"no bytes, and the answer is lost", 0, map[string][]step{"put": {drop}}, "presign put put confirm"},
		{"stored, and the answer is not a receipt", 1000, map[string][]step{"put": {{Carry: true, Status: 200, Body: "{}"}}}, "presign put confirm"},
		{"stored, and the receipt is another's", 1000, map[string][]step{"put": {{Carry: true, Status: 200, Body: `{"key":"put9","size":1000,"eventId":"e"}`}}},
			"presign put confirm"},
		{"the URL has expired", 1000, map[string][]step{"put": {{Status: 403, Body: clienttest.OSS403}}}, "presign put presign put"},
		{"stored, answer lost, URL expired", 1000, map[string][]step{"put": {drop, {Status: 403, Body: clienttest.OSS403}}}, "presign put put confirm"},
		{"stored, status 500, URL expired", 1000, map[string][]step{"put": {{Carry: true, Status: 500}, {Status: 403, Body: clienttest.OSS403}}}, "presign put put confirm"},
		{"not stored, answer lost, URL expired", 1000, map[string][]step{"put": {{Drop: true}, {Status: 403, Body: clienttest.OSS403}}},
			"presign put put confirm presign put"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := clienttest.New(t, tt.steps)
			c, _ := newClient(t, d)
			b := content(tt.size)
			r, err := put(t, c, b)
			if err != nil || !bytes.Equal(d.Object(), b) || r.CRC64 != clienttest.CRC(b) || r.EventID != "evt_1" {
				t.Errorf("Put = %+v, %v, want a receipt and the bytes stored", r, err)
			}
			if got := strings.Join(d.Log(), " "); got != tt.log {
				t.Errorf("requests = %s, want %s", got, tt.log)
			}
		})
	}
}

func TestPutFails(t *testing.T) {
	always := func(s step) []step { return slices.Repeat([]step{s}, 9) }
	tests := []struct {
		name  string
		steps map[string][]step
		say   string
		log   string
	}{
		{"the caller is not believed", map[string][]step{"presign": {clienttest.Code(401, "unauthenticated", "")}},
			"asking for a URL: the endpoint answered 401 unauthenticated: No. (request Q1)", "presign"},
		{"the size is refused", map[string][]step{"presign": {clienttest.Code(400, "invalid_request", `,"details":[{"field":"size","reason":"must be at most 5 bytes"}]`)}},
			`"must be at most 5 bytes"`, "presign"},
		{"something else answers", map[string][]step{"presign": {{Status: 200, Body: "<html>"}}}, "not the JSON", "presign"},
		{"the grant lacks its token", map[string][]step{"presign": {{Status: 200, Body: `{"method":"PUT","url":"http://127.0.0.1/","key":"k"}`}}}, "lacks a part of the grant", "presign"},
		{"a redirect", map[string][]step{"presign": {{Status: 301, Header: map[string]string{"Location": "/x"}}}}, "answered 301", "presign"},
		{"storage fails always", map[string][]step{"put": always(step{Status: 500, Body: clienttest.OSS500})},
			"giving up after 4 tries: storage answered 500 InternalError: We are sorry. (request R1)", "presign put put put put"},
		{"no answer comes ever", map[string][]step{"put": always(step{Drop: true})}, "no answer from storage", "presign put put put put"},
		{"new URLs are refused, too", map[string][]step{"put": always(step{Status: 403, Body: clienttest.OSS403})},
			"storage answered 403 AccessDenied: Request has expired.", "presign put presign put"},
		{"the confirmation is of other bytes", map[string][]step{"put": {{Carry: true, Status: 203}}, "confirm": {{Status: 200, Body: `{"key":"put1","size":1,"eventId":"e"}`}}},
			"the receipt says 1 bytes, but 1000 were sent", "presign put confirm"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := clienttest.New(t, tt.steps)
			c, _ := newClient(t, d)
			if _, err := put(t, c, content(1000)); err == nil || !strings.Contains(err.Error(), tt.say) {
				t.Errorf("Put = %v, want an error with %q", err, tt.say)
			}
			if got := strings.Join(d.Log(), " "); got != tt.log {
				t.Errorf("requests = %s, want %s", got, tt.log)
			}
		})
	}
}

// The object is stored, but its receipt never comes: that is a failure.
func TestPutIsConfirmedOrFails(t *testing.T) {
	d := clienttest.New(t, map[string][]step{
		"put":     {{Carry: true, Status: 203}},
		"confirm": slices.Repeat([]step{clienttest.Code(502, "delivery_failed", "")}, 9),
	})
	c, _ := newClient(t, d)
	_, err := put(t, c, content(1000))
	if !errors.Is(err, ErrUnconfirmed) || !strings.Contains(err.Error(), "confirming the upload: giving up after 4 tries") || d.Count("confirm") != 4 {
		t.Errorf("Put = %v after %d confirmations, want %v after 4", err, d.Count("confirm"), ErrUnconfirmed)
	}
}

// Whoever noted the token of a grant can confirm the upload when all else of it
// is lost.
func TestPutNotesItsGrants(t *testing.T) {
	d := clienttest.New(t, map[string][]step{"put": {{Status: 403, Body: clienttest.OSS403}, {Carry: true, Status: 203}},
		"confirm": slices.Repeat([]step{clienttest.Code(502, "delivery_failed", "")}, 4)})
	c, _ := newClient(t, d)
	var noted []Grant
	_, err := c.PutNoted(t.Context(), PresignRequest{Filename: "f"}, Bytes(content(1000)), func(g Grant) {
		if len(noted) == d.Count("put") {
			noted = append(noted, g)
		}
	})
	if !errors.Is(err, ErrUnconfirmed) || len(noted) != 2 {
		t.Fatalf("PutNoted = %v with %d grants noted before they were used, want %v with 2", err, len(noted), ErrUnconfirmed)
	}
	if r, err := c.Confirm(t.Context(), noted[1].UploadToken); err != nil || r.Check(noted[1].Key, 1000, "") != nil {
		t.Errorf("Confirm of the last = %+v, %v, want the receipt", r, err)
	}

	// What is not there is not called stored.
	d = clienttest.New(t, map[string][]step{"put": {{Status: 203}}})
	c, _ = newClient(t, d)
	if _, err := put(t, c, content(10)); err == nil || errors.Is(err, ErrUnconfirmed) {
		t.Errorf("Put of what is not there = %v, want another error than %v", err, ErrUnconfirmed)
	}
}

func TestPausesGrowAndHonourRetryAfter(t *testing.T) {
	busy := step{Status: 503, Header: map[string]string{"Retry-After": "7"}}
	d := clienttest.New(t, map[string][]step{"put": {{Status: 500}, busy, {Status: 500}}})
	c, pauses := newClient(t, d)
	if _, err := put(t, c, content(1000)); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{500 * time.Millisecond, 7 * time.Second, 2 * time.Second}; !slices.Equal(pauses.List(), want) {
		t.Errorf("pauses = %v, want %v", pauses.List(), want)
	}
}

// A source that refuses its last bytes is not stored, and not tried again.
func TestSourceHasTheLastWord(t *testing.T) {
	changed := errors.New("changed")
	sources := map[string]func(s *Source){
		"it cannot be opened": func(s *Source) { s.Open = func() (io.Reader, error) { return nil, changed } },
		"it ends early":       func(s *Source) { s.Open = func() (io.Reader, error) { return strings.NewReader("x"), nil } },
		"the last bytes are refused": func(s *Source) {
			s.Last = func(crc uint64) error {
				if Decimal(crc) == clienttest.CRC(content(100_000)) {
					return changed
				}
				return nil
			}
		},
	}
	for name, change := range sources {
		t.Run(name, func(t *testing.T) {
			d := clienttest.New(t, nil)
			c, _ := newClient(t, d)
			source, counted := Bytes(content(100_000)), int64(0)
			source.Count = func(n int64) { counted += n }
			change(&source)
			_, err := c.Put(t.Context(), PresignRequest{Filename: "f"}, source)
			if !errors.Is(err, changed) && !errors.Is(err, io.ErrUnexpectedEOF) || d.Object() != nil || counted != 0 || d.Count("put") > 1 {
				t.Errorf("Put = %v with %d bytes counted, requests %q; want the source's error and nothing stored", err, counted, d.Log())
			}
		})
	}
}

// SendPut returns what storage answers, right or wrong; only what has no receipt
// is confirmed. It reports what a confirmation heals.
func TestSendPut(t *testing.T) {
	tests := []struct {
		name  string
		steps map[string][]step
		key   string // of the receipt; empty: an error
		log   string
		heals string
	}{
		{"at once", nil, "put1", "presign put", ""},
		{"the callback failed", map[string][]step{"put": {{Carry: true, Status: 203, Body: "<Error><Code>CallbackFailed</Code></Error>"}}}, "put1", "presign put confirm", "CallbackFailed"},
		{"stored, and the answer is lost", map[string][]step{"put": {drop}}, "put1", "presign put put confirm", " FileAlreadyExists"},
		{"the receipt is another's", map[string][]step{"put": {{Carry: true, Status: 200, Body: `{"key":"put9","eventId":"e"}`}}}, "put9", "presign put", ""},
		{"the answer is not a receipt", map[string][]step{"put": {{Carry: true, Status: 200, Body: "{}"}}}, "", "presign put", ""},
		{"the URL has expired", map[string][]step{"put": {{Status: 403, Body: clienttest.OSS403}}}, "", "presign put", "AccessDenied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := clienttest.New(t, tt.steps)
			c, _ := newClient(t, d)
			var codes []string
			c.Retry.Failed = func(f Failure) {
				code := ""
				if r, ok := errors.AsType[*Refusal](f.Err); ok {
					code = r.Code
				}
				codes = append(codes, code)
			}
			g, err := c.Presign(t.Context(), PresignRequest{Filename: "f", Size: new(int64(1000))})
			if err != nil {
				t.Fatal(err)
			}
			r, err := c.SendPut(t.Context(), g, Bytes(content(1000)))
			wantNoSecret(t, err)
			if r.Key != tt.key || (err != nil) != (tt.key == "") {
				t.Errorf("SendPut = %q, %v, want %q", r.Key, err, tt.key)
			}
			if got := strings.Join(d.Log(), " "); got != tt.log || strings.Join(codes, " ") != tt.heals {
				t.Errorf("requests = %s with errors %q, want %s with %q", got, codes, tt.log, tt.heals)
			}
		})
	}
}

func TestSendForm(t *testing.T) {
	for name, steps := range map[string]map[string][]step{
		"at once": nil, "the callback failed": {"form": {{Carry: true, Status: 203}}}, "the answer is lost": {"form": {drop}},
	} {
		t.Run(name, func(t *testing.T) {
			d := clienttest.New(t, steps)
			c, _ := newClient(t, d)
			g, err := c.Presign(t.Context(), PresignRequest{Filename: "f", As: "form"})
			if err != nil {
				t.Fatal(err)
			}
			b := content(1000)
			if r, err := c.SendForm(t.Context(), g, "f", Bytes(b)); err != nil || r.Check("put1", 1000, clienttest.CRC(b)) != nil || !bytes.Equal(d.Object(), b) {
				t.Errorf("SendForm = %+v, %v, want a receipt and the bytes stored", r, err)
			}
		})
	}
}

func TestReceiptsAreChecked(t *testing.T) {
	const good = "{\n \"key\": \"k\", \"size\": 3, \"crc64\": \"9\", \"eventId\": \"evt\"}"
	r, err := ParseReceipt([]byte(good))
	if err != nil || string(r.Line) != `{"key":"k","size":3,"crc64":"9","eventId":"evt"}` || r.Check("k", 3, "9") != nil {
		t.Errorf("ParseReceipt = %s, %v, want it on one line", r.Line, err)
	}
	for name, change := range map[string]string{
		"another key": `"k"|"l"`, "another size": `3|4`, "another CRC": `"9"|"8"`, "no event": `"evt"|""`, "no JSON": `{|[`,
	} {
		from, to, _ := strings.Cut(change, "|")
		if r, err := ParseReceipt([]byte(strings.Replace(good, from, to, 1))); err == nil && r.Check("k", 3, "9") == nil {
			t.Errorf("%s: it passes, want an error", name)
		}
	}
}
