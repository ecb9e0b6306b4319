package clients_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stacktest"
)

// The table of questions in README.md says how signed URLs answer to these.
func TestQuestions(t *testing.T) {
	stack := stacktest.Start(t, stacktest.Options{NoTrigger: true, Settings: map[string]string{"UPLOAD_METHODS": "put,form,url"}})
	q := question{stack}
	size := int64(5)
	wish := client.PresignRequest{Filename: "a.txt", Size: &size, ContentType: "text/plain"}

	t.Run("a browser's own Content-Type", func(t *testing.T) {
		g := q.grant(t, wish)
		g.Headers["Content-Type"] = "text/plain;charset=UTF-8"
		q.want(t, g, 403, "SignatureDoesNotMatch")
	})
	t.Run("a form to the URL of a PUT", func(t *testing.T) {
		g := q.grant(t, wish)
		var form bytes.Buffer
		w := multipart.NewWriter(&form)
		part, err := w.CreateFormFile("file", "a.txt")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(part, "hello")
		w.Close()
		res, err := http.Post(g.URL, w.FormDataContentType(), &form)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body, _ := io.ReadAll(res.Body); res.StatusCode != 405 || !bytes.Contains(body, []byte("MethodNotAllowed")) {
			t.Errorf("the answer is %d %s, want 405", res.StatusCode, body)
		}
	})
	t.Run("a PUT writes once", func(t *testing.T) {
		g := q.grant(t, wish)
		q.want(t, g, 200, "eventId")
		q.want(t, g, 409, "FileAlreadyExists")
	})
	t.Run("a url writes again, with an event of its own", func(t *testing.T) {
		wish := wish
		wish.As = "url"
		wish.ContentType = ""
		g := q.grant(t, wish)
		first := q.want(t, g, 200, "eventId")
		second := q.send(t, g, "other", 200, "eventId")
		if id := eventID(t, first); id == eventID(t, second) {
			t.Errorf("other bytes have the same event id %s", id)
		}
	})
}

type question struct{ stack *stacktest.Stack }

func (q question) grant(t *testing.T, in client.PresignRequest) client.Grant {
	t.Helper()
	return headerCheck{stack: q.stack}.grant(t, in)
}

func (q question) want(t *testing.T, g client.Grant, status int, says string) string {
	t.Helper()
	return q.send(t, g, "hello", status, says)
}

// send returns what is answered.
func (q question) send(t *testing.T, g client.Grant, content string, status int, says string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, g.URL, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range g.Headers {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status || !bytes.Contains(body, []byte(says)) {
		t.Errorf("the answer is %d %s, %v; want %d with %s", res.StatusCode, body, err, status, says)
	}
	return string(body)
}

func eventID(t *testing.T, answer string) string {
	t.Helper()
	r, err := client.ParseReceipt([]byte(answer))
	if err != nil {
		t.Fatal(err)
	}
	return r.EventID
}
