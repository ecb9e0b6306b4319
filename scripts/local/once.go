package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"ossupload/scripts/internal/stack"
)

// rehearsal uploads by every method as a client does: over HTTP, with nothing
// but the standard library and what the ready line says. Only what it checks
// afterwards is read with the developer's own access key, through the SDK of
// OSS, which shares no code with what signed the uploads.
type rehearsal struct {
	ready   stack.Ready
	client  *http.Client
	out     io.Writer
	uploads []uploaded
	faults  int
}

// uploaded is an upload of which a receipt was had.
type uploaded struct {
	method  string
	receipt receipt
	content []byte
}

// receipt is what the rehearsal reads of a receipt.
type receipt struct {
	Bucket  string `json:"bucket"`
	Key     string `json:"key"`
	Size    int64  `json:"size"`
	EventID string `json:"eventId"`
}

// rehearse prints a line for each step. It fails if a step did.
func rehearse(ctx context.Context, s *stack.Stack, out io.Writer) error {
	transport := &http.Transport{MaxIdleConnsPerHost: 2}
	defer transport.CloseIdleConnections()
	r := &rehearsal{
		ready:  s.Ready,
		client: &http.Client{Transport: transport, Timeout: 30 * time.Second},
		out:    out,
	}
	began := time.Now()
	methods := []struct {
		name   string
		upload func(context.Context) error
	}{
		{"put", r.put},
		{"form", r.form},
		{"url", r.url},
		{"multipart", r.multipart},
	}
	enabled := s.Settings.List("UPLOAD_METHODS")
	if len(enabled) == 0 {
		enabled = []string{"put", "form", "multipart"} // the functions' default
	}
	for _, m := range methods {
		// A method ends at its first fault, which is counted; the others go on.
		if slices.Contains(enabled, m.name) {
			_ = m.upload(ctx)
		}
	}
	for _, u := range r.uploads {
		r.step(u.method, "compare the stored object", func() (string, error) { return r.compare(ctx, u) })
		r.step(u.method, "find its event", func() (string, error) { return r.findEvent(ctx, u) })
	}
	if r.faults > 0 {
		return fmt.Errorf("rehearsing: %d faults", r.faults)
	}
	fmt.Fprintf(out, "all uploads stored and announced in %v\n", time.Since(began).Round(time.Millisecond))
	return nil
}

// step does one thing and prints a line about it:
//
//	multipart  send part 2 of 3               1.2ms  ETag "9B2C…"
func (r *rehearsal) step(method, what string, do func() (result string, err error)) error {
	began := time.Now()
	result, err := do()
	if err != nil {
		r.faults++
		result = "FAULT: " + err.Error()
	}
	fmt.Fprintf(r.out, "%-9s  %-27s  %7v  %s\n", method, what, time.Since(began).Round(100*time.Microsecond), result)
	return err
}

// offer is what the rehearsal reads of an answer to POST /presign.
type offer struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"` // of a PUT
	Fields  map[string]string `json:"fields"`  // of a form
	Key     string            `json:"key"`
}

// put uploads with a presigned PUT; OSS answers it with the receipt that the
// callback function made.
func (r *rehearsal) put(ctx context.Context) error {
	return r.presigned(ctx, "put", map[string]any{
		"filename":    "holiday ☀.png",
		"contentType": "image/png",
		"metadata":    map[string]string{"camera": "Übersee"},
	}, randomBytes(1<<20))
}

// form uploads as a browser's form does.
func (r *rehearsal) form(ctx context.Context) error {
	return r.presigned(ctx, "form", map[string]any{"filename": "notes.txt", "as": "form"}, randomBytes(50_000))
}

// url uploads with a URL that needs no headers, as curl -T does.
func (r *rehearsal) url(ctx context.Context) error {
	return r.presigned(ctx, "url", map[string]any{"filename": "report.pdf", "as": "url"}, randomBytes(100_000))
}

func (r *rehearsal) presigned(ctx context.Context, method string, wish map[string]any, content []byte) error {
	wish["size"] = len(content)
	var g offer
	err := r.step(method, "ask for a URL", func() (string, error) {
		err := r.callFunction(ctx, http.MethodPost, "/presign", wish, &g)
		return g.Key, err
	})
	if err != nil {
		return err
	}
	return r.step(method, fmt.Sprintf("send %d bytes", len(content)), func() (string, error) {
		headers, body := g.Headers, content
		if g.Fields != nil {
			var err error
			if headers, body, err = formData(g.Fields, content); err != nil {
				return "", err
			}
		}
		var answer receipt
		if _, err := r.send(ctx, g.Method, g.URL, headers, body, &answer); err != nil {
			return "", err
		}
		return r.keep(method, g.Key, answer, content)
	})
}

// formData is a form as multipart/form-data: every field, and the file last.
func formData(fields map[string]string, content []byte) (headers map[string]string, body []byte, err error) {
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for name, value := range fields {
		if err := form.WriteField(name, value); err != nil {
			return nil, nil, fmt.Errorf("writing a form: %w", err)
		}
	}
	file, err := form.CreateFormFile("file", "notes.txt")
	if err == nil {
		_, err = file.Write(content)
	}
	if err = errors.Join(err, form.Close()); err != nil {
		return nil, nil, fmt.Errorf("writing a form: %w", err)
	}
	return map[string]string{"Content-Type": form.FormDataContentType()}, b.Bytes(), nil
}

// multipart uploads three parts, the last of them shorter.
func (r *rehearsal) multipart(ctx context.Context) error {
	const (
		method   = "multipart"
		partSize = 1 << 20
	)
	content := randomBytes(2*partSize + 12_345)
	var created struct {
		Key       string `json:"key"`
		UploadID  string `json:"uploadId"`
		PartSize  int    `json:"partSize"`
		PartCount int    `json:"partCount"`
	}
	err := r.step(method, "start an upload", func() (string, error) {
		err := r.callFunction(ctx, http.MethodPost, "/s3/multipart", map[string]any{
			"filename": "film.mp4", "type": "video/mp4", "size": len(content), "partSize": partSize,
		}, &created)
		if err == nil && (created.PartSize != partSize || created.PartCount != 3) {
			err = fmt.Errorf("it has %d parts of %d bytes, not 3 of %d", created.PartCount, created.PartSize, partSize)
		}
		return created.Key, err
	})
	if err != nil {
		return err
	}
	upload := "/s3/multipart/" + url.PathEscape(created.UploadID)
	type part struct {
		PartNumber int
		ETag       string
	}
	var parts []part
	for chunk := range slices.Chunk(content, partSize) {
		number := len(parts) + 1
		err := r.step(method, fmt.Sprintf("send part %d of %d", number, created.PartCount), func() (string, error) {
			var g offer
			if err := r.callFunction(ctx, http.MethodGet, fmt.Sprintf("%s/%d", upload, number), nil, &g); err != nil {
				return "", err
			}
			header, err := r.send(ctx, g.Method, g.URL, nil, chunk, nil)
			if err != nil {
				return "", err
			}
			parts = append(parts, part{number, header.Get("ETag")})
			return "ETag " + header.Get("ETag"), nil
		})
		if err != nil {
			return err
		}
	}
	return r.step(method, "complete it", func() (string, error) {
		var answer receipt
		if err := r.callFunction(ctx, http.MethodPost, upload+"/complete", map[string]any{"parts": parts}, &answer); err != nil {
			return "", err
		}
		return r.keep(method, created.Key, answer, content)
	})
}

// keep holds a receipt against the upload, and remembers both.
func (r *rehearsal) keep(method, key string, answer receipt, content []byte) (string, error) {
	switch {
	case answer.Bucket != r.ready.Bucket || answer.Key != key:
		return "", fmt.Errorf("the receipt names %q in %q, not %q", answer.Key, answer.Bucket, key)
	case answer.Size != int64(len(content)):
		return "", fmt.Errorf("the receipt says %d bytes, not %d", answer.Size, len(content))
	case answer.EventID == "":
		return "", errors.New("the receipt has no event id")
	}
	r.uploads = append(r.uploads, uploaded{method, answer, content})
	return "receipt of " + answer.EventID, nil
}

// compare reads the object with the developer's key.
func (r *rehearsal) compare(ctx context.Context, u uploaded) (string, error) {
	client := oss.NewClient(oss.LoadDefaultConfig().
		WithRegion(r.ready.Region).
		WithEndpoint(r.ready.OSS).
		WithUsePathStyle(true).
		WithRetryMaxAttempts(1).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(r.ready.AccessKeyID, r.ready.AccessKeySecret)))
	object, err := client.GetObject(ctx, &oss.GetObjectRequest{Bucket: oss.Ptr(u.receipt.Bucket), Key: oss.Ptr(u.receipt.Key)})
	if err != nil {
		return "", err
	}
	defer object.Body.Close()
	stored, err := io.ReadAll(io.LimitReader(object.Body, int64(len(u.content))+1))
	if err != nil {
		return "", fmt.Errorf("reading the object: %w", err)
	}
	if !bytes.Equal(stored, u.content) {
		return "", errors.New("other bytes are stored than were sent")
	}
	return fmt.Sprintf("%d bytes, all the same", len(stored)), nil
}

// findEvent asks the webhook receiver, which has verified the signatures.
func (r *rehearsal) findEvent(ctx context.Context, u uploaded) (string, error) {
	var events []struct {
		ID       string `json:"id"`
		Verified bool   `json:"verified"`
		Body     struct {
			Type string  `json:"type"`
			Data receipt `json:"data"`
		} `json:"body"`
	}
	if err := r.callFunction(ctx, http.MethodGet, "/_local/events", nil, &events); err != nil {
		return "", err
	}
	found := 0
	for _, e := range events {
		// An event about this key under another id is one too many as well.
		if e.ID != u.receipt.EventID && e.Body.Data.Key != u.receipt.Key {
			continue
		}
		found++
		switch {
		case !e.Verified:
			return "", errors.New("its signature does not verify")
		case e.Body.Type != "upload.completed" || e.Body.Data != u.receipt || e.ID != u.receipt.EventID:
			return "", errors.New("it says something else than the receipt")
		}
	}
	if found != 1 {
		return "", fmt.Errorf("it was delivered %d times, not once", found)
	}
	return u.receipt.EventID + ", delivered once, signature verified", nil
}

// callFunction asks the gateway as the caller of the ready line.
func (r *rehearsal) callFunction(ctx context.Context, method, path string, in, out any) error {
	header := map[string]string{}
	if r.ready.CallerToken != "" {
		header["Authorization"] = "Bearer " + r.ready.CallerToken
	}
	var body []byte
	if in != nil {
		header["Content-Type"] = "application/json"
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("encoding the request: %w", err)
		}
	}
	_, err := r.send(ctx, method, r.ready.Gateway+path, header, body, out)
	return err
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

// send makes a request and reads the JSON of its answer into out unless that
// is nil. Any status but 200 is an error, also 203, by which OSS says that the
// object is stored and its callback failed.
func (r *rehearsal) send(ctx context.Context, method, target string, header map[string]string, body []byte, out any) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the answer's URL or method is none")
	}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		req.Header.Set(name, header[name])
	}
	res, err := r.client.Do(req)
	if err != nil {
		// net/http's error has the URL, and that has a signature.
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err
		}
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d%s", res.StatusCode, refusal(answer))
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			return nil, fmt.Errorf("reading the answer: %w", err)
		}
	}
	return res.Header, nil
}

// refusal reads the error of a function, which is JSON, or of OSS, which is
// XML, and leaves out all but code and message.
func refusal(answer []byte) string {
	var e struct {
		Code    string `json:"code" xml:"Code"`
		Message string `json:"message" xml:"Message"`
	}
	if json.Unmarshal(answer, &e) != nil && xml.Unmarshal(answer, &e) != nil || e.Code == "" {
		return ""
	}
	return fmt.Sprintf(": %s: %s", e.Code, strings.TrimSpace(e.Message))
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}
