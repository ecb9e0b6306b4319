package storage

import (
	"encoding/xml"
	"fmt"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// sdkCompletion is the body that the SDK sends.
func sdkCompletion(t testing.TB, parts []Part) string {
	t.Helper()
	var list oss.CompleteMultipartUpload
	for _, p := range parts {
		list.Parts = append(list.Parts, oss.UploadPart{PartNumber: int32(p.Number), ETag: oss.Ptr(`"` + p.ETag + `"`)})
	}
	body, err := xml.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestCompletionEqualsSDK(t *testing.T) {
	var all []Part
	for n := range maxParts {
		all = append(all, Part{Number: int64(n + 1), ETag: fmt.Sprintf("%032X", n)})
	}
	body := completion(all)
	if string(body) != sdkCompletion(t, all) {
		t.Error("the completion of 10,000 parts is not the SDK's")
	}
	if len(body) > cap(body) || cap(body) > len(body)+len(body)/10 {
		t.Errorf("%d bytes were made room for, of %d", cap(body), len(body))
	}
	for _, etag := range []string{"", "a-3", `"`, "<&>'", "\n\t\r", "é", "\xff", "\x00", "\ufffe"} {
		parts := []Part{{Number: 1, ETag: etag}, {Number: 10_000, ETag: "B"}}
		if got, want := string(completion(parts)), sdkCompletion(t, parts); got != want {
			t.Errorf("the completion with the ETag %q = %s, want %s", etag, got, want)
		}
	}
	if got, want := string(completion(nil)), sdkCompletion(t, nil); got != want {
		t.Errorf("the completion of nothing = %s, want %s", got, want)
	}
}

func BenchmarkCompletion(b *testing.B) {
	var all []Part
	for n := range maxParts {
		all = append(all, Part{Number: int64(n + 1), ETag: fmt.Sprintf("%032X", n)})
	}
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			completion(all)
		}
	})
	b.Run("SDK", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sdkCompletion(b, all)
		}
	})
}
