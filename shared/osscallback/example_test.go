package osscallback_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"

	"ossupload/shared/osscallback"
)

func ExampleParam() {
	param, err := osscallback.Param("https://api.example.com/callback")
	if err != nil {
		fmt.Println(err)
		return
	}
	vars, err := osscallback.Vars("v1.k1.sealed")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, text := range []string{param, vars} {
		doc, _ := base64.StdEncoding.DecodeString(text)
		fmt.Printf("%s\n", doc)
	}
	// Output:
	// {"callbackUrl":"https://api.example.com/callback","callbackBody":"bucket=${bucket}&object=${object}&etag=${etag}&size=${size}&reqId=${reqId}&token=${x:u}","callbackBodyType":"application/x-www-form-urlencoded","callbackSNI":true}
	// {"x:u":"v1.k1.sealed"}
}

// The request is the sample of the OSS API reference, page "Callback".
func ExampleVerifier_Verify() {
	verifier, err := osscallback.NewVerifier(osscallback.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	message := osscallback.Message{
		URIs: []string{"/index.php?id=1&index=2"},
		Header: http.Header{
			"Authorization":     {"kKQeGTRccDKyHB3H9vF+xYMSrmhMZjzzl2/kdD1ktNVgbWEfYTQG0G2SU/RaHBovRCE8OkQDjC3uG33esH2txA=="},
			"X-Oss-Pub-Key-Url": {"aHR0cDovL2dvc3NwdWJsaWMuYWxpY2RuLmNvbS9jYWxsYmFja19wdWJfa2V5X3YxLnBlbQ=="},
		},
		Body: []byte("bucket=yonghu-test"),
	}
	fmt.Println(verifier.Verify(context.Background(), message))

	message.Body = []byte("bucket=somebody-else")
	fmt.Println(verifier.Verify(context.Background(), message))
	// Output:
	// <nil>
	// signature does not verify: it fits none of 1 uris
}

func ExampleParseNotice() {
	notice, err := osscallback.ParseNotice([]byte("bucket=photos&object=u%2Fa.jpg&etag=%22D41D8CD98F00B204E9800998ECF8427E%22&size=0&reqId=5B9CDDCC9D2B0CA88AE2BEA1&token=v1.k1.sealed"))
	fmt.Println(notice.Object, notice.Size, notice.ETag, err)
	// Output:
	// u/a.jpg 0 D41D8CD98F00B204E9800998ECF8427E <nil>
}
