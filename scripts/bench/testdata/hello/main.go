// Command hello is what functions are held against: it answers an HTTP request
// with a greeting, as the runtime SDK's own example does, and nothing else.
package main

import (
	"github.com/aliyun/fc-runtime-go-sdk/events"
	"github.com/aliyun/fc-runtime-go-sdk/fc"
)

func main() {
	fc.Start(func(events.HTTPTriggerEvent) (*events.HTTPTriggerResponse, error) {
		return &events.HTTPTriggerResponse{
			StatusCode: 200, Headers: map[string]string{"Content-Type": "text/plain"}, Body: "hello world",
		}, nil
	})
}
