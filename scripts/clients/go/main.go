// Command go uploads FILE and prints the receipt:
//
//	OSSUPLOAD_ENDPOINT=https://upload.example.com OSSUPLOAD_TOKEN=… go run main.go FILE
//
// It is one file of the standard library, to be copied.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

type grant struct {
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	Headers     map[string]string `json:"headers"`
	UploadToken string            `json:"uploadToken"`
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run main.go FILE")
		os.Exit(2)
	}
	receipt, err := upload(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%s\n", receipt)
}

func upload(path string) (receipt []byte, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	// Without a contentType the extension of the name decides.
	asked := ask("/presign", "url", map[string]any{"filename": filepath.Base(path), "size": info.Size()})
	if !asked.has("url") {
		return nil, asked.failure("asking for a URL")
	}
	var g grant
	if err := json.Unmarshal(asked.body, &g); err != nil {
		return nil, fmt.Errorf("asking for a URL: %w", err)
	}

	for pause := time.Second; ; pause *= 2 {
		put, err := g.put(path, info.Size())
		if err != nil {
			return nil, err
		}
		if put.has("eventId") {
			return put.body, nil
		}
		// It may be stored all the same: 203 says that it is and that the
		// application was not told, 409 that an earlier try was, and an answer may
		// be lost. /confirm knows, tells the application and has the receipt.
		confirmed := ask("/confirm", "eventId", map[string]string{"uploadToken": g.UploadToken})
		if confirmed.has("eventId") {
			return confirmed.body, nil
		}
		if confirmed.status != http.StatusNotFound {
			return nil, confirmed.failure("asking whether it is stored")
		}
		if put.refused() || pause > 2*time.Second {
			return nil, put.failure("uploading") // nothing is stored
		}
		time.Sleep(pause)
	}
}

func (g grant) put(path string, size int64) (answer, error) {
	file, err := os.Open(path)
	if err != nil {
		return answer{}, err
	}
	defer file.Close()
	req, err := http.NewRequest(g.Method, g.URL, file)
	if err != nil {
		return answer{}, errors.New("uploading: the granted URL cannot be read")
	}
	// net/http does not ask a file for its length and would send it chunked,
	// which is refused: the length is signed. A ContentLength of 0 means
	// "unknown" to it, unless there is no body.
	req.ContentLength = size
	if size == 0 {
		req.Body = http.NoBody
	}
	for name, value := range g.Headers { // exactly as granted, Content-Type too
		req.Header.Set(name, value)
	}
	return send(req), nil
}

// ask asks until the answer has the field, within reason.
func ask(route, field string, in any) (a answer) {
	text, err := json.Marshal(in)
	if err != nil {
		return answer{err: err}
	}
	for pause := time.Second; ; pause *= 2 {
		req, err := http.NewRequest(http.MethodPost, os.Getenv("OSSUPLOAD_ENDPOINT")+route, bytes.NewReader(text))
		if err != nil {
			return answer{err: err}
		}
		req.Header.Set("Authorization", "Bearer "+os.Getenv("OSSUPLOAD_TOKEN"))
		req.Header.Set("Content-Type", "application/json")
		if a = send(req); a.has(field) || a.refused() || pause > 8*time.Second {
			return a
		}
		time.Sleep(pause)
	}
}

// answer is of status 0, with the reason, if none came.
type answer struct {
	status int
	body   []byte
	err    error
}

// client has no limit for a whole request, for files may be large.
var client = &http.Client{Transport: &http.Transport{
	Proxy:                 http.ProxyFromEnvironment,
	DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	ResponseHeaderTimeout: 60 * time.Second,
}}

func send(req *http.Request) answer {
	res, err := client.Do(req)
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return answer{err: u.Err} // u itself has the signed URL in its text
	}
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return answer{err: err}
	}
	return answer{status: res.StatusCode, body: body}
}

// has reports success. 200 alone is none: a function that failed may be answered
// with it, too.
func (a answer) has(field string) bool {
	var fields map[string]any
	return a.status == http.StatusOK && json.Unmarshal(a.body, &fields) == nil && fields[field] != nil
}

// refused reports whether to ask again would change nothing.
func (a answer) refused() bool {
	return a.status >= 400 && a.status < 500 && a.status != http.StatusConflict && a.status != http.StatusTooManyRequests
}

// said finds what a function answers, one line of JSON, and of OSS's XML, which
// has the signature in it, what helps.
var said = regexp.MustCompile(`^[{\w].*|<(?:Code|Message|EC|RequestId)>[^<]+`)

func (a answer) failure(what string) error {
	if a.err != nil {
		return fmt.Errorf("%s: no answer: %w", what, a.err)
	}
	return fmt.Errorf("%s: %d %s", what, a.status, bytes.Join(said.FindAll(a.body, -1), []byte(" ")))
}
