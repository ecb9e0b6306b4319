package signing_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/shared/cputime"
	"ossupload/shared/signing"
)

// How the cost of signing grows. Each benchmark has a level of sizes, and below
// it the two sides, as the rows have them.

// growing signs PUTs of one key and header.
type growing struct {
	signer *signing.Signer
	client *oss.Client
	key    string
	header map[string]string
}

func newGrowing(b *testing.B, key string, metadata int) growing {
	header := map[string]string{"Content-Type": "image/png"}
	for i := range metadata {
		header[fmt.Sprintf("x-oss-meta-%04d", i)] = "summer"
	}
	p := growing{rowSigner(b), rowClient(), key, header}
	ours, err := p.ours()
	if err != nil {
		b.Fatal(err)
	}
	theirs, err := p.sdk()
	if err = errors.Join(err, sameLength(ours, theirs)); err != nil {
		b.Fatal(err)
	}
	return p
}

func (p growing) ours() (string, error) {
	signed, err := p.signer.Presign(rowCredentials, signing.Request{
		Method: "PUT", Bucket: rowBucket, Key: p.key, Header: signing.Header(p.header), Expires: rowExpires,
	}, time.Now())
	return signed.URL, err
}

func (p growing) sdk() (string, error) {
	bucket := rowBucket
	signed, err := p.client.Presign(context.Background(), &oss.PutObjectRequest{
		Bucket: &bucket, Key: &p.key, RequestCommon: oss.RequestCommon{Headers: p.header},
	}, oss.PresignExpires(rowExpires))
	if err != nil {
		return "", err
	}
	return signed.URL, nil
}

// bench has both sides sign as many at once as there are.
func (p growing) bench(b *testing.B, at int) {
	cputime.Bench(b, "ours", func() error { return atOnce(at, p.ours) })
	cputime.Bench(b, "peer", func() error { return atOnce(at, p.sdk) })
}

// growthURLs is what one operation signs: goroutines share it out.
const growthURLs = 64

func atOnce(n int, sign func() (string, error)) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for range growthURLs / n {
				if _, err := sign(); err != nil {
					errs[i] = err
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// BenchmarkGrowthKey has keys that stay as they are in a URL.
func BenchmarkGrowthKey(b *testing.B) { growthKey(b, "abc") }

// BenchmarkGrowthChineseKey has keys of which every byte is encoded.
func BenchmarkGrowthChineseKey(b *testing.B) { growthKey(b, "夏") }

func growthKey(b *testing.B, three string) {
	for _, length := range []int{15, 63, 255, 1023} {
		b.Run(strconv.Itoa(length), func(b *testing.B) { newGrowing(b, strings.Repeat(three, length/3), 0).bench(b, 1) })
	}
}

// BenchmarkGrowthHeaders has more and more signed headers.
func BenchmarkGrowthHeaders(b *testing.B) {
	for _, headers := range []int{1, 4, 16, 64} {
		b.Run(strconv.Itoa(headers), func(b *testing.B) { newGrowing(b, rowKey, headers-1).bench(b, 1) })
	}
}

// BenchmarkGrowthConcurrency has more and more goroutines sign with one Signer.
func BenchmarkGrowthConcurrency(b *testing.B) {
	for n := 1; n <= growthURLs; n *= 2 {
		b.Run(strconv.Itoa(n), func(b *testing.B) { newGrowing(b, rowKey, 0).bench(b, n) })
	}
}

// BenchmarkGrowthParts has the URLs of more and more parts.
func BenchmarkGrowthParts(b *testing.B) {
	for _, parts := range []int64{1, 10, 100, 1000, 10_000} {
		b.Run(strconv.FormatInt(parts, 10), func(b *testing.B) { partURLs(b, parts) })
	}
}
