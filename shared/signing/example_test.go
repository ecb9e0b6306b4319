package signing_test

import (
	"fmt"
	"log"
	"strings"
	"time"

	"ossupload/shared/signing"
)

func exampleSigner() *signing.Signer {
	endpoint, err := signing.ParseEndpoint("oss-cn-hangzhou.aliyuncs.com", signing.VirtualHosted)
	if err != nil {
		log.Fatal(err)
	}
	signer, err := signing.New("cn-hangzhou", endpoint)
	if err != nil {
		log.Fatal(err)
	}
	return signer
}

// A PUT of exactly five bytes of one type. Sent is what must be sent with the URL;
// content-length every client sends by itself.
func ExampleSigner_Presign() {
	request := signing.Request{
		Method: "PUT", Bucket: "examplebucket", Key: "photos/a b.png", Expires: 15 * time.Minute,
		Header:            signing.Header(map[string]string{"Content-Type": "image/png", "content-length": "5"}),
		AdditionalHeaders: []string{"content-length"},
	}
	signed, err := exampleSigner().Presign(
		signing.Credentials{AccessKeyID: "LTAIexample", AccessKeySecret: "example-secret"},
		request,
		time.Date(2026, 11, 20, 10, 12, 40, 0, time.UTC),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.ReplaceAll(signed.URL, "&", "\n&"))
	fmt.Println(request.Sent(), signed.ExpiresAt)
	// Output:
	// https://examplebucket.oss-cn-hangzhou.aliyuncs.com/photos/a%20b.png?x-oss-additional-headers=content-length
	// &x-oss-credential=LTAIexample%2F20261120%2Fcn-hangzhou%2Foss%2Faliyun_v4_request
	// &x-oss-date=20261120T101240Z
	// &x-oss-expires=900
	// &x-oss-signature=c973b09ec3729859e4a0bf816a93859ce153f09ed5d9954125a80f62c6d3cc13
	// &x-oss-signature-version=OSS4-HMAC-SHA256
	// [{content-length 5} {Content-Type image/png}] 2026-11-20 10:27:40 +0000 UTC
}

// Ten thousand parts share one template; each needs 64 characters of its own.
func ExampleSigner_PresignParts() {
	parts, err := exampleSigner().PresignParts(
		signing.Credentials{AccessKeyID: "LTAIexample", AccessKeySecret: "example-secret"},
		signing.Request{
			Method: "PUT", Bucket: "examplebucket", Key: "video.mp4", Expires: 15 * time.Minute,
			Query: []signing.Param{{Name: "uploadId", Value: "0004B9894A22E5B1888A1E29F823"}},
		},
		false,
		time.Date(2026, 11, 20, 10, 12, 40, 0, time.UTC),
	)
	if err != nil {
		log.Fatal(err)
	}
	signature, err := parts.AppendSignature(nil, 10000, 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.ReplaceAll(parts.Template(), "&", "\n&"))
	fmt.Println(len(signature))
	// Output:
	// https://examplebucket.oss-cn-hangzhou.aliyuncs.com/video.mp4?partNumber={partNumber}
	// &uploadId=0004B9894A22E5B1888A1E29F823
	// &x-oss-credential=LTAIexample%2F20261120%2Fcn-hangzhou%2Foss%2Faliyun_v4_request
	// &x-oss-date=20261120T101240Z
	// &x-oss-expires=900
	// &x-oss-signature={signature}
	// &x-oss-signature-version=OSS4-HMAC-SHA256
	// 64
}

func ExampleParseEndpoint() {
	for _, raw := range []string{"oss-cn-hangzhou.aliyuncs.com", "http://127.0.0.1:8581"} {
		endpoint, err := signing.ParseEndpoint(raw, signing.VirtualHosted)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(endpoint.URL("examplebucket", "a+b.txt"))
	}
	// Output:
	// https://examplebucket.oss-cn-hangzhou.aliyuncs.com/a%2Bb.txt
	// http://127.0.0.1:8581/examplebucket/a%2Bb.txt
}
