package client

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	maxAnswer = 64 << 20 // bytes: nothing that a function answers comes near it
	maxWords  = 300      // bytes of somebody else's words in a message
)

// Answer is what came back, whatever its status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte

	from string // who answered
	at   time.Time
}

// String is the status and the code of a refusal. It leaves out the body, which
// may hold signed URLs and tokens.
func (a Answer) String() string {
	if code := a.Problem().Code; code != "" && a.Status != http.StatusOK {
		return fmt.Sprintf("%d %s", a.Status, Clean(code))
	}
	return strconv.Itoa(a.Status)
}

// Into reads the JSON of an answer of status 200 into out, unless that is nil.
// Any other status is a *Refusal.
func (a Answer) Into(out any) error {
	if a.Status != http.StatusOK {
		return a.Refusal()
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(a.Body, out); err != nil {
		return fmt.Errorf("reading the answer of %s: not the JSON that was expected; is it ossupload's?", cmp.Or(a.from, "the server"))
	}
	return nil
}

// Problem is the body of a refusal as it was sent: a function's, or what OSS's
// error document has of the same.
type Problem struct {
	Code      string          `json:"code"` // of the contract's error table, or OSS's
	Message   string          `json:"message"`
	RequestID string          `json:"requestId"`
	Error     string          `json:"error"` // repeats the message; a function's only
	Details   json.RawMessage `json:"details"`
}

// Problem reads the error in an answer: JSON of a function, XML of OSS, which
// sends it in the header x-oss-err where there can be no body. It is empty if
// there is neither, as in what a proxy may say.
func (a Answer) Problem() Problem {
	// Of OSS's error only this: other elements repeat what was signed.
	var document struct {
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		RequestID string `xml:"RequestId"`
	}
	var p Problem
	body := bytes.TrimSpace(a.Body)
	if len(body) == 0 {
		body, _ = base64.StdEncoding.DecodeString(a.Header.Get("x-oss-err"))
	}
	switch {
	case bytes.HasPrefix(body, []byte("{")) && json.Unmarshal(body, &p) == nil:
		return p
	case bytes.HasPrefix(body, []byte("<")) && xml.Unmarshal(body, &document) == nil:
		return Problem{Code: document.Code, Message: document.Message, RequestID: document.RequestID}
	}
	return Problem{}
}

// Refusal is an answer that is not a success, as an error. Its text is fit for a
// terminal and has nothing of the request.
type Refusal struct {
	From       string // who answered: Functions or Storage
	Status     int
	Problem    // as it was sent
	RetryAfter time.Duration

	// Why is what a 401 says about the caller's token (error_description of
	// WWW-Authenticate, RFC 6750), or "".
	Why string
	// Ahead is by how much this machine's clock is ahead of the server's; 0 if the
	// server does not tell the time. It is exact to some seconds.
	Ahead time.Duration
}

// Refusal returns the answer as an error, whatever its status.
func (a Answer) Refusal() *Refusal {
	r := &Refusal{
		From:       cmp.Or(a.from, "the server"),
		Status:     a.Status,
		Problem:    a.Problem(),
		RetryAfter: parseRetryAfter(a.Header.Get("Retry-After"), a.at),
	}
	r.RequestID = cmp.Or(r.RequestID, a.Header.Get("X-Request-Id"))
	if _, rest, found := strings.Cut(a.Header.Get("WWW-Authenticate"), `error_description="`); found {
		r.Why, _, _ = strings.Cut(rest, `"`)
	}
	if date, err := http.ParseTime(a.Header.Get("Date")); err == nil && !a.at.IsZero() {
		r.Ahead = a.at.Sub(date)
	}
	return r
}

func (r *Refusal) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s answered %d", r.From, r.Status)
	if code := Clean(r.Code); code != "" {
		text.WriteString(" " + code)
	}
	if message := Clean(r.Message); message != "" {
		text.WriteString(": " + message)
	}
	if details := Clean(string(r.Details)); details != "" && details != "null" {
		text.WriteString(" " + details)
	}
	if why := Clean(r.Why); why != "" {
		text.WriteString(" [" + why + "]")
	}
	if id := Clean(r.RequestID); id != "" {
		text.WriteString(" (request " + id + ")")
	}
	return text.String()
}

// IsStatus reports whether err is a refusal with one of the statuses.
func IsStatus(err error, statuses ...int) bool {
	r, ok := errors.AsType[*Refusal](err)
	return ok && slices.Contains(statuses, r.Status)
}

// IsCode reports whether err is a refusal with this code.
func IsCode(err error, code string) bool {
	r, ok := errors.AsType[*Refusal](err)
	return ok && r.Code == code
}

// parseRetryAfter reads a Retry-After header, RFC 9110, 10.2.3: seconds or a
// date. What it cannot read counts as 0.
func parseRetryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}

// Clean makes a server's or a file's words fit for a terminal: nothing but
// printable characters, and not too many.
func Clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
	if len(text) > maxWords {
		return strings.ToValidUTF8(text[:maxWords], "") + "…"
	}
	return text
}

// LostAnswer means that no answer came, or not all of it. What was asked may
// have happened all the same.
type LostAnswer struct {
	From string // who should have answered
	Err  error
}

func (l *LostAnswer) Error() string { return fmt.Sprintf("no answer from %s: %v", l.From, l.Err) }
func (l *LostAnswer) Unwrap() error { return l.Err }

// ErrTimeout is why an answer was lost that did not come in time.
var ErrTimeout = errors.New("it took too long")

// lost wraps an error of net/http. That has the URL in front, and a signed URL
// is a secret; only the cause is kept.
func lost(from string, err error) *LostAnswer {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		err = ErrTimeout
	}
	return &LostAnswer{from, err}
}

// readAnswer reads all of a response and closes it, so that its connection
// serves the next request.
func readAnswer(res *http.Response) (Answer, error) {
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return Answer{}, fmt.Errorf("reading the answer: %w", err)
	}
	if len(text) > maxAnswer {
		return Answer{}, errors.New("the answer is too long")
	}
	return Answer{Status: res.StatusCode, Header: res.Header, Body: text}, nil
}
