package confirm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"ossupload/shared/confirm"
	"ossupload/shared/grant"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// sentBefore is what a release sent about one upload. Such a file is never made
// anew: receivers were written for what is in it.
type sentBefore struct {
	WebhookSecret []byte            `json:"webhookSecret"`
	ReceiptSecret []byte            `json:"receiptSecret"`
	Headers       map[string]string `json:"headers"` // of the delivery
	Body          string            `json:"body"`    // of the delivery, to the byte
	Receipt       json.RawMessage   `json:"receipt"` // the uploader's answer
}

// uploadBefore is the upload of testdata/v*/event.json. It has everything that a
// receipt can tell.
func uploadBefore() (uploadtoken.Claims, storage.Object) {
	size := int64(1048576)
	metadata := map[string]string{"camera": "%C3%9Cbersee", "ossupload-filename": "a%20b.png", "ossupload-grant": "v1.x"}
	return uploadtoken.Claims{
			ID: "01a1fca4-7355-74a0-a90e-d3b8a3191e3a", Method: uploadtoken.Put, Place: uploadtoken.Place{Bucket: "examplebucket", Prefix: "uploads/"},
			Key: "uploads/alice/2026/11/01a1fca4-7355-74a0-a90e-d3b8a3191e3a.png", Subject: "alice",
			Size: &size, MaxSize: 5 << 30, ContentType: "image/png", CRC64: "11051210869376104954", Metadata: grant.MetadataSum(metadata),
			Vars: map[string]string{"album": "夏 & <b>"}, Context: json.RawMessage(`{"order":7}`), IssuedAt: 1795168800, ExpiresAt: 1795773600,
		}, storage.Object{
			Size: size, ETag: "5D41402ABC4B2A76B9719D911017C592", ContentType: "image/png", CRC64: "11051210869376104954", Type: "Normal",
			VersionID: "CAEQNhiBgMDJgZCA0BYiIDc4MGZj", LastModified: uploadedAt,
			Metadata: metadata,
		}
}

// posted keeps the one request that a webhook makes.
type posted struct {
	header http.Header
	body   []byte
}

func (p *posted) RoundTrip(r *http.Request) (*http.Response, error) {
	var err error
	p.header = r.Header
	if p.body, err = io.ReadAll(r.Body); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, nil
}

// sendNow has this release announce the upload, with the secrets of then.
func sendNow(t *testing.T, secrets sentBefore) sentBefore {
	t.Helper()
	receiver := &posted{}
	claims, object := uploadBefore()
	c := config(t, stored(object))
	c.Prefix = "uploads/"
	c.Now = func() time.Time { return uploadedAt }
	c.ReceiptSecret = secrets.ReceiptSecret
	c.Webhook = confirm.WebhookConfig{
		URL: "https://backend.example.com/hook", Secrets: [][]byte{secrets.WebhookSecret}, Budget: time.Minute, Client: receiver,
	}
	receipt, err := made(t, c).Confirm(context.Background(), claims)
	if err != nil {
		t.Fatal(err)
	}
	now := secrets
	now.Body, now.Headers = string(receiver.body), map[string]string{}
	for _, name := range []string{"Content-Type", "User-Agent", "webhook-id", "webhook-timestamp", "webhook-signature"} {
		now.Headers[name] = receiver.header.Get(name)
	}
	if now.Receipt, err = json.Marshal(receipt); err != nil {
		t.Fatal(err)
	}
	return now
}

// lost names what before has and now has not, or has with another value.
func lost(path string, before, now any) []string {
	fields, ok := before.(map[string]any)
	if !ok {
		if !reflect.DeepEqual(before, now) {
			return []string{fmt.Sprintf("%s: %v, and it was %v", path, now, before)}
		}
		return nil
	}
	var faults []string
	today, _ := now.(map[string]any)
	for name, value := range fields {
		faults = append(faults, lost(path+"."+name, value, today[name])...)
	}
	return faults
}

func decoded(t *testing.T, text []byte) (value map[string]any) {
	t.Helper()
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("decoding %s: %v", text, err)
	}
	return value
}

// A receiver that was written for any release understands this one.
func TestEventsAndReceiptsOnlyGainFields(t *testing.T) {
	paths, err := filepath.Glob("testdata/v*/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("testdata has %d files, %v: they are lost", len(paths), err)
	}
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var before sentBefore
			strict := json.NewDecoder(strings.NewReader(string(text)))
			strict.DisallowUnknownFields()
			if err := strict.Decode(&before); err != nil {
				t.Fatal(err)
			}
			now := sendNow(t, before)

			faults := lost("event", decoded(t, []byte(before.Body)), decoded(t, []byte(now.Body)))
			was, is := decoded(t, before.Receipt), decoded(t, now.Receipt)
			wasToken, isToken := claimsOf(t, before, was), claimsOf(t, now, is)
			delete(was, "receiptToken") // its text changes with every field
			faults = append(faults, lost("receipt", was, is)...)
			faults = append(faults, lost("receiptToken", wasToken, isToken)...)
			for _, name := range []string{"Content-Type", "User-Agent", "webhook-id", "webhook-timestamp"} {
				if now.Headers[name] != before.Headers[name] {
					faults = append(faults, fmt.Sprintf("header %s: %q, and it was %q", name, now.Headers[name], before.Headers[name]))
				}
			}
			for _, fault := range faults {
				t.Error(fault)
			}

			// Both deliveries verify with the library that receivers use.
			receiver, err := standardwebhooks.NewWebhookRaw(before.WebhookSecret)
			if err != nil {
				t.Fatal(err)
			}
			for name, sent := range map[string]sentBefore{"before": before, "now": now} {
				header := http.Header{}
				for name, value := range sent.Headers {
					header.Set(name, value)
				}
				if err := receiver.VerifyIgnoringTimestamp([]byte(sent.Body), header); err != nil {
					t.Errorf("the delivery of %s does not verify: %v", name, err)
				}
			}
		})
	}
}

// claimsOf verifies the token of a receipt and returns what it says.
func claimsOf(t *testing.T, sent sentBefore, receipt map[string]any) map[string]any {
	t.Helper()
	text, _ := receipt["receiptToken"].(string)
	claims := jwt.MapClaims{}
	if _, err := jwt.ParseWithClaims(text, claims, func(*jwt.Token) (any, error) { return sent.ReceiptSecret, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithTimeFunc(func() time.Time { return uploadedAt.Add(time.Minute) })); err != nil {
		t.Fatalf("the receipt's token does not verify: %v", err)
	}
	return claims
}

// The comparison would pass as well if it saw nothing.
func TestLostSeesWhatIsLost(t *testing.T) {
	before := map[string]any{"a": 1.0, "b": map[string]any{"c": "x"}}
	for name, now := range map[string]map[string]any{
		"removed": {"b": map[string]any{"c": "x"}}, "changed": {"a": 2.0, "b": map[string]any{"c": "x"}}, "removed below": {"a": 1.0, "b": map[string]any{}},
		"of another kind": {"a": 1.0, "b": "c"},
	} {
		if len(lost("", before, now)) != 1 {
			t.Errorf("lost() of a field %s = %v, want it", name, lost("", before, now))
		}
	}
	if got := lost("", before, map[string]any{"a": 1.0, "b": map[string]any{"c": "x", "d": 1}, "e": nil}); got != nil {
		t.Errorf("lost() of fields that were added = %v, want none", got)
	}
}
