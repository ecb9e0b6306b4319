package client

import (
	"context"
	"errors"
	"fmt"
	"hash/crc64"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/client/clienttest"
)

// threeParts starts a multipart upload of three parts.
func threeParts(t *testing.T, steps map[string][]step) (*clienttest.Deployment, *Client, Multipart) {
	t.Helper()
	d := clienttest.New(t, steps)
	c, _ := newClient(t, d)
	m, err := c.CreateMultipart(t.Context(), CreateRequest{Filename: "f", Size: new(int64(2*clienttest.PartSize + 10))})
	if err != nil || m.PartSize != clienttest.PartSize || m.PartCount != 3 {
		t.Fatalf("CreateMultipart = %+v, %v, want three parts", m, err)
	}
	return d, c, m
}

// Every way to come by the URL of a part leads to the same object.
func TestMultipart(t *testing.T) {
	signers := map[string]func(c *Client, m Multipart) PartSigner{
		"in batches": func(c *Client, m Multipart) PartSigner { return NewURLPool(c, m.UploadID, []int{1, 2, 3}).Get },
		"one by one": func(c *Client, m Multipart) PartSigner {
			return func(ctx context.Context, number int, _ bool) (string, error) {
				u, err := c.PartURL(ctx, m.UploadID, number)
				return u.URL, err
			}
		},
		"from a template": func(c *Client, m Multipart) PartSigner {
			return func(ctx context.Context, number int, _ bool) (string, error) {
				u, err := c.PartTemplate(ctx, m.UploadID, []int{1, 2, 3})
				return u.URL(number), err
			}
		},
	}
	for name, signer := range signers {
		t.Run(name, func(t *testing.T) {
			d, c, m := threeParts(t, nil)
			b := content(2*clienttest.PartSize + 10)
			var parts []Part
			for chunk := range slices.Chunk(b, clienttest.PartSize) {
				part, crc, err := c.SendPart(t.Context(), len(parts)+1, 3, signer(c, m), Bytes(chunk))
				if err != nil || crc != crc64.Checksum(chunk, CRCTable) {
					t.Fatalf("SendPart = %+v, %d, %v, want the CRC of its bytes", part, crc, err)
				}
				parts = append(parts, part)
			}
			listed, err := c.ListParts(t.Context(), m.UploadID)
			if err != nil || len(listed) != 3 || listed[2].Size != 10 || listed[1].ETag != parts[1].ETag {
				t.Errorf("ListParts = %+v, %v, want the three that were sent", listed, err)
			}
			r, err := c.Complete(t.Context(), m.UploadID, CompleteRequest{Parts: parts, Checksum: &Checksum{CRC64: clienttest.CRC(b)}})
			if err != nil || r.Check(m.Key, int64(len(b)), clienttest.CRC(b)) != nil || d.Count("part") != 3 {
				t.Errorf("Complete = %+v, %v, want the receipt", r, err)
			}
		})
	}
}

func TestSendPart(t *testing.T) {
	always := func(s step) []step { return slices.Repeat([]step{s}, 9) }
	damaged := step{Carry: true, Header: map[string]string{"x-oss-hash-crc64ecma": "1"}}
	tests := []struct {
		name  string
		steps map[string][]step
		say   string // in the error; empty: none
		gone  bool
		sends int
		asks  int // for URLs
	}{
		{"at once", nil, "", false, 1, 1},
		{"storage fails", map[string][]step{"part 1": {{Status: 500, Body: clienttest.OSS500}, {Drop: true}}}, "", false, 3, 1},
		{"it arrives damaged", map[string][]step{"part 1": {damaged}}, "", false, 2, 1},
		{"it gets no ETag", map[string][]step{"part 1": {{Carry: true, Header: map[string]string{"ETag": ""}}}}, "", false, 2, 1},
		{"storage tells no CRC", map[string][]step{"part 1": {{Carry: true, Header: map[string]string{"x-oss-hash-crc64ecma": ""}}}}, "", false, 1, 1},
		{"the URL has expired", map[string][]step{"part 1": {{Status: 403, Body: clienttest.OSS403}}}, "", false, 2, 2},
		{"it is damaged always", map[string][]step{"part 1": always(damaged)}, "sending part 1 of 3: giving up after 4 tries: storage received other bytes", false, 4, 1},
		{"new URLs are refused, too", map[string][]step{"part 1": always(step{Status: 403, Body: clienttest.OSS403})}, "sending part 1 of 3: storage answered 403 AccessDenied", false, 2, 2},
		{"storage does not know the upload", map[string][]step{"part 1": {{Status: 404, Body: clienttest.OSS404}}}, "no longer has the upload", true, 1, 1},
		{"the function does not know the upload", map[string][]step{"batch": {clienttest.Code(410, "upload_gone", "")}}, "no longer has the upload", true, 0, 1},
		{"no URL comes", map[string][]step{"batch": always(step{Status: 502})}, "giving up after 4 tries", false, 0, 4},
		{"a URL is missing", map[string][]step{"batch": {{Status: 200, Body: "{}"}}}, "one is missing", false, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, c, m := threeParts(t, tt.steps)
			source, counted := Bytes(content(clienttest.PartSize)), int64(0)
			source.Count = func(n int64) { counted += n }
			_, _, err := c.SendPart(t.Context(), 1, 3, NewURLPool(c, m.UploadID, []int{1}).Get, source)
			wantNoSecret(t, err)
			if (err != nil) != (tt.say != "") || err != nil && !strings.Contains(err.Error(), tt.say) || errors.Is(err, ErrGone) != tt.gone {
				t.Errorf("SendPart = %v, want %q", err, tt.say)
			}
			if want := source.Size; err == nil && counted != want || err != nil && counted != 0 {
				t.Errorf("%d bytes were counted with the error %v, want %d or, with an error, none", counted, err, want)
			}
			if d.Count("part") != tt.sends || d.Count("batch") != tt.asks {
				t.Errorf("requests = %q, want %d and %d for URLs", d.Log(), tt.sends, tt.asks)
			}
		})
	}
}

// What says that an upload is over, and what does not.
func TestGone(t *testing.T) {
	tests := []struct {
		answer step
		gone   bool
	}{
		{clienttest.Code(410, "upload_gone", ""), true},
		{clienttest.Code(403, "invalid_token", ""), true},
		{clienttest.Code(409, "already_completed", ""), false},
		{clienttest.Code(404, "not_found", ""), false},
		{clienttest.Code(401, "unauthenticated", ""), false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.answer.Status), func(t *testing.T) {
			steps := map[string][]step{}
			for _, op := range []string{"list", "complete", "abort", "url", "batch"} {
				steps[op] = []step{tt.answer}
			}
			_, c, m := threeParts(t, steps)
			ctx := t.Context()
			_, list := c.ListParts(ctx, m.UploadID)
			_, complete := c.Complete(ctx, m.UploadID, CompleteRequest{})
			_, one := c.PartURL(ctx, m.UploadID, 1)
			_, batch := c.PartURLs(ctx, m.UploadID, []int{1})
			for name, err := range map[string]error{"ListParts": list, "Complete": complete, "PartURL": one, "PartURLs": batch, "Abort": c.Abort(ctx, m.UploadID)} {
				if wantNoSecret(t, err); !IsStatus(err, tt.answer.Status) || errors.Is(err, ErrGone) != tt.gone {
					t.Errorf("%s = %v, want it to be over: %v", name, err, tt.gone)
				}
			}
		})
	}
}

func TestAbort(t *testing.T) {
	d, c, m := threeParts(t, map[string][]step{"abort": {{Drop: true}}})
	if err := c.Abort(t.Context(), m.UploadID); err != nil || d.Count("abort") != 2 {
		t.Errorf("Abort = %v after %d calls, want it done by the second", err, d.Count("abort"))
	}
}

func TestRanges(t *testing.T) {
	for want, numbers := range map[string][]int{"": nil, "7": {7}, "1-3": {1, 2, 3}, "1,3-4,9": {1, 3, 4, 9}} {
		if got := ranges(numbers); got != want {
			t.Errorf("ranges(%v) = %q, want %q", numbers, got, want)
		}
	}
}

// URLs are asked for in batches, and again when they are about to end.
func TestURLPoolAsksInTime(t *testing.T) {
	d := clienttest.New(t, nil)
	c, _ := newClient(t, d)
	clock := time.Now()
	c.Now = func() time.Time { return clock }
	var numbers []int
	for n := range 2 * urlBatch {
		numbers = append(numbers, n+1)
	}
	p := NewURLPool(c, "x", numbers)
	get := func(number int, another bool, batches int) string {
		t.Helper()
		u, err := p.Get(t.Context(), number, another)
		if err != nil || d.Count("batch") != batches {
			t.Fatalf("Get(%d) = %v, after %d calls, want %d", number, err, d.Count("batch"), batches)
		}
		return u
	}
	first := get(1, false, 1)
	second := get(2, false, 1)
	get(urlBatch, false, 1)
	get(urlBatch+1, false, 2)
	if get(1, false, 2) != first {
		t.Error("the same part gets another URL for no reason")
	}
	if another := get(1, true, 3); another == first || get(1, false, 3) != another || get(2, false, 3) != second {
		t.Error("another URL of one part is not another, or is forgotten, or changes those of others")
	}
	clock = clock.Add(15*time.Minute - urlMargin + time.Second)
	get(2, false, 4)
	// Of a server whose clock is an hour behind, or of a clock that is ahead.
	clock = clock.Add(time.Hour)
	get(3, false, 5)
	clock = clock.Add(59 * time.Second)
	get(4, false, 5)
}
