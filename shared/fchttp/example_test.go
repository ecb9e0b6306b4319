package fchttp_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"ossupload/shared/api"
	"ossupload/shared/fchttp"
)

func ExampleAdapter() {
	greet := func(r *http.Request) (any, error) {
		if r.PathValue("name") == "nobody" {
			return nil, &api.Error{Code: api.NotFound, Message: "There is nobody to greet."}
		}
		return map[string]string{"greeting": "hello " + r.PathValue("name")}, nil
	}
	a := &fchttp.Adapter{
		Handler: fchttp.NewMux(fchttp.Route{Method: http.MethodGet, Pattern: "/greet/{name}", Handle: greet}),
		Log:     slog.New(slog.NewJSONHandler(io.Discard, nil)),
	}
	answer, err := a.Invoke(context.Background(), "request-1", []byte(`{"httpMethod":"GET","path":"/greet/you"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(answer))
	// Output:
	// {"statusCode":200,"headers":{"Cache-Control":"no-store","Content-Type":"application/json","Referrer-Policy":"no-referrer","X-Content-Type-Options":"nosniff","X-Request-Id":"request-1"},"isBase64Encoded":false,"body":"{\"greeting\":\"hello you\"}"}
}
