package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"ossupload/scripts/internal/client/clienttest"
)

// pipe uploads what in has, in parts of the fake's size.
func (f *fake) pipe(ctx context.Context, in io.Reader, size int64) outcome {
	f.t.Helper()
	return f.uploadItem(ctx, item{name: stdinName, stdin: true}, f.t.TempDir(), func(u *uploader) {
		u.stdin = input{in, "pipe.bin", size}
		u.wish.partSize = fakePartSize
	})
}

func randomBytes(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + i>>16)
	}
	return b
}

func TestStream(t *testing.T) {
	lost := map[string][]step{"put": {{Carry: true, Drop: true}}, "part 2": {{Carry: true, Drop: true}}, "complete": {{Carry: true, Drop: true}}}
	tests := []struct {
		name  string
		size  int
		known bool
		steps map[string][]step
		parts int // 0: one PUT
	}{
		{"nothing", 0, false, nil, 0},
		{"nothing, as was said", 0, true, nil, 0},
		{"little", 1000, false, nil, 0},
		{"little, as was said", 1000, true, lost, 0},
		{"one byte less than a part", fakePartSize - 1, false, lost, 0},
		{"one part", fakePartSize, false, nil, 1},
		{"one part, as was said", fakePartSize, true, nil, 1},
		{"a byte more than a part", fakePartSize + 1, false, nil, 2},
		{"many parts", 10*fakePartSize + 17, false, lost, 11},
		{"many parts, as was said", 10*fakePartSize + 17, true, lost, 11},
		{"whole parts", 8 * fakePartSize, true, lost, 8},
		{"a part whose URL has expired", 3 * fakePartSize, false, map[string][]step{"part 2": {{Status: 403, Body: clienttest.OSS403}}}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.steps)
			content, size := randomBytes(tt.size), int64(-1)
			if tt.known {
				size = int64(tt.size)
			}
			o := f.pipe(t.Context(), iotest.OneByteReader(bytes.NewReader(content)), size)
			if tt.size == 0 {
				content = []byte{}
			}
			f.wantStored(o, content)
			if begun := f.Begun(); begun != min(1, tt.parts) {
				t.Errorf("multipart uploads = %d of %d parts", begun, tt.parts)
			}
			if !strings.Contains(o.said, "pipe.bin: done, ") {
				t.Errorf("said %q, want progress", o.said)
			}
		})
	}
}

// What fails is aborted: nobody could go on with it.
func TestStreamFails(t *testing.T) {
	broken := errors.New("the disk is broken")
	tests := []struct {
		name  string
		in    io.Reader
		size  int64
		steps map[string][]step
		say   string
	}{
		{"it ends early", bytes.NewReader(randomBytes(3 * fakePartSize)), 3*fakePartSize + 1, nil, "ended after 307200 of the 307201 bytes"},
		{"there is more", bytes.NewReader(randomBytes(3*fakePartSize + 1)), 3 * fakePartSize, nil, "more than the 307200 bytes of -size"},
		{"there is more, in one part", bytes.NewReader(randomBytes(2)), 1, nil, "more than the 1 bytes of -size"},
		{"there is nothing", bytes.NewReader(nil), 1, nil, "ended after 0 of the 1 bytes"},
		{"it cannot be read", iotest.ErrReader(broken), -1, nil, "reading standard input: the disk is broken"},
		{"it cannot be read further", io.MultiReader(bytes.NewReader(randomBytes(2*fakePartSize+5)), iotest.ErrReader(broken)), -1, nil, "reading standard input: the disk is broken"},
		{"a part fails always", bytes.NewReader(randomBytes(9 * fakePartSize)), -1,
			map[string][]step{"part 2": {{Status: 500}, {Status: 500}, {Status: 500}, {Status: 500}}}, "sending part 2: giving up after 4 tries"},
		{"it is not allowed", bytes.NewReader(randomBytes(9 * fakePartSize)), -1,
			map[string][]step{"create": {clienttest.Code(403, "forbidden", "")}}, "answered 403 forbidden"},
		{"the answer agrees on other parts", bytes.NewReader(randomBytes(9 * fakePartSize)), -1,
			map[string][]step{"create": {{Status: 200, Body: `{"key":"k","uploadId":"i","partSize":5}`}}}, "does not agree"},
		{"too much for its parts", bytes.NewReader(nil), maxParts*fakePartSize + 1, nil, "larger -part-size"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.steps)
			f.wantNothing(f.pipe(t.Context(), tt.in, tt.size), tt.say, nil)
			if f.Begun() > 0 && f.Count("abort") != 1 || f.Count("complete") > 0 {
				t.Errorf("requests = %q, want what was begun aborted", f.Log())
			}
		})
	}
}

// Nothing may be left of a pipe that is interrupted, not even while it waits for
// bytes.
func TestStreamIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := newFake(t, map[string][]step{"part 3": {{Carry: true, Before: cancel}}})
	in, feed := io.Pipe()
	t.Cleanup(func() { in.Close() })
	go func() {
		_, _ = feed.Write(randomBytes(3 * fakePartSize)) // and then nothing, and no end
	}()
	o := f.pipe(ctx, in, -1)
	f.wantNothing(o, "", context.Canceled)
	if f.Count("abort") != 1 {
		t.Errorf("requests = %q, want it aborted", f.Log())
	}
}

func TestStreamSizesItsParts(t *testing.T) {
	const mebi = 1 << 20
	for size, want := range map[int64]int64{-1: 8 * mebi, 0: 8 * mebi, 80_000 * mebi: 8 * mebi, 80_000*mebi + 1: 9 * mebi, 5 << 40: 525 * mebi} {
		if got := partSizeFor(size); got != want {
			t.Errorf("partSizeFor(%d) = %d, want %d", size, got, want)
		}
	}
}
