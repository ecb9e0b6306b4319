package oss

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// names is a resolver that knows these, and no network.
type names map[string]string

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	address, err := netip.ParseAddr(n[host])
	if err != nil {
		return nil, fmt.Errorf("no such host %q", host)
	}
	return []netip.Addr{address}, nil
}

func TestPrivateHosts(t *testing.T) {
	c := &call{
		s: &Server{resolver: names{"inside.example": "10.0.0.1", "outside.example": "203.0.113.9"}},
		r: httptest.NewRequest("PUT", "/bucket/k", nil),
	}
	for host, want := range map[string]bool{
		"127.0.0.1": true, "10.1.2.3": true, "172.16.0.1": true, "172.32.0.1": false, "192.168.1.1": true, "169.254.1.1": true,
		"100.100.100.200": true, "0.0.0.0": true, "203.0.113.9": false, "8.8.8.8": false,
		"localhost": true, "LOCALHOST.": true, "app.localhost": true, "notlocalhost": false,
		"inside.example": true, "outside.example": false, "unknown.example": false,
	} {
		if got := c.isPrivateHost(host); got != want {
			t.Errorf("isPrivateHost(%q) = %v", host, got)
		}
	}
}

// Each way to upload with a callback is refused before anything is stored.
func TestPrivateCallbackRefused(t *testing.T) {
	f := newFixture(t, func(cfg *Config) { cfg.RefusePrivateCallbacks = true })
	f.s.resolver = names{"inside.example": "192.168.0.7", "outside.example": "203.0.113.9"}
	for _, url := range []string{"http://192.168.1.1/", "127.0.0.1:8088/test.php", "https://inside.example/cb", "http://outside.example/;http://10.0.0.1/"} {
		config := encode(t, map[string]any{"callbackUrl": url, "callbackBody": "a=${bucket}"})
		f.wantError(f.putWithCallback("k", "hello", config, ""), 400, codeInvalidArgument, ecPrivateCallbackURL)
		form := f.newForm(permanent, "k")
		form.fields["callback"] = config
		form.condition(map[string]string{"callback": config})
		form.sign(nil)
		got := f.post(form)
		f.wantError(got, 400, codeInvalidArgument, ecPrivateCallbackURL)
		if got.Message != "Private address is forbidden to callback." {
			t.Errorf("message = %q", got.Message)
		}
		id := f.initiate("k")
		_, err := f.client(permanent).CompleteMultipartUpload(t.Context(), &oss.CompleteMultipartUploadRequest{
			Bucket: oss.Ptr(testBucket), Key: oss.Ptr("k"), UploadId: id, Callback: oss.Ptr(config),
			CompleteMultipartUpload: &oss.CompleteMultipartUpload{Parts: []oss.UploadPart{f.part("k", id, 1, "hello")}},
		})
		wantServiceError(t, err, 400, codeInvalidArgument, ecPrivateCallbackURL)
		if _, ok := f.stored("k"); ok {
			t.Fatalf("an object is stored whose callback goes to %s", url)
		}
	}
}
