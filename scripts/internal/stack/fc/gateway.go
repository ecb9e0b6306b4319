package fc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/stack/fault"
)

// Trigger is the kind of gateway in front of the functions.
type Trigger string

const (
	// TriggerAPIGateway is the classic API gateway with event functions behind it.
	TriggerAPIGateway Trigger = "apigateway"
	// TriggerHTTP is the HTTP trigger of FC 3.0, also behind a custom domain.
	TriggerHTTP Trigger = "http"
)

// ParseTrigger accepts the names of the two triggers.
func ParseTrigger(name string) (Trigger, error) {
	switch t := Trigger(name); t {
	case TriggerAPIGateway, TriggerHTTP:
		return t, nil
	}
	return "", fmt.Errorf("unknown trigger %q: it is %q or %q", name, TriggerAPIGateway, TriggerHTTP)
}

// Route sends requests for Prefix itself, and for whatever is below it, to a
// function. "/s3" covers /s3 and /s3/multipart, but not /s3x; "" covers all.
type Route struct {
	Prefix   string
	Function Invoker

	// Direct is a function that is called past what stands before the others: by
	// its own HTTP trigger, as OSS calls the callback.
	Direct bool

	// NoOptions is a function whose trigger does not list OPTIONS: the platform
	// answers its preflights.
	NoOptions bool

	// Fault, if not nil, is asked for each call in which mode of package fault it
	// is to fail, if it is.
	Fault func() string
}

// What the HTTP trigger accepts, of "HTTP triggers overview". The limits of
// the classic gateway depend on its instance; it is held to the same.
const (
	maxHeaderBytes = 8 << 10 // names and values; of requests and of answers
	maxTargetBytes = 4 << 10 // path and query
	maxBodyBytes   = 32 << 20
)

// ErrBadResponse means that a function's payload is not an answer that the
// gateway can send.
var ErrBadResponse = errors.New("function answered in a form that the gateway refuses")

// Arrival is what a gateway knows of a request besides the request.
type Arrival struct {
	RequestID string
	Time      time.Time
	AccountID string

	Assume facts.Assumptions // how the event is written
}

// Response is a function's answer, ready to be sent.
type Response struct {
	Status int
	Header http.Header // without what a gateway does not pass on
	Body   []byte
}

// EventFromRequest makes the event of a request whose body has been read. It
// is a pure function, and r.Body is not touched.
func (t Trigger) EventFromRequest(r *http.Request, body []byte, a Arrival) ([]byte, error) {
	switch t {
	case TriggerAPIGateway:
		return apiGatewayEvent(r, body, a)
	case TriggerHTTP:
		return httpTriggerEvent(r, body, a)
	}
	panic(fmt.Sprintf("fc: unknown trigger %q", string(t)))
}

// ResponseFromPayload makes the answer of what a function returned. Its error
// wraps [ErrBadResponse].
func (t Trigger) ResponseFromPayload(payload []byte) (Response, error) {
	switch t {
	case TriggerAPIGateway:
		return apiGatewayResponse(payload)
	case TriggerHTTP:
		return httpTriggerResponse(payload)
	}
	panic(fmt.Sprintf("fc: unknown trigger %q", string(t)))
}

type gateway struct {
	trigger Trigger
	routes  []Route // longest prefix first
	assume  facts.Assumptions
	log     *slog.Logger
}

// NewGateway serves HTTP by invoking functions: each request becomes an event
// of the trigger's shape for the function with the longest matching prefix.
// assume are the values of what is unknown. A nil log discards. It is not to be mounted behind an [http.ServeMux], which
// would clean paths that the real gateways leave alone. It panics if the
// trigger is not one of the constants.
func NewGateway(trigger Trigger, routes []Route, assume facts.Assumptions, log *slog.Logger) http.Handler {
	if _, err := ParseTrigger(string(trigger)); err != nil {
		panic("fc: " + err.Error())
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	routes = slices.Clone(routes)
	for i := range routes {
		routes[i].Prefix = strings.TrimRight(routes[i].Prefix, "/")
	}
	slices.SortStableFunc(routes, func(a, b Route) int { return len(b.Prefix) - len(a.Prefix) })
	return &gateway{trigger: trigger, routes: routes, assume: assume, log: log}
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	arrival := Arrival{Time: time.Now(), Assume: g.assume}
	arrival.RequestID = newRequestID(arrival.Time)
	w.Header().Set(g.requestIDHeader(), arrival.RequestID)

	route, ok := g.route(r.URL.Path)
	if !ok {
		g.refuse(w, arrival, refusal{http.StatusNotFound, "NotFound", "no function serves this path", ""})
		return
	}
	if g.preflight(w, r, route) {
		return
	}
	arrival.AccountID = route.Function.accountID()

	body, refused := readRequest(w, r)
	if refused != nil {
		g.refuse(w, arrival, *refused)
		return
	}
	mode := route.fault()
	if g.failed(w, r, arrival, mode) {
		return
	}
	response, err := g.call(g.pass(r, route), body, arrival, route.Function)
	if mode == fault.StoredThenReset {
		fault.Reset(w)
		return
	}
	if err == nil {
		g.addCORS(&response, r)
		send(w, response)
		return
	}
	if r.Context().Err() != nil {
		return // the client has left
	}
	// The log names the route, for paths and queries can hold tokens.
	g.log.Error("invocation failed", "route", route.Prefix, "requestId", arrival.RequestID, "err", err.Error())
	g.refuse(w, arrival, g.refusalOf(err))
}

// call has a function answer a request.
func (g *gateway) call(r *http.Request, body []byte, a Arrival, f Invoker) (Response, error) {
	event, err := g.trigger.EventFromRequest(r, body, a)
	if err != nil {
		return Response{}, err
	}
	payload, err := f.invoke(r.Context(), a.RequestID, event)
	if err != nil {
		return Response{}, err
	}
	response, err := g.trigger.ResponseFromPayload(payload)
	if err == nil {
		err = g.limit(response)
	}
	return response, err
}

func (g *gateway) route(path string) (Route, bool) {
	for _, route := range g.routes {
		if rest, ok := strings.CutPrefix(path, route.Prefix); ok && (rest == "" || rest[0] == '/') {
			return route, true
		}
	}
	return Route{}, false
}

func (g *gateway) requestIDHeader() string {
	if g.trigger == TriggerAPIGateway {
		return "X-Ca-Request-Id"
	}
	return "X-Fc-Request-Id"
}

// refusal is an answer of the gateway's own.
type refusal struct {
	status    int
	code      string
	message   string
	errorType string // of X-Fc-Error-Type; empty where no function was at fault
}

// refusalOf turns the end of an invocation into an answer. The real statuses
// are not documented, except for the bad responses.
func (g *gateway) refusalOf(err error) refusal {
	const handled, unhandled = "HandledInvocationError", "UnhandledInvocationError"
	var reported *FunctionError
	switch {
	case errors.As(err, &reported) && !reported.Panic:
		return refusal{g.failureStatus(http.StatusBadGateway), "FunctionError", reported.Error(), handled}
	case errors.As(err, &reported):
		return refusal{g.failureStatus(http.StatusBadGateway), "FunctionError", reported.Error(), unhandled}
	case errors.Is(err, ErrTimeout):
		return refusal{g.failureStatus(http.StatusGatewayTimeout), "FunctionTimeout", err.Error(), unhandled}
	case errors.Is(err, ErrBadResponse) && g.trigger == TriggerAPIGateway:
		return refusal{http.StatusServiceUnavailable, "BadResponse", err.Error(), unhandled}
	case errors.Is(err, ErrBadResponse):
		return refusal{http.StatusBadGateway, "BadResponse", err.Error(), unhandled}
	}
	return refusal{g.failureStatus(http.StatusBadGateway), "FunctionUnavailable", err.Error(), unhandled}
}

func (g *gateway) refuse(w http.ResponseWriter, a Arrival, why refusal) {
	body, _ := json.Marshal(struct{ RequestId, Code, Message string }{a.RequestID, why.code, why.message})
	if why.status == http.StatusOK {
		body, _ = json.Marshal(map[string]string{"errorMessage": why.message})
	}
	w.Header().Set("Content-Type", "application/json")
	if why.errorType != "" {
		w.Header().Set("X-Fc-Error-Type", why.errorType)
	}
	w.WriteHeader(why.status)
	w.Write(body)
}

// readRequest holds a request to the limits and reads its body.
func readRequest(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	invalid := func(format string, args ...any) *refusal {
		return &refusal{http.StatusBadRequest, "InvalidArgument", fmt.Sprintf(format, args...), ""}
	}
	if n := len(r.URL.EscapedPath()) + len("?") + len(r.URL.RawQuery); n > maxTargetBytes {
		return nil, invalid("path and query are %d bytes, over the limit of %d", n, maxTargetBytes)
	}
	if n := headerBytes(r.Header) + len("Host") + len(r.Host); n > maxHeaderBytes {
		return nil, invalid("the headers are %d bytes, over the limit of %d", n, maxHeaderBytes)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, invalid("the body is over the limit of %d bytes", maxBodyBytes)
	}
	if err != nil {
		return nil, invalid("the body could not be read")
	}
	return body, nil
}

func headerBytes(header http.Header) (n int) {
	for name, values := range header {
		for _, value := range values {
			n += len(name) + len(value)
		}
	}
	return n
}

func send(w http.ResponseWriter, response Response) {
	header := w.Header()
	// No type is guessed for a function that sent none.
	header["Content-Type"] = nil
	for name, values := range response.Header {
		header[name] = values
	}
	if response.Status != http.StatusNoContent && response.Status != http.StatusNotModified {
		header.Set("Content-Length", strconv.Itoa(len(response.Body)))
	}
	w.WriteHeader(response.Status)
	w.Write(response.Body)
}

func sourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func marshalEvent(event any) ([]byte, error) {
	var buffer strings.Builder
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false) // the platform is not written with Go's habits
	if err := encoder.Encode(event); err != nil {
		return nil, fmt.Errorf("encoding event: %w", err)
	}
	return []byte(strings.TrimSuffix(buffer.String(), "\n")), nil
}
