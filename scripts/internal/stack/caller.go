package stack

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"time"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"

	"ossupload/scripts/internal/client"
)

// Client is the stack's caller, who tries everything once.
func (r Ready) Client(h *http.Client) *client.Client {
	return &client.Client{Endpoint: r.Gateway, Token: r.CallerToken, TokenHeader: r.TokenHeader, HTTP: h}
}

// Developer may do everything in storage. It is the SDK of OSS, which shares no
// code with what signs uploads, and tries everything once.
func (r Ready) Developer(h *http.Client) *sdk.Client {
	return sdk.NewClient(sdk.LoadDefaultConfig().
		WithRegion(r.Region).
		WithEndpoint(r.OSS).
		WithUsePathStyle(true).
		WithRetryMaxAttempts(1).
		WithHttpClient(h).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(r.AccessKeyID, r.AccessKeySecret)))
}

// Event is a webhook that the stack's own receiver got.
type Event struct {
	ID        string `json:"id"`
	Timestamp int64  `json:"timestamp"` // of the delivery, in Unix seconds
	Verified  bool   `json:"verified"`  // whether its signature is that of the stack
	Body      struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      EventData `json:"data"`
	} `json:"body"`
}

// EventData is what an event says of an upload: its receipt without the
// receipt token and what became of the event, and whose it is.
type EventData struct {
	client.Receipt
	Subject string `json:"subject"`
}

// Events returns what the receiver of the client's stack got, newest last.
func Events(ctx context.Context, c *client.Client) ([]Event, error) {
	var events []Event
	err := c.Call(ctx, "reading the events", http.MethodGet, "/_local/events", nil, &events)
	return events, err
}

// Check holds the event against the receipt of its upload.
func (e Event) Check(r client.Receipt) error {
	r.ReceiptToken, r.Line, r.Delivered = "", nil, false
	switch {
	case !e.Verified:
		return errors.New("the signature of the event does not verify")
	case e.ID != r.EventID || e.Body.Type != "upload.completed" || !reflect.DeepEqual(e.Body.Data.Receipt, r):
		return errors.New("the event differs from the receipt")
	}
	return nil
}
