package e2e

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"ossupload/scripts/internal/stack/fault"
)

// listedPart is a part as the list of parts has it.
type listedPart struct {
	PartNumber int
	Size       int64
	ETag       string
}

// Uppy 6 does not ask again when an answer is lost: the user does. It then lists
// the parts of the upload that it has begun, sends those that are not listed, and
// completes with the ETags it knows. When only the answer to the completion was
// lost, that must lead to the receipt, whatever became of the parts.
func TestUppyFindsItsReceiptByListing(t *testing.T) {
	t.Parallel()
	contents, whole := threeParts(21)
	tests := []struct {
		name  string
		wish  map[string]any // beside what Uppy sends
		sizes []int64
	}{
		{"as Uppy asks", nil, []int64{0, 0, 0}},
		{"with a size in the file's meta", map[string]any{"size": len(whole), "partSize": minPart}, []int64{minPart, minPart, 1234}},
	}
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		endpoint := r.session(t, r.Ready.CallerToken, nil).Endpoint
		for _, tt := range tests { // one after the other: faults are the whole stack's
			t.Run(tt.name, func(t *testing.T) {
				wish := map[string]any{"filename": "film.mp4", "type": "video/mp4", "metadata": map[string]any{"relativePath": nil}}
				maps.Copy(wish, tt.wish)
				m := &transfer{r: r, caller: r.Ready.CallerToken}
				r.below(t, http.MethodPost, endpoint, "/s3/multipart", wish).into(t, "POST below the session", m)
				r.logged.secret(m.UploadID)
				key := "?key=" + url.QueryEscape(m.Key)
				at := func(method, rest string, in any) reply { return r.below(t, method, endpoint, m.path(rest)+key, in) }
				sent := m.send(t, 1, contents...)

				r.fail(t, fault.Fault{Target: "oss", Operation: "CompleteMultipartUpload", Mode: "stored-then-reset", Count: many})
				at(http.MethodPost, "/complete", map[string]any{"parts": withETags(sent, unquoted)}).
					refused(t, "complete, its answer lost", http.StatusBadGateway, "storage_error")
				r.Faults.Clear()
				r.wantStored(t, m.Key, whole)
				r.wantNoEvent(t, m.Key)

				var listed []listedPart
				at(http.MethodGet, "", nil).into(t, "list", &listed)
				if len(listed) != len(contents) {
					t.Fatalf("listed %+v, want %d parts, or Uppy sends what is missing to an upload that has ended", listed, len(contents))
				}
				suffix := `-3"`
				if assumed.Is("multipart.etag-suffix", "none") {
					suffix = `"`
				}
				known := make([]sentPart, len(listed))
				for i, p := range listed {
					known[i] = sentPart{p.PartNumber, p.ETag}
					if p.PartNumber != i+1 || p.Size != tt.sizes[i] || !strings.HasSuffix(p.ETag, suffix) {
						t.Errorf("listed %+v, want part %d of %d bytes with the ETag of the object", p, i+1, tt.sizes[i])
					}
				}
				again := at(http.MethodPost, "/complete", map[string]any{"parts": known})
				receipt := again.receipt(t, "complete again", m.Key, whole)
				sameAnswers(t, "whatever parts are named", []reply{
					again,
					at(http.MethodPost, "/complete", map[string]any{"parts": sent}),
					at(http.MethodPost, "/complete", map[string]any{"parts": []sentPart{{2, "0"}}}),
					m.complete(t, nil),
				})
				r.wantEvents(t, receipt, 1)
			})
		}
	})
}
