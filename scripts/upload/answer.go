package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

const (
	maxAnswer  = 4 << 20 // bytes: a list of 10,000 parts is under one million
	maxMessage = 300     // bytes of a server's words in an error
)

// answer is what came back, whatever its status.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// refusal is an answer that is no success. Its text is for the user, and holds
// nothing of the request.
type refusal struct {
	from       string // who answered
	status     int
	code       string // of the error table, or OSS's
	message    string
	requestID  string
	details    json.RawMessage
	retryAfter time.Duration
}

func (r *refusal) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s answered %d", r.from, r.status)
	if r.code != "" {
		text.WriteString(" " + r.code)
	}
	if r.message != "" {
		text.WriteString(": " + r.message)
	}
	if details := clean(string(r.details)); details != "" && details != "null" {
		text.WriteString(" " + details)
	}
	if r.requestID != "" {
		text.WriteString(" (request " + r.requestID + ")")
	}
	return text.String()
}

// isStatus reports whether err is a refusal with one of the statuses.
func isStatus(err error, statuses ...int) bool {
	r := (*refusal)(nil)
	if !errors.As(err, &r) {
		return false
	}
	for _, s := range statuses {
		if r.status == s {
			return true
		}
	}
	return false
}

// isCode reports whether err is a refusal with this code.
func isCode(err error, code string) bool {
	r := (*refusal)(nil)
	return errors.As(err, &r) && r.code == code
}

// refusal reads the error in an answer: JSON of a function, XML of OSS, or
// whatever something in between may say, of which only the status is told.
func (a answer) refusal(from string, now time.Time) *refusal {
	r := &refusal{
		from:       from,
		status:     a.status,
		requestID:  a.header.Get("X-Request-Id"),
		retryAfter: parseRetryAfter(a.header.Get("Retry-After"), now),
	}
	var function struct {
		Code, Message, RequestID string
		Details                  json.RawMessage
	}
	// Of OSS's error only this: other elements repeat what was signed.
	var storage struct {
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		RequestID string `xml:"RequestId"`
	}
	switch body := bytes.TrimSpace(a.body); {
	case bytes.HasPrefix(body, []byte("{")) && json.Unmarshal(body, &function) == nil:
		r.code, r.message, r.details = function.Code, function.Message, function.Details
		if function.RequestID != "" {
			r.requestID = function.RequestID
		}
	case bytes.HasPrefix(body, []byte("<")) && xml.Unmarshal(body, &storage) == nil:
		r.code, r.message, r.requestID = storage.Code, storage.Message, storage.RequestID
	}
	r.code, r.message, r.requestID = clean(r.code), clean(r.message), clean(r.requestID)
	return r
}

// clean makes a server's or a file's words fit for a terminal.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
	if len(text) > maxMessage {
		return strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}

// lostAnswer means that no answer came, or not all of it. What was asked may
// have happened all the same.
type lostAnswer struct {
	from string
	err  error
}

func (l *lostAnswer) Error() string { return fmt.Sprintf("no answer from %s: %v", l.from, l.err) }
func (l *lostAnswer) Unwrap() error { return l.err }

var errTimeout = errors.New("it took too long")

// lost wraps an error of net/http. That has the URL in front, and a signed URL
// is a secret; only the cause is kept.
func lost(from string, err error) *lostAnswer {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	if n := net.Error(nil); errors.As(err, &n) && n.Timeout() {
		err = errTimeout
	}
	return &lostAnswer{from, err}
}

// readAnswer reads all of a response and closes it, so that its connection
// serves the next request.
func readAnswer(res *http.Response) (answer, error) {
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return answer{}, fmt.Errorf("reading the answer: %w", err)
	}
	if len(text) > maxAnswer {
		return answer{}, errors.New("the answer is too long")
	}
	return answer{res.StatusCode, res.Header, text}, nil
}
