// Command echo is a function made for the tests of fc: it reports the
// event and its circumstances, and misbehaves on request. The mode is a field
// of the event, or a query parameter when the event came through a gateway.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/aliyun/fc-runtime-go-sdk/fc"
	"github.com/aliyun/fc-runtime-go-sdk/fccontext"
)

func main() {
	if refusal := os.Getenv("ECHO_REFUSE"); refusal != "" {
		fmt.Fprintln(os.Stderr, refusal)
		os.Exit(1)
	}
	if path := os.Getenv("ECHO_REFUSE_IF_EXISTS"); path != "" {
		if _, err := os.Stat(path); err == nil {
			fmt.Fprintln(os.Stderr, "refusing from now on")
			os.Exit(1)
		}
	}
	if os.Getenv("ECHO_STUBBORN") != "" {
		signal.Ignore(syscall.SIGTERM)
	}
	if os.Getenv("ECHO_NEVER_READY") != "" {
		select {}
	}
	fc.Start(handle)
}

// meeting is where an invocation in mode "wait" meets one in mode "meet".
var meeting = make(chan struct{})

func handle(ctx context.Context, event []byte) (json.RawMessage, error) {
	var request struct {
		Mode            string            `json:"mode"`
		Body            string            `json:"body"`
		IsBase64Encoded bool              `json:"isBase64Encoded"`
		QueryParameters map[string]string `json:"queryParameters"`
	}
	if err := json.Unmarshal(event, &request); err != nil {
		return nil, err
	}
	mode := request.Mode
	if mode == "" {
		mode = request.QueryParameters["mode"]
	}
	switch mode {
	case "answer":
		return json.Marshal(map[string]any{
			"statusCode":      201,
			"headers":         map[string]string{"Content-Type": "application/x-echo", "X-Echo": "a&b<c>"},
			"isBase64Encoded": request.IsBase64Encoded,
			"body":            request.Body,
		})
	case "raw":
		return json.RawMessage(request.Body), nil
	case "error":
		return nil, errors.New("the bucket is on fire")
	case "panic":
		panic("out of cheese")
	case "exit":
		fmt.Print("last words, no newline")
		os.Exit(3)
	case "sleep":
		select {}
	case "wait":
		<-meeting
		return json.RawMessage(`"met"`), nil
	case "meet":
		meeting <- struct{}{}
		return json.RawMessage(`"met"`), nil
	}

	fcContext, _ := fccontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	directory, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{
		"event":       json.RawMessage(event),
		"requestId":   fcContext.RequestID,
		"credentials": fcContext.Credentials,
		"function":    fcContext.Function,
		"qualifier":   fcContext.Service.Qualifier,
		"region":      fcContext.Region,
		"accountId":   fcContext.AccountId,
		"deadline":    deadline.UnixMilli(),
		"directory":   directory,
		"environment": os.Environ(),
	})
}
