package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ossupload/shared/callerauth"
	"ossupload/shared/fchttp"
	"ossupload/shared/grant"
	"ossupload/shared/rolecreds"
	"ossupload/shared/settings"
	"ossupload/shared/signing"
	"ossupload/shared/storage"
	"ossupload/shared/uploadtoken"
)

// faulty answers every other request, and fails the others in each way in turn:
// errors, silence, a broken connection, half an answer.
func faulty(good http.HandlerFunc) http.Handler {
	var n atomic.Int32
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // only then is a client noticed that leaves
		switch n.Add(1) % 10 {
		case 1:
			w.WriteHeader(http.StatusInternalServerError)
		case 3:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 5:
			<-r.Context().Done()
		case 7:
			panic(http.ErrAbortHandler)
		case 9:
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, "half an answer")
		default:
			good(w, r)
		}
	})
}

// ossAndWebhook answers what OSS would about any upload of one part of one byte,
// and takes any event.
func ossAndWebhook(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	switch {
	case r.URL.Path == "/webhook":
	case r.Method == http.MethodHead:
		w.Header().Set("ETag", `"E"`)
		w.Header().Set("Content-Length", "1")
		w.Header().Set("Last-Modified", "Fri, 20 Nov 2026 10:00:00 GMT")
		w.Header().Set("x-oss-object-type", "Multipart")
	case query.Has("uploads"):
		io.WriteString(w, "<InitiateMultipartUploadResult><UploadId>U</UploadId></InitiateMultipartUploadResult>")
	case r.Method == http.MethodGet:
		io.WriteString(w, `<ListPartsResult><IsTruncated>false</IsTruncated><Part><PartNumber>1</PartNumber><ETag>"A"</ETag><Size>1</Size></Part></ListPartsResult>`)
	case r.Method == http.MethodPost:
		io.WriteString(w, `<CompleteMultipartUploadResult><ETag>"E"</ETag></CompleteMultipartUploadResult>`)
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	}
}

func sts(w http.ResponseWriter, _ *http.Request) {
	io.WriteString(w, `{"RequestId":"r","Credentials":{"AccessKeyId":"STS.x","AccessKeySecret":"s","SecurityToken":"t","Expiration":"2099-01-01T00:00:00Z"}}`)
}

type permanent struct{}

func (permanent) Credentials(context.Context) (rolecreds.Credentials, error) {
	return rolecreds.Credentials{AccessKeyID: "id", AccessKeySecret: "secret"}, nil
}

// Nothing may be left behind by a request, however its calls failed: an instance
// lives for days.
func TestFaultsLeaveNoGoroutine(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for hundreds of requests that fail slowly")
	}
	const requests, together = 240, 8
	before := runtime.NumGoroutine()

	world, role := httptest.NewUnstartedServer(faulty(ossAndWebhook)), httptest.NewUnstartedServer(faulty(sts))
	for _, s := range []*httptest.Server{world, role} {
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		defer s.Close()
	}
	world.Start()
	role.StartTLS()
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: role.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	endpoint, err := signing.ParseEndpoint(world.URL, signing.PathStyle)
	if err != nil {
		t.Fatal(err)
	}
	types, err := grant.ParseTypes("*/*")
	if err != nil {
		t.Fatal(err)
	}
	discard := slog.New(slog.DiscardHandler)
	deployed := settings.Complete{
		Storage: settings.Storage{Region: "cn-hangzhou", Bucket: "examplebucket", Public: endpoint, Internal: endpoint},
		Policy: grant.Policy{
			Bucket: "examplebucket", Prefix: "u/", MaxSize: 1 << 20, ContentTypes: types, Methods: []uploadtoken.Method{uploadtoken.MultipartPart}, TokenTTL: time.Hour,
		},
		Place:       uploadtoken.Place{Bucket: "examplebucket", Prefix: "u/"},
		MaxExpires:  time.Hour,
		TokenKeys:   []uploadtoken.Key{{ID: "k1", Secret: make([]byte, 32)}},
		Role:        settings.Role{ARN: "acs:ram::1:role/uploads", Duration: time.Hour, STSEndpoint: role.URL, STSCAFile: caFile},
		CallbackURL: callback,
		Caller:      callerauth.Config{None: true},
		Webhook:     settings.Webhook{URL: world.URL + "/webhook", Secrets: [][]byte{[]byte("secret")}, RetryFor: time.Hour},
	}
	keyring, err := uploadtoken.NewKeyring(uploadtoken.Config{Keys: deployed.TokenKeys, Place: deployed.Place, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	outside := outside{
		credentials: permanent{}, now: time.Now, random: rand.Reader, log: discard, webhook: new(http.Transport),
		storage: storage.New(storage.Config{Region: "cn-hangzhou", Bucket: "examplebucket", Endpoint: endpoint, Credentials: permanent{}}),
	}
	// Each instance assumes the role for itself; what they share is what could
	// pile up.
	instance := func() *fchttp.Adapter {
		h, err := newHandler(deployed, outside)
		if err != nil {
			t.Fatal(err)
		}
		return &fchttp.Adapter{Handler: h.routes(), Log: discard}
	}

	requestsOf := []struct{ method, path, body string }{
		{"POST", "", `{"filename":"a"}`},
		{"GET", "/TOKEN", ""},
		{"GET", "/TOKEN/1", ""},
		{"POST", "/TOKEN/complete", "{}"},
		{"DELETE", "/TOKEN", ""},
		{"POST", "confirm", `{"uploadToken":"TOKEN"}`},
	}
	var good [6]atomic.Int32
	ask := func(i int, adapter *fchttp.Adapter) error {
		token, err := keyring.Seal(uploadtoken.Multipart, uploadtoken.Claims{
			ID: fmt.Sprint(i), Key: fmt.Sprintf("u/anonymous/2026/11/0193%04x-0000-7000-8000-000000000000.png", i),
			Subject: callerauth.Anonymous, MaxSize: 1, UploadID: "U", ExpiresAt: time.Now().Unix() + 60,
		})
		if err != nil {
			return err
		}
		kind := i % len(requestsOf)
		path := "/s3/multipart" + requestsOf[kind].path
		if kind == 5 {
			path = "/confirm"
		}
		event, err := json.Marshal(map[string]any{
			"version": "v1", "rawPath": strings.ReplaceAll(path, "TOKEN", token), "isBase64Encoded": true,
			"body":           base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(requestsOf[kind].body, "TOKEN", token))),
			"headers":        map[string]string{"Content-Type": "application/json"},
			"requestContext": map[string]any{"http": map[string]string{"method": requestsOf[kind].method, "path": strings.ReplaceAll(path, "TOKEN", token)}},
		})
		if err != nil {
			return err
		}
		// The platform gives up sooner than every limit of ours.
		ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
		defer cancel()
		answer, err := adapter.Invoke(ctx, "r", event)
		if strings.Contains(string(answer), `"statusCode":200`) {
			good[kind].Add(1)
		}
		return err
	}
	var wg sync.WaitGroup
	for first := range together {
		adapters := []*fchttp.Adapter{instance(), instance(), instance(), instance(), instance(), instance()}
		wg.Go(func() {
			for i := first; i < requests; i += together {
				if err := ask(i, adapters[i/together*len(adapters)*together/requests]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	// Which requests a fault meets, and which of them a second try heals, is a
	// matter of scheduling; that of each kind some succeed, and not all of all, is
	// not.
	all := int32(0)
	for kind := range good {
		got := good[kind].Load()
		if all += got; got == 0 {
			t.Errorf("none of %d %s %s succeeds: this tests nothing", requests/6, requestsOf[kind].method, requestsOf[kind].path)
		}
	}
	if all == requests {
		t.Errorf("all of %d requests succeed: this tests nothing", requests)
	}
	// What may stay is what can be used again: some connections for each server,
	// with two goroutines at our end and one at the other. A call of STS that
	// nobody waits for any more ends by its own limits.
	waitForGoroutines(t, before+3*4*together)
	world.CloseClientConnections()
	world.Close()
	role.Close()
	waitForGoroutines(t, before)
}

func waitForGoroutines(t *testing.T, most int) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute) // on a busy machine; else it takes moments
	for runtime.NumGoroutine() > most {
		select {
		case <-tick.C:
		case <-deadline:
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, want at most %d:\n%s", runtime.NumGoroutine(), most, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
