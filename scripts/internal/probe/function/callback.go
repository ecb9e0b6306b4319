package function

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/probe"
)

// callbackStatus is what OSS says of a callback that was answered otherwise.
var callbackStatus = regexp.MustCompile(`Error status : (-?[0-9]{1,3})\b`)

// callback uploads five bytes and reads whose answer OSS hands on.
func callback(ctx context.Context, r *run) probe.Finding {
	if r.Token == "" {
		return notTried(needToken)
	}
	content := client.Bytes([]byte("probe"))
	g, err := r.client.Presign(ctx, client.PresignRequest{Filename: "probe.txt", Size: &content.Size, ContentType: "text/plain"})
	if err != nil {
		return noAnswer(err)
	}
	a, err := r.client.Send(ctx, g.Method, g.URL, g.Headers, content)
	if err != nil {
		r.left = append(r.left, "perhaps an object of 5 bytes, named probe.txt, among the caller's own")
		return noAnswer(err)
	}
	if a.Status/100 == 2 {
		r.left = append(r.left, "an object of 5 bytes, named probe.txt, among the caller's own")
	}
	if a.Status != http.StatusOK {
		said := ""
		if m := callbackStatus.FindStringSubmatch(a.Problem().Message); m != nil {
			said = ", of the callback " + m[1]
		}
		return found(false, "an upload was answered %s%s", statusOf(a), said)
	}
	receipt, err := client.ParseReceipt(a.Body)
	if err == nil && receipt.Key == g.Key {
		return found(true, "an upload was answered with its receipt")
	}
	var failed struct{ ErrorMessage *string }
	if json.Unmarshal(a.Body, &failed) == nil && failed.ErrorMessage != nil {
		return named("fc.failure-status", seen("200", "an upload was answered 200, with an error of the platform"))
	}
	return found(false, "an upload was answered 200, but with no receipt of it")
}
