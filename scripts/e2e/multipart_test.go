package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"golang.org/x/sync/errgroup"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/shared/uploadtoken"
)

// minPart is the least size of every part but the last.
const minPart = 100 << 10

// threeParts are two parts of the least size and a short one.
func threeParts(seed byte) (parts [][]byte, whole []byte) {
	whole = filler(2*minPart+1234, seed)
	return [][]byte{whole[:minPart], whole[minPart : 2*minPart], whole[2*minPart:]}, whole
}

// withETags returns parts with every ETag changed.
func withETags(parts []sentPart, change func(string) string) []sentPart {
	parts = slices.Clone(parts)
	for i := range parts {
		parts[i].ETag = change(parts[i].ETag)
	}
	return parts
}

func unquoted(etag string) string { return strings.Trim(etag, `"`) }

func TestMultipart(t *testing.T) {
	t.Parallel()
	contents, whole := threeParts(1)
	agreed := map[string]any{"size": len(whole), "partSize": minPart}
	tests := []struct {
		name     string
		wish     map[string]any
		count    int64 // of parts, as answered
		complete func(m *transfer, sent []sentPart) any
		check    func(t *testing.T, got client.Receipt)
	}{
		{
			name: "with size and part size", wish: agreed, count: 3,
			complete: func(_ *transfer, sent []sentPart) any { return map[string]any{"parts": sent} },
		},
		{
			name: "with size alone", wish: map[string]any{"size": minPart}, count: 1,
			complete: func(_ *transfer, sent []sentPart) any { return map[string]any{"parts": sent} },
		},
		{
			name: "with part size alone", wish: map[string]any{"partSize": minPart},
			complete: func(_ *transfer, sent []sentPart) any { return map[string]any{"parts": sent} },
		},
		{
			name: "of nothing", wish: map[string]any{"size": 0, "partSize": minPart}, count: 1,
			complete: func(_ *transfer, sent []sentPart) any { return map[string]any{"parts": sent} },
		},
		{
			name: "as Uppy asks",
			wish: map[string]any{"metadata": map[string]any{
				"name": "film.mp4", "type": "video/mp4", "relativePath": nil,
				"width": 1920, "ratio": 1.5, "draft": true, "caption": "Übung ☀", "empty": "", "nothing": "null",
			}},
			complete: func(_ *transfer, sent []sentPart) any {
				return map[string]any{"parts": withETags(sent, unquoted)}
			},
			check: func(t *testing.T, got client.Receipt) {
				if want := map[string]string{"width": "1920", "ratio": "1.5", "draft": "true", "caption": "Übung ☀"}; !maps.Equal(got.Metadata, want) {
					t.Errorf("metadata = %q, want %q", got.Metadata, want)
				}
			},
		},
		{
			name: "as Uppy 5's own callbacks complete, with all the headers of each part", wish: agreed, count: 3,
			complete: func(_ *transfer, sent []sentPart) any {
				var parts []map[string]any
				for _, p := range sent {
					parts = append(parts, map[string]any{
						"PartNumber": p.PartNumber, "ETag": p.ETag, "etag": "another", "content-length": 5, "x-oss-server-time": []int{1}, "Size": nil,
					})
				}
				return map[string]any{"parts": parts, "location": "elsewhere"}
			},
		},
		{
			name: "with ETags in lower case", wish: agreed, count: 3,
			complete: func(_ *transfer, sent []sentPart) any {
				return map[string]any{"parts": withETags(sent, strings.ToLower)}
			},
		},
		{
			name: "without a list of parts", wish: agreed, count: 3,
			complete: func(*transfer, []sentPart) any { return nil },
		},
		{
			name: "with vars, checksum and a name in Chinese", count: 3,
			wish: map[string]any{
				"filename": "假日.MP4", "size": len(whole), "partSize": minPart, "vars": map[string]string{"room": "7"},
				"checksum": map[string]string{"crc64": crcOf(whole)}, "unknown": map[string]int{"field": 1},
			},
			complete: func(_ *transfer, sent []sentPart) any { return map[string]any{"parts": sent} },
			check: func(t *testing.T, got client.Receipt) {
				if got.Filename != "假日.MP4" || got.Vars["room"] != "7" || !strings.HasSuffix(got.Key, ".mp4") {
					t.Errorf("receipt = %+v, want the file name, its extension and the vars", got)
				}
			},
		},
	}
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				m := r.begin(t, tt.wish)
				if m.PartCount != tt.count {
					t.Errorf("partCount = %d, want %d", m.PartCount, tt.count)
				}
				send, content := contents, whole
				switch size, pinned := tt.wish["size"].(int); {
				case pinned && size == 0:
					send, content = [][]byte{{}}, []byte{}
				case pinned && size == minPart:
					send, content = contents[:1], whole[:minPart]
				}
				sent := m.send(t, 1, send...)
				r.wantStored(t, m.Key, nil)
				got := m.ask(t, http.MethodPost, "/complete?key="+url.QueryEscape(m.Key), tt.complete(m, sent)).receipt(t, "complete", m.Key, content)
				if got.ContentType != "video/mp4" || got.Location != r.Ready.OSS+"/"+r.Ready.Bucket+"/"+m.Key {
					t.Errorf("receipt = %+v, want the type and the location of the upload", got)
				}
				if tt.check != nil {
					tt.check(t, got)
				}
				r.wantStored(t, m.Key, content)
				r.wantEvents(t, got, 1)
			})
		}
	})
}

func TestMultipartList(t *testing.T) {
	t.Parallel()
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		contents, _ := threeParts(2)
		m := r.begin(t, nil)
		list := func(rest string) (parts []map[string]any) {
			t.Helper()
			a := m.ask(t, http.MethodGet, rest, nil)
			a.into(t, "list", &parts)
			if !bytes.HasPrefix(a.Body, []byte("[")) {
				t.Errorf("list = %v, want a bare array, also of nothing", a)
			}
			return parts
		}
		if got := list(""); len(got) != 0 {
			t.Errorf("list of nothing = %v, want []", got)
		}
		sent := m.send(t, 1, contents...)
		m.send(t, 2, contents[2]) // replaces the second
		sent[1].ETag = sent[2].ETag
		var want []map[string]any
		for i, p := range sent {
			size := []int{minPart, len(contents[2]), len(contents[2])}[i]
			want = append(want, map[string]any{"PartNumber": float64(p.PartNumber), "Size": float64(size), "ETag": p.ETag})
		}
		if got := list("?key=" + url.QueryEscape(m.Key)); !reflect.DeepEqual(got, want) {
			t.Errorf("list = %v, want %v", got, want)
		}
		for _, rest := range []string{"?key=" + url.QueryEscape(m.Key+"x"), "?key=", "?key=" + url.QueryEscape(r.begin(t, nil).Key)} {
			for method, route := range map[string]string{http.MethodGet: "", http.MethodPost: "/complete", http.MethodDelete: ""} {
				c := m.ask(t, method, route+rest, nil).refused(t, method+" with the wrong key", http.StatusBadRequest, "invalid_request")
				if got := c.fields(t); !slices.Equal(got, []string{"key"}) {
					t.Errorf("fields = %q, want key", got)
				}
			}
			m.ask(t, http.MethodGet, "/1"+rest, nil).refused(t, "a part with the wrong key", http.StatusBadRequest, "invalid_request")
		}
	})
}

// OSS lists at most 1,000 parts at a time.
func TestMultipartListsEveryPage(t *testing.T) {
	t.Parallel()
	r := newRig(t, fc.TriggerAPIGateway, nil)
	m := r.begin(t, nil)
	claims := r.open(t, uploadtoken.Multipart, m.UploadID)
	const count = 1001
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(8)
	for number := 1; number <= count; number++ {
		group.Go(func() error {
			_, err := r.developer.UploadPart(ctx, &oss.UploadPartRequest{
				Bucket: &r.Ready.Bucket, Key: &m.Key, UploadId: &claims.UploadID, PartNumber: int32(number), Body: strings.NewReader("x"),
			})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	var parts []struct{ PartNumber, Size int }
	m.ask(t, http.MethodGet, "", nil).into(t, "list", &parts)
	if len(parts) != count || parts[0].PartNumber != 1 || parts[count-1].PartNumber != count {
		t.Fatalf("list has %d parts, want 1 to %d", len(parts), count)
	}
	// All of them are too small but the last, and an answer names twenty.
	var details []struct{ PartNumber int }
	c := m.complete(t, nil).refused(t, "complete", http.StatusUnprocessableEntity, "parts_mismatch")
	if err := json.Unmarshal(c.Details, &details); err != nil || len(details) != 20 || details[19].PartNumber != 20 {
		t.Errorf("details name %d parts, want the first 20", len(details))
	}
	r.wantStored(t, m.Key, nil)
}

func TestMultipartRefusesIncompleteParts(t *testing.T) {
	t.Parallel()
	contents, whole := threeParts(3)
	agreed := map[string]any{"size": len(whole), "partSize": minPart}
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		t.Run("parts 1 and 3 of 3, then all", func(t *testing.T) {
			t.Parallel()
			m := r.begin(t, agreed)
			first, third := m.send(t, 1, contents[0]), m.send(t, 3, contents[2])
			m.complete(t, append(first, third...)).mismatch(t, "complete without part 2", "2 missing")
			m.complete(t, nil).mismatch(t, "complete with what there is", "2 missing")
			r.wantStored(t, m.Key, nil)
			r.wantNoEvent(t, m.Key)

			all := slices.Concat(first, m.send(t, 2, contents[1]), third)
			body, err := json.Marshal(map[string]any{"parts": all})
			if err != nil {
				t.Fatal(err)
			}
			answers := r.atOnce(t, 20, http.MethodPost, r.Ready.Gateway+m.path("/complete"), bearer(m.caller), body)
			sameAnswers(t, "twenty completions at once", answers)
			receipt := answers[0].receipt(t, "complete", m.Key, whole)
			r.wantEvents(t, receipt, 1)
			sameAnswers(t, "completed again, with all parts, some or none", []reply{
				answers[0], m.complete(t, all), m.complete(t, first), m.complete(t, nil), m.complete(t, []sentPart{}),
			})
			r.wantEvents(t, receipt, 1)
			r.wantStored(t, m.Key, whole)
		})

		named := []struct {
			name  string
			parts func(sent []sentPart) []sentPart
			want  []string
		}{
			{"a gap in the list", func(s []sentPart) []sentPart { return []sentPart{s[0], s[2]} }, []string{"2 not_listed"}},
			{"the last left out", func(s []sentPart) []sentPart { return s[:2] }, []string{"3 not_listed"}},
			{"an empty list", func([]sentPart) []sentPart { return []sentPart{} }, []string{"1 not_listed", "2 not_listed", "3 not_listed"}},
			{"a part twice", func(s []sentPart) []sentPart { return []sentPart{s[0], s[1], s[1], s[2]} }, []string{"2 duplicate"}},
			{"another order", func(s []sentPart) []sentPart { return []sentPart{s[0], s[2], s[1]} }, []string{"2 out_of_order"}},
			{"the ETag of another part", func(s []sentPart) []sentPart { return []sentPart{s[0], {2, s[0].ETag}, s[2]} }, []string{"2 etag_mismatch"}},
			{"an empty ETag", func(s []sentPart) []sentPart { return []sentPart{s[0], s[1], {3, ""}} }, []string{"3 etag_mismatch"}},
			{"part 0", func(s []sentPart) []sentPart { return slices.Insert(slices.Clone(s), 0, sentPart{0, s[0].ETag}) }, []string{"0 invalid_number"}},
			{"a negative part", func(s []sentPart) []sentPart { return slices.Insert(slices.Clone(s), 0, sentPart{-1, s[0].ETag}) }, []string{"-1 invalid_number"}},
			{"a part that was never sent", func(s []sentPart) []sentPart { return append(slices.Clone(s), sentPart{4, s[0].ETag}) }, []string{"4 missing"}},
		}
		for _, tt := range named {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				m := r.begin(t, agreed)
				sent := m.send(t, 1, contents...)
				m.complete(t, tt.parts(sent)).mismatch(t, "complete", tt.want...)
				r.wantStored(t, m.Key, nil)
				r.wantNoEvent(t, m.Key)
				receipt := m.complete(t, sent).receipt(t, "complete with all", m.Key, whole)
				r.wantEvents(t, receipt, 1)
			})
		}

		held := []struct {
			name   string
			wish   map[string]any
			parts  []int // sizes
			want   []string
			mended []int // sizes that make it right, sent over the first
		}{
			{"a part below 100 KiB", nil, []int{minPart - 1, minPart}, []string{"1 size is 102399"}, []int{minPart, minPart}},
			{"a part of another size than agreed", map[string]any{"partSize": minPart}, []int{minPart + 1, 5}, []string{"1 size is 102401, agreed was 102400"}, []int{minPart, 5}},
			{"a last part over the agreed size", map[string]any{"partSize": minPart}, []int{minPart, minPart + 1}, []string{"2 size is 102401"}, []int{minPart, minPart}},
			{"no part at all", nil, nil, []string{"1 missing"}, []int{7}},
			{"no part of an empty object", map[string]any{"size": 0, "partSize": minPart}, nil, []string{"1 missing"}, []int{0}},
		}
		for _, tt := range held {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				m := r.begin(t, tt.wish)
				put := func(sizes []int) (parts []sentPart, whole []byte) {
					var contents [][]byte
					for i, size := range sizes {
						contents = append(contents, filler(size, byte(i)))
					}
					return m.send(t, 1, contents...), bytes.Join(contents, nil)
				}
				sent, _ := put(tt.parts)
				m.complete(t, sent).mismatch(t, "complete", tt.want...)
				m.complete(t, nil).mismatch(t, "complete without a list", tt.want...)
				r.wantStored(t, m.Key, nil)
				sent, whole := put(tt.mended)
				receipt := m.complete(t, sent).receipt(t, "complete after it was mended", m.Key, whole)
				r.wantEvents(t, receipt, 1)
			})
		}
	})
}

func TestMultipartPartNumbers(t *testing.T) {
	t.Parallel()
	contents, whole := threeParts(4)
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		sized, free := r.begin(t, map[string]any{"size": len(whole), "partSize": minPart}), r.begin(t, nil)
		for _, number := range []string{"0", "-1", "01", "+1", "1e3", "1.0", "0x1", "%201", "one", "10001", "9223372036854775808", "%EF%BC%91"} {
			for _, m := range []*transfer{sized, free} {
				c := m.ask(t, http.MethodGet, "/"+number, nil).refused(t, "part "+number, http.StatusBadRequest, "invalid_request")
				if got := c.fields(t); !slices.Equal(got, []string{"partNumber"}) {
					t.Errorf("part %s: fields = %q, want partNumber", number, got)
				}
			}
		}
		sized.ask(t, http.MethodGet, "/4", nil).refused(t, "part 4 of 3", http.StatusBadRequest, "invalid_request")
		for _, number := range []string{"/", "//", "/1/", "/1/2"} {
			free.ask(t, http.MethodGet, number, nil).refused(t, "a part on another path", http.StatusNotFound, "not_found")
		}
		for _, number := range []int{1, 10000} {
			free.send(t, number, []byte("x"))
		}
		// The exact length is signed where it was agreed, and nothing else where it
		// was not.
		for _, wrong := range [][]byte{append(bytes.Clone(contents[0]), '!'), contents[0][:minPart-1], {}} {
			if a := sized.offer(t, 1, wrong); a.Status != http.StatusForbidden || !bytes.Contains(a.Body, []byte("<Code>SignatureDoesNotMatch</Code>")) {
				t.Errorf("PUT of %d bytes as part of %d = %v, want SignatureDoesNotMatch", len(wrong), minPart, a)
			}
		}
		if a := sized.offer(t, 3, contents[0]); a.Status != http.StatusForbidden {
			t.Errorf("PUT of %d bytes as the last part of %d = %v, want 403", minPart, len(contents[2]), a)
		}
		sent := sized.send(t, 1, contents...)
		receipt := sized.complete(t, sent).receipt(t, "complete", sized.Key, whole)
		r.wantEvents(t, receipt, 1)
		// A part's URL is good for that part of that upload alone.
		other := r.begin(t, nil)
		target := strings.Replace(other.partURL(t, 1), "partNumber=1", "partNumber=2", 1)
		if a := r.request(t, http.MethodPut, target, nil, []byte("x")); a.Status != http.StatusForbidden {
			t.Errorf("PUT of part 2 with the URL of part 1 = %v, want 403", a)
		}
	})
}

func TestMultipartChecksum(t *testing.T) {
	t.Parallel()
	contents, whole := threeParts(5)
	right, wrong := crcOf(whole), crcOf(whole[1:])
	crc := func(value string) map[string]any { return map[string]any{"crc64": value} }
	tests := []struct {
		name               string
		atCreate, atFinish map[string]any
		expected, actual   string // of a refusal
	}{
		{"right at create", crc(right), nil, "", ""},
		{"right at complete", nil, crc(right), "", ""},
		{"right at both", crc(right), crc(right), "", ""},
		{"wrong at create", crc(wrong), nil, wrong, right},
		{"wrong at complete", nil, crc(wrong), wrong, right},
		{"right at create, wrong at complete", crc(right), crc(wrong), right, wrong},
		{"wrong at create, right at complete", crc(wrong), crc(right), wrong, right},
		{"empty", crc(""), crc(""), "", ""},
	}
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				wish := map[string]any{"size": len(whole), "partSize": minPart}
				if tt.atCreate != nil {
					wish["checksum"] = tt.atCreate
				}
				m := r.begin(t, wish)
				sent := m.send(t, 1, contents...)
				finish := map[string]any{"parts": sent}
				if tt.atFinish != nil {
					finish["checksum"] = tt.atFinish
				}
				a := m.ask(t, http.MethodPost, "/complete", finish)
				if tt.expected == "" {
					r.wantEvents(t, a.receipt(t, "complete", m.Key, whole), 1)
					again := m.ask(t, http.MethodPost, "/complete", map[string]any{"checksum": crc(wrong)})
					again.refused(t, "complete again with a wrong checksum", http.StatusUnprocessableEntity, "checksum_mismatch")
					r.wantStored(t, m.Key, whole)
					return
				}
				a.checksum(t, tt.expected, tt.actual)
				r.wantStored(t, m.Key, nil)
				r.wantNoEvent(t, m.Key)
				if tt.atCreate == nil {
					receipt := m.ask(t, http.MethodPost, "/complete", map[string]any{"checksum": crc(right)}).receipt(t, "complete with the right checksum", m.Key, whole)
					r.wantEvents(t, receipt, 1)
				}
			})
		}
		for _, value := range []any{"12x", "-1", "18446744073709551616", "007", "0x10", 12} {
			c := r.call(t, http.MethodPost, "/s3/multipart", r.Ready.CallerToken, map[string]any{"filename": "a", "checksum": map[string]any{"crc64": value}}).
				refused(t, fmt.Sprintf("checksum %v", value), http.StatusBadRequest, "invalid_request")
			if got := c.fields(t); !slices.Equal(got, []string{"checksum.crc64"}) {
				t.Errorf("fields = %q, want checksum.crc64", got)
			}
		}
	})
}

// checksum checks a refusal for the sake of bytes.
func (a reply) checksum(t *testing.T, expected, actual string) {
	t.Helper()
	c := a.refused(t, "complete", http.StatusUnprocessableEntity, "checksum_mismatch")
	var details map[string]string
	if err := json.Unmarshal(c.Details, &details); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"expected": expected, "actual": actual}; !maps.Equal(details, want) {
		t.Errorf("details = %v, want %v", details, want)
	}
}

func TestMultipartAbort(t *testing.T) {
	t.Parallel()
	contents, whole := threeParts(6)
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		t.Run("before completion", func(t *testing.T) {
			t.Parallel()
			m, kept := r.begin(t, nil), r.begin(t, nil)
			sent := m.send(t, 1, contents...)
			target := m.partURL(t, 1)
			for range 2 {
				a := m.ask(t, http.MethodDelete, "?key="+url.QueryEscape(m.Key), nil)
				if a.Status != http.StatusOK || string(a.Body) != "{}" {
					t.Errorf("abort = %v, want 200 {}", a)
				}
			}
			if a := r.request(t, http.MethodPut, target, nil, contents[0]); a.Status != http.StatusNotFound {
				t.Errorf("PUT of a part after the abort = %v, want 404", a)
			}
			m.complete(t, sent).refused(t, "complete after the abort", http.StatusGone, "upload_gone")
			m.ask(t, http.MethodGet, "", nil).refused(t, "list after the abort", http.StatusGone, "upload_gone")
			r.wantStored(t, m.Key, nil)
			r.wantNoEvent(t, m.Key)

			receipt := kept.complete(t, kept.send(t, 1, contents...)).receipt(t, "complete of another upload", kept.Key, whole)
			r.wantEvents(t, receipt, 1)
		})
		t.Run("after completion", func(t *testing.T) {
			t.Parallel()
			m := r.begin(t, nil)
			first := m.complete(t, m.send(t, 1, contents...))
			receipt := first.receipt(t, "complete", m.Key, whole)
			for range 2 {
				m.ask(t, http.MethodDelete, "", nil).refused(t, "abort after completion", http.StatusConflict, "already_completed")
			}
			var listed []listedPart
			if m.ask(t, http.MethodGet, "", nil).into(t, "list after completion", &listed); len(listed) != len(contents) {
				t.Errorf("listed %+v after completion, want %d parts", listed, len(contents))
			}
			if a := m.offer(t, 1, contents[0]); a.Status != http.StatusNotFound {
				t.Errorf("PUT of a part after completion = %v, want 404", a)
			}
			r.wantStored(t, m.Key, whole)
			sameAnswers(t, "completed after the abort", []reply{first, m.complete(t, nil)})
			r.wantEvents(t, receipt, 1)
		})
		t.Run("while it is being completed", func(t *testing.T) {
			t.Parallel()
			// Either may win, and what the client is told is what happened.
			for range 5 {
				m := r.begin(t, nil)
				sent := m.send(t, 1, contents...)
				completed := make(chan reply, 1)
				body, _ := json.Marshal(map[string]any{"parts": sent})
				go func() {
					a, _ := r.fetch(t.Context(), http.MethodPost, r.Ready.Gateway+m.path("/complete"), bearer(m.caller), body)
					completed <- a
				}()
				abort := m.ask(t, http.MethodDelete, "", nil)
				complete := <-completed
				switch _, there := r.stored(t, m.Key); {
				case there:
					complete.receipt(t, "complete that won", m.Key, whole)
					abort.refused(t, "abort that lost", http.StatusConflict, "already_completed")
				case complete.Status == http.StatusGone:
					complete.refused(t, "complete that lost early", http.StatusGone, "upload_gone")
				default:
					complete.refused(t, "complete that lost late", http.StatusConflict, "aborted")
				}
			}
		})
	})
}
