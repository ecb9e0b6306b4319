package fc

import (
	"encoding/base64"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// httpTriggerRequest is the event of an HTTP trigger, version v1. The raw
// query does not travel: its order, repetitions and encoding are lost. The
// order of the fields is that of the document's sample.
type httpTriggerRequest struct {
	Version         string             `json:"version"`
	RawPath         string             `json:"rawPath"` // as it was on the wire
	Body            string             `json:"body,omitempty"`
	IsBase64Encoded bool               `json:"isBase64Encoded"`
	Headers         map[string]string  `json:"headers"`
	QueryParameters map[string]string  `json:"queryParameters"`
	RequestContext  httpTriggerContext `json:"requestContext"`
}

type httpTriggerContext struct {
	AccountID    string            `json:"accountId"`
	DomainName   string            `json:"domainName"`
	DomainPrefix string            `json:"domainPrefix"`
	HTTP         httpTriggerTarget `json:"http"`
	RequestID    string            `json:"requestId"`
	Time         string            `json:"time"`      // 2023-09-05T06:41:11Z
	TimeEpoch    string            `json:"timeEpoch"` // milliseconds, as a string
}

type httpTriggerTarget struct {
	Method    string `json:"method"`
	Path      string `json:"path"` // decoded
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

func httpTriggerEvent(r *http.Request, body []byte, a Arrival) ([]byte, error) {
	domain := r.Host
	if host, _, err := net.SplitHostPort(domain); err == nil {
		domain = host
	}
	prefix, _, _ := strings.Cut(domain, ".")
	event := httpTriggerRequest{
		Version:         "v1",
		RawPath:         r.URL.EscapedPath(),
		Body:            string(body),
		Headers:         map[string]string{TriggerHTTP.headerName("Host", a.Assume): r.Host},
		QueryParameters: TriggerHTTP.queryParameters(r.URL.RawQuery, a.Assume),
		RequestContext: httpTriggerContext{
			AccountID:    a.AccountID,
			DomainName:   domain,
			DomainPrefix: prefix,
			HTTP: httpTriggerTarget{
				Method:    r.Method,
				Path:      r.URL.Path,
				Protocol:  r.Proto,
				SourceIP:  sourceIP(r),
				UserAgent: r.UserAgent(),
			},
			RequestID: a.RequestID,
			Time:      a.Time.UTC().Format(time.RFC3339),
			TimeEpoch: strconv.FormatInt(a.Time.UnixMilli(), 10),
		},
	}
	if len(body) > 0 && (allBase64(a.Assume) || isBinary(r.Header, body)) {
		event.Body = base64.StdEncoding.EncodeToString(body)
		event.IsBase64Encoded = true
	}
	for name, values := range r.Header {
		lower := strings.ToLower(name)
		if lower != "connection" && lower != "keep-alive" && !strings.HasPrefix(lower, "x-fc-") {
			event.Headers[TriggerHTTP.headerName(name, a.Assume)] = TriggerHTTP.oneValue(values, a.Assume)
		}
	}
	return marshalEvent(event)
}

// isBinary reports whether the platform would encode the body if it tells
// types apart. What passes as text is what is text by definition, and UTF-8.
func isBinary(header http.Header, body []byte) bool {
	if !utf8.Valid(body) || header.Get("Content-Encoding") != "" {
		return true
	}
	contentType := header.Get("Content-Type")
	if contentType == "" {
		return false
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return true
	}
	switch mediaType {
	case "application/json", "application/xml", "application/javascript", "application/x-www-form-urlencoded":
		return false
	}
	return !strings.HasPrefix(mediaType, "text/") &&
		!strings.HasSuffix(mediaType, "+json") &&
		!strings.HasSuffix(mediaType, "+xml")
}

// httpTriggerResponse takes
//
//	{"statusCode":200,"headers":{"Content-Type":"…"},"isBase64Encoded":false,"body":"…"}
//
// where all but statusCode may be left out. A payload that is no JSON object
// with a statusCode is itself the body, as the platform's own samples show.
func httpTriggerResponse(payload []byte) (Response, error) {
	fields, err := answerFields(payload)
	if err != nil || fields["statusCode"] == nil {
		return Response{
			Status: http.StatusOK,
			Header: http.Header{"Content-Type": {"application/json"}},
			Body:   payload,
		}, nil
	}
	var answer answer
	if err := fields.decode(&answer, optional); err != nil {
		return Response{}, err
	}
	return answer.response()
}
