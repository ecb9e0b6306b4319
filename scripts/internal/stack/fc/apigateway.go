package fc

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// apiGatewayRequest is the event of the classic API gateway.
type apiGatewayRequest struct {
	Path            string            `json:"path"`
	HTTPMethod      string            `json:"httpMethod"`
	Headers         map[string]string `json:"headers"`
	QueryParameters map[string]string `json:"queryParameters"`
	PathParameters  map[string]string `json:"pathParameters"`
	Body            string            `json:"body"`
	IsBase64Encoded any               `json:"isBase64Encoded"` // a bool or the text of one
}

func apiGatewayEvent(r *http.Request, body []byte, a Arrival) ([]byte, error) {
	event := apiGatewayRequest{
		Path:            gatewayPath(r.URL, a.Assume),
		HTTPMethod:      r.Method,
		Headers:         map[string]string{},
		QueryParameters: TriggerAPIGateway.queryParameters(r.URL.RawQuery, a.Assume),
		PathParameters:  map[string]string{},
	}
	// Every body but a GET's was captured as base64, JSON and forms too.
	encoded := r.Method != http.MethodGet && r.Method != http.MethodHead
	if encoded {
		event.Body = base64.StdEncoding.EncodeToString(body)
	}
	event.IsBase64Encoded = gatewayFlag(encoded, a.Assume)

	client := sourceIP(r)
	forwardedFor := client
	if earlier := r.Header.Values("X-Forwarded-For"); len(earlier) > 0 {
		forwardedFor = strings.Join(append(earlier[:len(earlier):len(earlier)], client), ", ")
	}
	added := map[string]string{
		"Host":             r.Host,
		"X-Forwarded-For":  forwardedFor,
		"X-Ca-Api-Gateway": a.RequestID,
		"X-Ca-Request-Id":  a.RequestID,
		// These two are spelled in this way, which is not Go's canonical form.
		"CaClientIp":  client,
		"CaRequestId": a.RequestID,
	}
	for name, values := range r.Header {
		switch strings.ToLower(name) {
		case "connection", "keep-alive", "caclientip", "carequestid":
		default:
			event.Headers[TriggerAPIGateway.headerName(name, a.Assume)] = TriggerAPIGateway.oneValue(values, a.Assume)
		}
	}
	for name, value := range added {
		event.Headers[TriggerAPIGateway.headerName(name, a.Assume)] = value
	}
	return marshalEvent(event)
}

// apiGatewayResponse takes
//
//	{"isBase64Encoded":false,"statusCode":200,"headers":{…},"body":"…"}
//
// with every field present and of its type. The real gateway answers 5xx to
// anything else; which status is not documented, and the gateway says 503.
func apiGatewayResponse(payload []byte) (Response, error) {
	fields, err := answerFields(payload)
	if err != nil {
		return Response{}, err
	}
	var answer answer
	if err := fields.decode(&answer, required); err != nil {
		return Response{}, err
	}
	return answer.response()
}
