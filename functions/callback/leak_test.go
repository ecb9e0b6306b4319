package main

import (
	"context"
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ossupload/shared/fchttp"
	"ossupload/shared/osscallback"
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
	const requests, together = 200, 8
	before := runtime.NumGoroutine()

	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	document := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	world := httptest.NewUnstartedServer(faulty(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/key.pem":
			w.Write(document)
		case r.Method == http.MethodHead:
			w.Header().Set("ETag", `"E"`)
			w.Header().Set("Content-Length", "1")
			w.Header().Set("Last-Modified", "Fri, 20 Nov 2026 10:00:00 GMT")
			w.Header().Set("x-oss-object-type", "Normal")
		}
	}))
	world.Config.ErrorLog = log.New(io.Discard, "", 0)
	world.Start()
	defer world.Close()
	endpoint, err := signing.ParseEndpoint(world.URL, signing.PathStyle)
	if err != nil {
		t.Fatal(err)
	}
	keys := []uploadtoken.Key{{ID: "k1", Secret: make([]byte, 32)}}
	keyring, err := uploadtoken.NewKeyring(uploadtoken.Config{Keys: keys, Place: testPlace, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	// A failed fetch of the key is forgotten by the next request.
	var clock atomic.Int64
	clock.Store(time.Now().Unix())
	h, err := newHandler(settings.Callback{
		Storage:     settings.Storage{Region: "cn-hangzhou", Bucket: "examplebucket", Public: endpoint, Internal: endpoint},
		TokenKeys:   keys,
		Place:       testPlace,
		CallbackURL: "https://api.example.com/callback", CallbackKeyURLs: []string{world.URL + "/key.pem"},
		Webhook: settings.Webhook{URL: world.URL + "/webhook", Secrets: [][]byte{[]byte("secret")}, RetryFor: time.Hour},
	}, outside{
		storage: storage.New(storage.Config{Region: "cn-hangzhou", Bucket: "examplebucket", Endpoint: endpoint, Credentials: permanent{}}),
		webhook: new(http.Transport), now: func() time.Time { return time.Unix(clock.Add(60), 0) }, random: rand.Reader, log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	adapter := &fchttp.Adapter{Handler: h.routes(), MaxBody: osscallback.MaxBody}

	var receipts atomic.Int32
	ask := func(i int) {
		object := fmt.Sprintf("u/alice/2026/11/0193%04x-0000-7000-8000-000000000000.png", i)
		token, err := keyring.Seal(uploadtoken.Upload, uploadtoken.Claims{
			ID: fmt.Sprint(i), Key: object, Subject: "alice", MaxSize: 1, ExpiresAt: math.MaxInt64,
		})
		if err != nil {
			t.Error(err)
			return
		}
		body := "bucket=examplebucket&object=" + url.QueryEscape(object) + "&etag=E&size=1&reqId=R&token=" + token
		digest := md5.Sum([]byte("/callback\n" + body))
		signature, err := rsa.SignPKCS1v15(nil, key, crypto.MD5, digest[:])
		if err != nil {
			t.Error(err)
			return
		}
		// The platform gives up sooner than every limit of ours.
		ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
		defer cancel()
		answer, err := adapter.Invoke(ctx, "r", event(t, base64.StdEncoding.EncodeToString(signature), world.URL+"/key.pem", body))
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(string(answer), `"statusCode":200`) {
			receipts.Add(1)
		}
	}
	var wg sync.WaitGroup
	for first := range together {
		wg.Go(func() {
			for i := first; i < requests; i += together {
				ask(i)
			}
		})
	}
	wg.Wait()
	if got := receipts.Load(); got == 0 || got == requests {
		t.Errorf("%d of %d requests got a receipt, want some: this tests nothing", got, requests)
	}
	// What may stay is what can be used again: some connections for each server,
	// with two goroutines at our end and one at the other.
	waitForGoroutines(t, before+3*4*together)
	world.CloseClientConnections()
	world.Close()
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
