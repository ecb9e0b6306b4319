package explain

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// address is a URL, taken apart and not decoded: how it is written is what is
// looked at.
type address struct {
	host, path string
	query      []parameter
}

type parameter struct{ name, value string }

// signatureName is the one parameter that is not signed.
const signatureName = "x-oss-signature"

func splitURL(text string) address {
	var a address
	if _, rest, ok := strings.Cut(text, "://"); ok {
		at := strings.IndexAny(rest, "/?")
		if at < 0 {
			at = len(rest)
		}
		a.host, text = strings.ToLower(rest[:at]), rest[at:]
	}
	path, query, _ := strings.Cut(text, "?")
	a.path = path
	a.query = splitQuery(query)
	return a
}

func splitQuery(query string) []parameter {
	var all []parameter
	for part := range strings.SplitSeq(query, "&") {
		if part != "" {
			name, value, _ := strings.Cut(part, "=")
			all = append(all, parameter{name, value})
		}
	}
	return all
}

func (a address) get(name string) (string, bool) {
	for _, p := range a.query {
		if decode(p.name) == name {
			return p.value, true
		}
	}
	return "", false
}

func (a address) has(name string) bool { _, ok := a.get(name); return ok }

// grant is what POST /presign answered.
type grant struct {
	method  string
	url     address
	headers map[string]string // by names in lower case
	form    bool
	signed  int64 // Unix seconds, 0 if it is not known
	ends    int64
}

func parseGrant(text string) (*grant, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var answer struct {
		Method    string
		URL       string
		Headers   map[string]string
		Fields    map[string]string
		Expires   int64
		ExpiresAt string
	}
	if json.Unmarshal([]byte(text), &answer) != nil || answer.Method == "" || answer.URL == "" {
		return nil, ErrPresign
	}
	g := &grant{method: answer.Method, url: splitURL(answer.URL), headers: map[string]string{}, form: answer.Fields != nil}
	for name, value := range answer.Headers {
		g.headers[strings.ToLower(name)] = value
	}
	if ends, err := time.Parse(time.RFC3339, answer.ExpiresAt); err == nil {
		g.ends = ends.Unix()
		g.signed = g.ends - answer.Expires
	}
	return g, nil
}

// request is one that was sent, as a transcript or OSS's canonical request shows
// it.
type request struct {
	method string
	address
	headers map[string]string // by names in lower case
}

// names are those of the headers that are signed whenever they are sent.
func (r *request) names() []string {
	var names []string
	for name := range r.headers {
		names = append(names, redact(name))
	}
	slices.Sort(names)
	return names
}

// refusal is an error document.
type refusal struct {
	who       string // byStorage, byFunction or ""
	code      string
	ec        string
	message   string
	requestID string
	element   map[string]string // of OSS's
}

// exchange is a request and its answer, as far as they are known.
type exchange struct {
	request *request // nil: unknown
	status  string
	date    int64 // of the answer, Unix seconds, or 0
	admits  bool  // the answer has Access-Control-Allow-Origin
	// document is the error of an answer to HEAD, which has no body.
	document string
	refusal  refusal
}

var (
	requestLine  = regexp.MustCompile(`^> ([A-Z]+) (\S+) HTTP/[0-9.]+$`)
	requestField = regexp.MustCompile(`^> ([A-Za-z0-9-]+): ?(.*)$`)
	statusLine   = regexp.MustCompile(`^< HTTP/[0-9.]+ (\d{3})`)
	answerField  = regexp.MustCompile(`^< ([A-Za-z0-9-]+): ?(.*)$`)
)

// parseExchange reads an answer, or the last exchange of a transcript.
func parseExchange(text string) exchange {
	var e exchange
	text = strings.ReplaceAll(text, "\r", "")
	for line := range strings.SplitSeq(text, "\n") {
		if m := requestLine.FindStringSubmatch(line); m != nil {
			e = exchange{request: &request{method: m[1], address: splitURL(m[2]), headers: map[string]string{}}}
		} else if m := requestField.FindStringSubmatch(line); m != nil && e.request != nil {
			name := strings.ToLower(m[1])
			if name == "host" {
				e.request.host = strings.ToLower(m[2])
			}
			e.request.headers[name] = m[2]
		} else if m := statusLine.FindStringSubmatch(line); m != nil {
			if m[1] != "100" {
				e.status = m[1]
			}
		} else if m := answerField.FindStringSubmatch(line); m != nil {
			e.answerHeader(strings.ToLower(m[1]), m[2])
		}
	}
	e.refusal = parseRefusal(text, e)
	return e
}

func (e *exchange) answerHeader(name, value string) {
	switch name {
	case "date":
		if date, err := time.Parse(time.RFC1123, value); err == nil {
			e.date = date.Unix()
		}
	case "access-control-allow-origin":
		e.admits = true
	case "x-oss-err":
		if document, err := base64.StdEncoding.DecodeString(value); err == nil {
			e.document = string(document)
		}
	}
}

// preflight reports whether the exchange is what a browser asks before it lets a page
// make its request.
func (e exchange) preflight() bool { return e.request != nil && e.request.method == "OPTIONS" }

// elements are those of OSS's error that are of use. What else is there may repeat
// what was signed.
var elements = []string{
	"Code", "Message", "EC", "RequestId", "CanonicalRequest", "Expires", "ServerTime", "BucketName", "Endpoint", "ArgumentName", "AuthAction",
}

var problemBody = regexp.MustCompile(`(?m)^[^<>*{]*(\{"code".*\})\s*$`)

func parseRefusal(text string, e exchange) refusal {
	r := refusal{element: map[string]string{}}
	for _, name := range elements {
		r.element[name] = element(cmp.Or(e.document, text), name)
	}
	switch {
	case r.element["Code"] != "":
		r.who, r.code, r.ec = byStorage, r.element["Code"], r.element["EC"]
		r.message, r.requestID = r.element["Message"], r.element["RequestId"]
	case r.problem(text), r.told(text):
	// Without a body, as where only the headers were kept, the status is all there is.
	case e.status == "203":
		r.who, r.code = byStorage, "CallbackFailed"
	case e.preflight() && e.status == "403" && asker(e.request.address, nil) == byStorage:
		r.who, r.code, r.message = byStorage, "AccessForbidden", "CORS"
	}
	return r
}

// problem reads the JSON of a function, and reports whether there is one.
func (r *refusal) problem(text string) bool {
	var body struct{ Code, Message, RequestID string }
	m := problemBody.FindStringSubmatch(text)
	if m == nil || json.Unmarshal([]byte(m[1]), &body) != nil || body.Code == "" {
		return false
	}
	r.who, r.code, r.message, r.requestID = byFunction, body.Code, body.Message, body.RequestID
	return true
}

// told reads how an SDK or the command line repeats a refusal, and reports whether
// one does.
func (r *refusal) told(text string) bool {
	for _, told := range book.Told {
		m := within[told.Pattern].FindStringSubmatch(text)
		if m == nil {
			continue
		}
		r.who, r.code, r.message = told.Who, m[1], m[2]
		if len(m) > 3 {
			r.ec = m[3]
		}
		return true
	}
	return false
}

// element is the text of the first element of a name. A document may be cut, or
// stand between the lines of a transcript.
func element(text, name string) string {
	_, rest, ok := strings.Cut(text, "<"+name+">")
	if !ok {
		return ""
	}
	value, _, ok := strings.Cut(rest, "</"+name+">")
	if !ok {
		return ""
	}
	return unescape(value)
}

var entity = regexp.MustCompile(`&(#x?[0-9A-Fa-f]+|lt|gt|amp|quot|apos);`)

func unescape(text string) string {
	return entity.ReplaceAllStringFunc(text, func(e string) string {
		name := e[1 : len(e)-1]
		switch name {
		case "lt":
			return "<"
		case "gt":
			return ">"
		case "amp":
			return "&"
		case "quot":
			return `"`
		case "apos":
			return "'"
		}
		number, base := strings.TrimPrefix(name, "#"), 10
		if hex, ok := strings.CutPrefix(number, "x"); ok {
			number, base = hex, 16
		}
		n, err := strconv.ParseInt(number, base, 32)
		if err != nil || n > 0x10ffff {
			return e
		}
		return string(rune(n))
	})
}

// parseCanonical reads the six parts of a canonical request ("Include a V4 signature
// in the Authorization header"):
//
//	method, path, query, one line for each signed header, an empty line,
//	names of additional headers, UNSIGNED-PAYLOAD
func parseCanonical(text string) *request {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	const least = 3
	if len(lines) < least {
		return nil
	}
	r := &request{method: lines[0], address: splitURL(lines[1]), headers: map[string]string{}}
	r.query = splitQuery(lines[2])
	for _, line := range lines[least:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			break
		}
		r.headers[name] = value
	}
	return r
}

// times adds when a URL ended and what OSS's clock said.
func times(f facts, e exchange, g *grant) {
	ends, _ := unix(e.refusal.element["Expires"])
	server, _ := unix(e.refusal.element["ServerTime"])
	if ends == 0 && g != nil {
		ends = g.ends
	}
	if server == 0 {
		server = e.date
	}
	if ends != 0 {
		f["expires"] = clock(ends)
	}
	if server != 0 {
		f["server"] = clock(server)
	}
	if ends != 0 && server > ends {
		f["late"] = minutes(server - ends)
	}
}

func unix(text string) (int64, bool) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, false
	}
	return t.Unix(), true
}

func clock(seconds int64) string { return time.Unix(seconds, 0).UTC().Format("2006-01-02T15:04:05Z") }
