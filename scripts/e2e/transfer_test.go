package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/client"
)

// transfer is a multipart upload as a client sees it.
type transfer struct {
	r      *rig
	caller string

	client.Multipart
}

// sentPart is a part in a client's list.
type sentPart struct {
	PartNumber int
	ETag       string
}

// begin starts a multipart upload as the caller of the ready line; a wish
// without a filename gets one.
func (r *rig) begin(t *testing.T, wish map[string]any) *transfer {
	t.Helper()
	return r.beginAs(t, r.Ready.CallerToken, wish)
}

func (r *rig) beginAs(t *testing.T, caller string, wish map[string]any) *transfer {
	t.Helper()
	in := map[string]any{"filename": "film.mp4", "type": "video/mp4"}
	maps.Copy(in, wish)
	m := &transfer{r: r, caller: caller}
	r.call(t, http.MethodPost, "/s3/multipart", caller, in).into(t, "POST /s3/multipart", m)
	if m.Key == "" || m.UploadID == "" || m.Bucket != r.Ready.Bucket || time.Until(m.ExpiresAt) < 100*time.Hour {
		t.Fatalf("POST /s3/multipart = %+v, want key, uploadId, bucket and the expiry of a token", m)
	}
	r.logged.secret(m.UploadID)
	return m
}

func (m *transfer) path(rest string) string { return "/s3/multipart/" + m.UploadID + rest }

func (m *transfer) ask(t *testing.T, method, rest string, in any) reply {
	t.Helper()
	return m.r.call(t, method, m.path(rest), m.caller, in)
}

// partURL asks for the URL of one part.
func (m *transfer) partURL(t *testing.T, number int) string {
	t.Helper()
	var part struct {
		Method, URL string
		Expires     int64
	}
	m.ask(t, http.MethodGet, "/"+strconv.Itoa(number), nil).into(t, "GET of a part", &part)
	if part.Method != http.MethodPut || part.Expires < 900 {
		t.Fatalf("part %d is a %s for %d s, want a PUT for 900 s at least", number, part.Method, part.Expires)
	}
	return part.URL
}

// offer sends a part to OSS without headers, as browsers do.
func (m *transfer) offer(t *testing.T, number int, content []byte) reply {
	t.Helper()
	return m.r.request(t, http.MethodPut, m.partURL(t, number), nil, content)
}

// send sends parts that OSS must take, numbered from first on.
func (m *transfer) send(t *testing.T, first int, contents ...[]byte) []sentPart {
	t.Helper()
	var parts []sentPart
	for i, content := range contents {
		a := m.offer(t, first+i, content)
		if a.Status != http.StatusOK || a.Header.Get("ETag") == "" {
			t.Fatalf("PUT of part %d = %v, want 200 and an ETag", first+i, a)
		}
		parts = append(parts, sentPart{first + i, a.Header.Get("ETag")})
	}
	return parts
}

// complete asks for completion with these parts; nil names none.
func (m *transfer) complete(t *testing.T, parts []sentPart) reply {
	t.Helper()
	in := map[string]any{}
	if parts != nil {
		in["parts"] = parts
	}
	return m.ask(t, http.MethodPost, "/complete", in)
}

// mismatch checks a refusal for the sake of parts: "2 missing", "3 size".
func (a reply) mismatch(t *testing.T, what string, want ...string) {
	t.Helper()
	var faults []struct {
		PartNumber int64  `json:"partNumber"`
		Reason     string `json:"reason"`
	}
	c := a.refused(t, what, http.StatusUnprocessableEntity, "parts_mismatch")
	if err := json.Unmarshal(c.Details, &faults); err != nil {
		t.Fatalf("%s: details = %s: %v", what, c.Details, err)
	}
	if len(faults) != len(want) {
		t.Fatalf("%s: details = %s, want %q", what, c.Details, want)
	}
	for i, f := range faults {
		if got := fmt.Sprintf("%d %s", f.PartNumber, f.Reason); !strings.HasPrefix(got, want[i]) {
			t.Errorf("%s: fault %d = %q, want %q", what, i, got, want[i])
		}
	}
}
