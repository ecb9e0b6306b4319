package poison

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// Request is a request as a trigger of Function Compute hands it over.
type Request struct {
	Method string
	Path   string            // encoded
	Header map[string]string // of sound values
	Query  []string          // members of queryParameters, as JSON: "name":"value"
	Body   string
	Plain  bool // the body is handed over as text, and not as base64
}

// Trigger is the event of an HTTP trigger.
func (r Request) Trigger() []byte {
	return r.event(fmt.Sprintf(`"version":"v1","rawPath":%[2]s,"requestContext":{"http":{"method":%[1]s,"path":%[2]s}}`, asJSON(r.Method), asJSON(r.Path)))
}

// Gateway is the event of an API gateway.
func (r Request) Gateway() []byte {
	return r.event(fmt.Sprintf(`"httpMethod":%s,"path":%s`, asJSON(r.Method), asJSON(r.Path)))
}

func (r Request) event(line string) []byte {
	body := r.Body
	if !r.Plain {
		body = base64.StdEncoding.EncodeToString([]byte(body))
	}
	return fmt.Appendf(nil, `{%s,"headers":%s,"queryParameters":{%s},"isBase64Encoded":%t,"body":%s}`,
		line, asJSON(r.Header), strings.Join(r.Query, ","), !r.Plain, asJSON(body))
}

// asJSON is v as JSON. It cannot fail for strings and maps of them.
func asJSON(v any) string {
	t, _ := json.Marshal(v)
	return string(t)
}

// Yardstick is what the cost of a request is held against: json.Valid of its body,
// or of the whole event where it gives up on the body before its end.
func (r Request) Yardstick(event []byte) func() {
	text := []byte(r.Body)
	if !json.Valid(text) {
		text = event
	}
	return func() { json.Valid(text) }
}
