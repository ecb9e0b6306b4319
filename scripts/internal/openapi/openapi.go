// Package openapi has the HTTP contract of the functions as a document of OpenAPI
// 3.1, openapi.yaml, and holds calls against it.
package openapi

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed" // the document
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Document is the contract.
//
//go:embed openapi.yaml
var Document []byte

// Contract holds calls against the document. It is safe for concurrent use.
type Contract struct {
	document *openapi3.T
	router   routers.Router
}

// Load reads the document, and checks that it is one.
func Load(ctx context.Context) (*Contract, error) {
	document, err := openapi3.NewLoader().LoadFromData(Document)
	if err != nil {
		return nil, fmt.Errorf("reading the contract: %w", err)
	}
	if err := document.Validate(ctx); err != nil {
		return nil, fmt.Errorf("checking the contract: %w", err)
	}
	// The calls come to whatever address there is.
	document.Servers = nil
	for _, item := range document.Paths.Map() {
		item.Servers = nil
	}
	router, err := gorillamux.NewRouter(document)
	if err != nil {
		return nil, fmt.Errorf("routing by the contract: %w", err)
	}
	return &Contract{document: document, router: router}, nil
}

// Call is a request and its answer, both read whole.
type Call struct {
	Method, Target string // as "/s3/params?filename=a"
	Header         http.Header
	Body           []byte
	Status         int
	AnswerHeader   http.Header
	Answer         []byte
}

var capability = regexp.MustCompile(`^/c/[^/]+(/s3/.*)$`)

// Check returns what a call does that the contract does not say: an answer of
// another shape, and a request that was taken and should not have been. What is
// refused may be anything.
func (c *Contract) Check(ctx context.Context, call Call) error {
	switch {
	case call.Method == http.MethodOptions:
		return preflight(call)
	case call.Method == http.MethodHead:
		return common(call) // without a body
	case call.Status == http.StatusMethodNotAllowed:
		return c.refused(call)
	}
	target, err := url.ParseRequestURI(call.Target)
	if err != nil {
		return c.refused(call)
	}
	if m := capability.FindStringSubmatch(target.Path); m != nil {
		target.Path, target.RawPath = m[1], ""
	}
	if strings.HasPrefix(target.Path, "/callback/") {
		target.Path, target.RawPath = "/callback", "" // the function answers on any path
	}
	target.Scheme, target.Host = "https", "api.example.com"
	r, err := http.NewRequestWithContext(ctx, call.Method, target.String(), bytes.NewReader(call.Body))
	if err != nil {
		return c.refused(call)
	}
	r.Header = call.Header.Clone()
	route, parameters, err := c.router.FindRoute(r)
	if err != nil {
		return c.refused(call) // no such route, or another method
	}
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true, SkipSettingDefaults: true,
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
		},
	}
	var faults []error
	if call.Status < 300 {
		if err := openapi3filter.ValidateRequest(ctx, input); err != nil {
			faults = append(faults, fmt.Errorf("a request that was taken: %w", err))
		}
	}
	if err := answered(ctx, call, input); err != nil {
		faults = append(faults, fmt.Errorf("the answer %d: %w", call.Status, err))
	}
	return errors.Join(faults...)
}

// answered checks the answer to a request.
func answered(ctx context.Context, call Call, input *openapi3filter.RequestValidationInput) error {
	text, err := decoded(call, input.Route.Operation)
	if err != nil {
		return err
	}
	return openapi3filter.ValidateResponse(ctx, &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: call.Status, Header: call.AnswerHeader, Options: input.Options,
		Body: io.NopCloser(bytes.NewReader(text)),
	})
}

// decoded is the answer without the encoding that the contract lets it have.
func decoded(call Call, operation *openapi3.Operation) ([]byte, error) {
	encoding := call.AnswerHeader.Get("Content-Encoding")
	if encoding == "" {
		return call.Answer, nil
	}
	promised := operation.Responses.Status(call.Status)
	if encoding != "gzip" || promised == nil || promised.Value.Headers["Content-Encoding"] == nil {
		return nil, fmt.Errorf("it is encoded as %q", encoding)
	}
	r, err := gzip.NewReader(bytes.NewReader(call.Answer))
	if err != nil {
		return nil, fmt.Errorf("reading gzip: %w", err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading gzip: %w", err)
	}
	return text, nil
}

// preflight checks the answer to OPTIONS, which needs nobody's permission.
func preflight(call Call) error {
	if call.Status != http.StatusNoContent && call.Status != http.StatusNotFound {
		return fmt.Errorf("a preflight was answered %d, want 204, or 404 of no route", call.Status)
	}
	return common(call)
}

// common checks what every answer has.
func common(call Call) error {
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
		if got := call.AnswerHeader.Get(name); got != want {
			return fmt.Errorf("the answer %d: %s is %q, want %q", call.Status, name, got, want)
		}
	}
	if call.AnswerHeader.Get("X-Request-Id") == "" {
		return fmt.Errorf("the answer %d has no X-Request-Id", call.Status)
	}
	return nil
}

// refused checks the answer to what is no route of the contract.
func (c *Contract) refused(call Call) error {
	var answer struct{ Code string }
	if err := json.Unmarshal(call.Answer, &answer); err != nil {
		return fmt.Errorf("the answer %d: %w", call.Status, err)
	}
	var whole any
	if err := json.Unmarshal(call.Answer, &whole); err != nil {
		return fmt.Errorf("the answer %d: %w", call.Status, err)
	}
	told := fmt.Sprint(call.Status, " ", answer.Code)
	switch {
	case told == "405 method_not_allowed" && call.AnswerHeader.Get("Allow") != "":
	case told == "404 not_found", told == "400 invalid_request", told == "403 invalid_token":
	default:
		return fmt.Errorf("no route of the contract was answered %s", told)
	}
	return errors.Join(common(call), c.document.Components.Schemas["Error"].Value.VisitJSON(whole, openapi3.EnableJSONSchema2020()))
}
