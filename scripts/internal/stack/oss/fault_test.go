package oss

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// faultOf breaks one operation.
func faultOf(target, operation, mode string) func(string, string) string {
	return func(t, o string) string {
		if t == target && o == operation {
			return mode
		}
		return ""
	}
}

func TestFaults(t *testing.T) {
	for _, test := range []struct {
		mode   string
		status int // 0: no answer
		code   code
		stored bool
	}{
		{"", 200, "", true},
		{"500", 500, codeInternalError, false},
		{"503", 503, codeServiceUnavailable, false},
		{"timeout", 0, "", false},
		{"reset", 0, "", false},
		{"stored-then-reset", 0, "", true},
	} {
		t.Run("mode "+test.mode, func(t *testing.T) {
			f := newFixture(t, func(c *Config) { c.Timeout = 10 * time.Millisecond })
			f.setFault(faultOf("oss", "PutObject", test.mode))
			signed := f.presign(permanent, &oss.PutObjectRequest{Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k")})
			request, err := http.NewRequestWithContext(t.Context(), signed.Method, signed.URL, strings.NewReader("hello"))
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.DefaultClient.Do(request)
			switch {
			case test.status == 0 && err == nil:
				t.Errorf("answer = %d, want none", response.StatusCode)
			case test.status != 0 && err != nil:
				t.Fatal(err)
			case test.status != 0:
				got := f.read(response)
				if got.status != test.status || got.Code != test.code {
					t.Errorf("answer = %d %s, want %d %s", got.status, got.Code, test.status, test.code)
				}
			case strings.Contains(test.mode, "reset") && !errors.Is(err, syscall.ECONNRESET):
				t.Errorf("error = %v, want a reset connection", err)
			}
			if _, ok := f.stored("k"); ok != test.stored {
				t.Errorf("stored = %v, want %v", ok, test.stored)
			}
			f.setFault(nil)
			f.wantStatus(f.send(signed.Method, signed.URL, nil, "again"), 200)
		})
	}
}

// TestTimeoutEnds lets the client go away from a request that is held.
func TestTimeoutEnds(t *testing.T) {
	ended := make(chan struct{})
	f := newFixture(t, func(c *Config) { c.Timeout = time.Hour })
	inner := f.web.Config.Handler
	f.web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		inner.ServeHTTP(w, r)
	})
	ctx, cancel := context.WithCancel(t.Context())
	f.setFault(func(target, operation string) string {
		cancel()
		return "timeout"
	})
	request, err := http.NewRequestWithContext(ctx, "PUT", f.web.URL+"/bucket/k", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if response, err := http.DefaultClient.Do(request); err == nil {
		t.Errorf("answer = %d, want none", response.StatusCode)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the request is still held")
	}
}

// TestFaultNames lists what the stand-in asks, call by call.
func TestFaultNames(t *testing.T) {
	f := newFixture(t)
	var asked []string
	f.setFault(func(target, operation string) string {
		asked = append(asked, target+" "+operation)
		return ""
	})
	f.put("k", "hello")
	id := f.initiate("big")
	part := f.part("big", id, 1, "hello")
	must[*oss.CompleteMultipartUploadResult](t)(f.complete("big", id, part))
	f.wantStatus(f.send("GET", f.s.cfg.CallbackKeyURL, nil, ""), 200)
	f.send("OPTIONS", f.web.URL+"/bucket/k", nil, "")
	want := "oss PutObject,oss InitiateMultipartUpload,oss UploadPart,oss CompleteMultipartUpload,keys GetPublicKey,oss OptionObject"
	if got := strings.Join(asked, ","); got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
	f.setFault(faultOf("keys", "GetPublicKey", "500"))
	f.wantError(f.send("GET", f.s.cfg.CallbackKeyURL, nil, ""), 500, codeInternalError, "")
}
