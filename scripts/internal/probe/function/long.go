package function

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/probe"
)

// longParts are parts enough for an answer of over 64 KiB, which functions hand over
// as base64, and for one that is compressed.
const longParts = 200

// longAnswers asks for the URLs of many parts, and sees whether what stands before
// the functions made text of the base64 again:
//
//	{"isBase64Encoded":true,"body":"eyJwcmVzaWduZWRVcmxzIjp7IjEi…"}
func longAnswers(ctx context.Context, r *run) probe.Finding {
	if r.Token == "" {
		return notTried(needToken)
	}
	m, err := r.client.CreateMultipart(ctx, client.CreateRequest{Filename: "probe.bin"})
	if err != nil {
		return noAnswer(err)
	}
	f := r.longAnswersOf(ctx, m.UploadID)
	if err := r.client.Abort(ctx, m.UploadID); err != nil {
		r.left = append(r.left, "a multipart upload without parts, named probe.bin, among the caller's own")
	}
	return f
}

func (r *run) longAnswersOf(ctx context.Context, uploadID string) probe.Finding {
	path := fmt.Sprintf("/s3/multipart/%s/batch?partNumbers=1-%d", url.PathEscape(uploadID), longParts)
	length, how := 0, "as it is, and nobody compressed it"
	for _, c := range []struct{ encoding, says string }{{"identity", "as it is"}, {"gzip", "compressed"}} {
		a, err := r.client.Ask(ctx, http.MethodGet, path, http.Header{"Accept-Encoding": {c.encoding}}, nil)
		if err != nil {
			return noAnswer(err)
		}
		if a.Status != http.StatusOK && !ours(a) {
			return found(false, "instead of a long answer, %s, came %s", c.says, statusOf(a))
		}
		if a.Status != http.StatusOK {
			return notTried("the URLs of %d parts were answered %s", longParts, statusOf(a))
		}
		text := a.Body
		if a.Header.Get("Content-Encoding") == "gzip" {
			text, how = unzipped(text), "as it is, and compressed"
		}
		if countURLs(text) == longParts {
			length = max(length, len(text))
			continue
		}
		if text, err := base64.StdEncoding.DecodeString(string(a.Body)); err == nil && len(text) > 0 {
			return found(false, "a long answer, %s, arrived in base64, as the function gave it", c.says)
		}
		return found(false, "a long answer, %s, did not arrive as it was given", c.says)
	}
	return found(true, "an answer of %d KiB arrived %s", length>>10, how)
}

// unzipped is what was compressed, or nil.
func unzipped(compressed []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(z, maxAnswer))
	if err != nil {
		return nil
	}
	return text
}

func countURLs(text []byte) int {
	var parts client.PartURLs
	if json.Unmarshal(text, &parts) != nil {
		return 0
	}
	return len(parts.URLs)
}
