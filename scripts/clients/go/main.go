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
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}

	// Without a contentType the extension of the name decides.
	status, body, err := post("/presign", map[string]any{"filename": filepath.Base(path), "size": info.Size()})
	if err != nil || status != http.StatusOK {
		return nil, refusal("asking for a URL", status, body, err)
	}
	var g grant
	if err := json.Unmarshal(body, &g); err != nil {
		return nil, fmt.Errorf("asking for a URL: %w", err)
	}

	req, err := http.NewRequest(g.Method, g.URL, file)
	if err != nil {
		return nil, errors.New("uploading: the granted URL cannot be read")
	}
	// net/http does not ask a file for its length and would send it chunked,
	// which is refused: the length is signed. A ContentLength of 0 means
	// "unknown" to it, unless there is no body.
	req.ContentLength = info.Size()
	if info.Size() == 0 {
		req.Body = http.NoBody
	}
	for name, value := range g.Headers { // exactly as granted, Content-Type too
		req.Header.Set(name, value)
	}
	status, body, err = send(req)

	// 203 is not success: the object is stored, but the application was not
	// told. /confirm tells it and has the receipt; it may be asked again and
	// again.
	if status == http.StatusNonAuthoritativeInfo {
		for pause := time.Second; ; pause *= 2 {
			status, body, err = post("/confirm", map[string]string{"uploadToken": g.UploadToken})
			if err == nil && status < 500 || pause > 16*time.Second {
				break
			}
			time.Sleep(pause)
		}
	}
	if err != nil || status != http.StatusOK {
		return nil, refusal("uploading", status, body, err)
	}
	return body, nil
}

func post(route string, in any) (status int, body []byte, err error) {
	text, err := json.Marshal(in)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequest(http.MethodPost, os.Getenv("OSSUPLOAD_ENDPOINT")+route, bytes.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+os.Getenv("OSSUPLOAD_TOKEN"))
	req.Header.Set("Content-Type", "application/json")
	return send(req)
}

// client has no limit for a whole request, for files may be large.
var client = &http.Client{Transport: &http.Transport{
	Proxy:                 http.ProxyFromEnvironment,
	DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	ResponseHeaderTimeout: 60 * time.Second,
}}

func send(req *http.Request) (status int, body []byte, err error) {
	res, err := client.Do(req)
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return 0, nil, u.Err // u itself has the signed URL in its text
	}
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, body, err
}

// code is in JSON from the functions and in XML from OSS.
var code = regexp.MustCompile(`(?:"code":\s*"|<Code>)(\w+)`)

func refusal(what string, status int, body []byte, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if found := code.FindSubmatch(body); found != nil {
		return fmt.Errorf("%s: %d %s", what, status, found[1])
	}
	return fmt.Errorf("%s: %d", what, status)
}
