package oss

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// xmlTimeLayout is how OSS writes times in XML.
const xmlTimeLayout = "2006-01-02T15:04:05.000Z"

// maxDocument bounds the XML that a request may carry. 10,000 parts fit.
const maxDocument = 4 << 20

// call is one request on its way through the stand-in.
type call struct {
	s         *Server
	w         *answer
	r         *http.Request
	requestID string
	started   time.Time

	target    target
	query     params
	operation string
	account   *Account // who asks; nil for a stranger
	code      code     // of the error that was answered, for the log
}

func newCall(s *Server, w http.ResponseWriter, r *http.Request) *call {
	c := &call{s: s, r: r, requestID: randomHex(12), started: time.Now()}
	c.w = &answer{ResponseWriter: w, c: c}
	return c
}

// answer completes the headers that every answer of OSS has when the status
// is written, and remembers the status.
type answer struct {
	http.ResponseWriter
	c      *call
	status int
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
		header := a.Header()
		header.Set("Server", "AliyunOSS")
		header.Set("x-oss-request-id", a.c.requestID)
		header.Set("x-oss-server-time", strconv.FormatInt(time.Since(a.c.started).Milliseconds(), 10))
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// fail answers err. What is not an OSS error is a fault of the stand-in or
// its disk, told to the log alone.
func (c *call) fail(err error) {
	var e *apiError
	if !errors.As(err, &e) {
		c.s.cfg.Log.Error("oss stand-in", "operation", c.operation, "requestId", c.requestID, "err", err.Error())
		e = errInternal()
	}
	if c.w.status != 0 {
		// Half an answer is on the wire; only the connection can say so.
		panic(http.ErrAbortHandler)
	}
	c.drain()
	c.writeError(e)
}

// drain reads what is left of a refused upload, within reason: a browser that
// is cut off while it sends never shows its user the refusal. A client that
// waits for 100 Continue has sent nothing yet.
func (c *call) drain() {
	if c.r.Body != nil && c.r.Header.Get("Expect") == "" {
		io.CopyN(io.Discard, c.r.Body, 64<<20)
	}
}

func (c *call) log() {
	c.s.cfg.Log.LogAttrs(c.r.Context(), slog.LevelInfo, "oss stand-in",
		slog.String("operation", c.operation),
		slog.Int("status", c.w.status),
		slog.String("code", string(c.code)),
		slog.String("requestId", c.requestID))
}

// writeXML answers 200 with a document.
func (c *call) writeXML(document any) error { return c.writeDocument(http.StatusOK, document) }

func (c *call) writeDocument(status int, document any) error {
	body, err := xml.MarshalIndent(document, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the answer of %s: %w", c.operation, err)
	}
	return c.writeBody(status, "application/xml", append([]byte(xml.Header), append(body, '\n')...))
}

func (c *call) writeBody(status int, contentType string, body []byte) error {
	c.w.Header().Set("Content-Type", contentType)
	c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	_, err := c.w.Write(body)
	return err
}

// writeEmpty answers without a body.
func (c *call) writeEmpty(status int) error {
	if status != http.StatusNoContent {
		c.w.Header().Set("Content-Length", "0")
	}
	c.w.WriteHeader(status)
	return nil
}

// readDocument reads and checks a small body. An empty one is returned empty.
func (c *call) readDocument() ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(c.r.Body, maxDocument+1))
	if err != nil {
		return nil, errIncompleteBody()
	}
	if len(body) > maxDocument {
		return nil, errMalformedXML("")
	}
	if err := checkDigest(c.r.Header, md5Of(body)); err != nil {
		return nil, err
	}
	return body, nil
}

// subresources returns the parameters that choose the operation, sorted.
func (c *call) subresources() []string {
	var names []string
	for _, p := range c.query {
		if slices.Contains(subresources, p.name) && !slices.Contains(names, p.name) {
			names = append(names, p.name)
		}
	}
	slices.Sort(names)
	return names
}

// encodeKey returns the encoder that the client asked for with
// encoding-type, and the element that says so.
func (c *call) encodeKey() (encode func(string) string, encodingType string, err error) {
	switch value := c.query.get("encoding-type"); value {
	case "":
		return func(s string) string { return s }, "", nil
	case "url":
		return func(s string) string { return strings.ReplaceAll(percentEncode(s), "%2F", "/") }, value, nil
	default:
		return nil, "", invalidArgument("encoding-type", value, "", "Invalid Encoding Method specified in Request.")
	}
}

// intParam reads a number within limits; absent means fallback.
func (c *call) intParam(name string, low, high, fallback int) (int, error) {
	if !c.query.has(name) {
		return fallback, nil
	}
	value := c.query.get(name)
	n, err := strconv.Atoi(value)
	if err != nil || n < low || n > high {
		return 0, invalidArgument(name, value, "", fmt.Sprintf("%s must be a number from %d to %d.", name, low, high))
	}
	return n, nil
}

// forbidsOverwrite reads x-oss-forbid-overwrite: "true", "false" or absent.
func forbidsOverwrite(header http.Header) (bool, error) {
	const name = "x-oss-forbid-overwrite"
	switch value := header.Get(name); value {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	default:
		return false, invalidArgument(name, value, "0017-00000279", "The value must be true or false.")
	}
}

// checkKey holds a key against the naming rules of OSS.
func checkKey(key string) error {
	switch {
	case len(key) > 1023:
		return errorf(http.StatusBadRequest, codeInvalidObjectName, "", "The Length of Object name must be less than 1024.")
	case key == "" || key[0] == '/' || key[0] == '\\' || !utf8.ValidString(key):
		return errorf(http.StatusBadRequest, codeInvalidObjectName, "", "The specified object is not valid.")
	}
	return nil
}

// randomHex returns n random bytes as upper-case hex, the look of request and
// upload ids.
func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return strings.ToUpper(hex.EncodeToString(b))
}
