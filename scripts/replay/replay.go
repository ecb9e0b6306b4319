package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/shared/api"
	"ossupload/shared/fchttp"
)

// outcome is how an invocation ended. Status is 0 where there is no HTTP answer.
type outcome struct {
	Status int    `json:"status"`
	Code   string `json:"code,omitempty"`

	noRoute bool // not_found, of the path
}

func (o outcome) String() string {
	switch {
	case o.Status == 0 && o.Code == "":
		return "done"
	case o.Status == 0:
		return o.Code
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", o.Status, o.Code))
}

type verdict string

const (
	same     verdict = "same"
	unproven verdict = "unproven"
	differs  verdict = "differs"
)

// result is one event that was replayed.
type result struct {
	RequestID  string  `json:"requestId"` // of the recorded invocation
	Function   string  `json:"function"`
	Trigger    string  `json:"trigger"`
	What       string  `json:"what"` // method and path
	DurationMs int64   `json:"durationMs"`
	Recorded   outcome `json:"recorded"`
	Replayed   outcome `json:"replayed"`
	Verdict    verdict `json:"verdict"`
	Err        string  `json:"err,omitempty"` // why there is nothing to compare
}

func replay(ctx context.Context, s *stack.Stack, events []recorded) []result {
	var results []result
	for _, e := range events {
		if ctx.Err() != nil {
			break
		}
		results = append(results, replayOne(ctx, s, e))
	}
	return results
}

func replayOne(ctx context.Context, s *stack.Stack, e recorded) result {
	r := result{
		RequestID: e.RequestID, Function: e.Function, Trigger: e.Trigger, What: whatOf(e.Event), DurationMs: e.DurationMs,
		Recorded: outcome{Status: e.Status, Code: e.Code}, Verdict: differs,
	}
	name := e.Function
	if name == "complete" && e.Status == 0 {
		name = stack.Repair
	}
	function, ok := s.Functions[name]
	if !ok {
		r.Err = "there is no such function"
		return r
	}
	bearer := s.Ready.CallerToken
	if e.Code == string(api.Unauthenticated) {
		bearer = ""
	}
	event, err := rebuild(e.Event, bearer)
	if err != nil {
		r.Err = err.Error()
		return r
	}
	if r.Replayed, err = invoke(ctx, function, event); err != nil {
		r.Err = err.Error()
		return r
	}
	r.Verdict = compare(r.Recorded, r.Replayed)
	return r
}

// invoke hands an event to a function, and reads its answer as a gateway would. The
// error is that there is none.
func invoke(ctx context.Context, function fc.Invoker, event []byte) (outcome, error) {
	payload, err := function.Invoke(ctx, event)
	if _, ok := errors.AsType[*fc.FunctionError](err); ok {
		return outcome{Code: "failed"}, nil
	}
	if err != nil {
		return outcome{}, err
	}
	var answer struct {
		StatusCode int    `json:"statusCode"`
		Body       string `json:"body"`
	}
	if err := json.Unmarshal(payload, &answer); err != nil {
		return outcome{}, fmt.Errorf("reading the answer: %w", err)
	}
	var refusal struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	if answer.StatusCode >= 400 {
		// A body that is no refusal has no code, and that is compared.
		_ = json.Unmarshal([]byte(answer.Body), &refusal)
	}
	return outcome{answer.StatusCode, refusal.Code, refusal.Message == fchttp.NoRoute}, nil
}

// needSecrets are what an event is refused with whose tokens, signatures and keys
// are made up.
var needSecrets = []api.Code{api.Unauthenticated, api.InvalidToken, api.Forbidden, api.CallbackRejected, api.NotFound}

// compare says what a replay proves. What came after the proof of a secret there,
// cannot be reached here. A route is found without one, and a failure is never
// explained by one.
func compare(recorded, replayed outcome) verdict {
	if recorded.Status == replayed.Status && recorded.Code == replayed.Code {
		return same
	}
	if replayed.noRoute || recorded.Status >= 500 {
		return differs
	}
	early := []api.Code{api.InvalidJSON, api.MethodNotAllowed, api.UnsupportedMediaType}
	if recorded.Status != 0 && slices.Contains(needSecrets, api.Code(replayed.Code)) && !slices.Contains(early, api.Code(recorded.Code)) {
		return unproven
	}
	return differs
}

// whatOf names an event by its method and path, with its values left out.
func whatOf(event json.RawMessage) string {
	var e struct {
		Method  string `json:"httpMethod"`
		Path    string `json:"path"`
		RawPath string `json:"rawPath"`
		Context struct {
			HTTP struct {
				Method string `json:"method"`
			} `json:"http"`
		} `json:"requestContext"`
	}
	if json.Unmarshal(event, &e) != nil {
		return "-"
	}
	what := e.Method + e.Context.HTTP.Method + " " + e.Path + e.RawPath
	if what == " " {
		return "-"
	}
	return valueForm.ReplaceAllString(what, "{}")
}
