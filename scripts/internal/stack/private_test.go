package stack_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stacktest"
)

// The functions are at a private address, to which the real OSS sends nothing.
func TestRefusePrivateCallbacks(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		s := stacktest.Start(t, stack.Options{RefusePrivateCallbacks: refuse})
		config := base64.StdEncoding.EncodeToString([]byte(`{"callbackUrl":"` + s.Ready.Gateway + `/callback","callbackBody":"bucket=${bucket}"}`))
		developer := s.Ready.Developer(http.DefaultClient)
		_, err := developer.PutObject(t.Context(), &sdk.PutObjectRequest{
			Bucket: &s.Ready.Bucket, Key: sdk.Ptr("k"), Body: strings.NewReader("hello"), Callback: &config,
		})
		var e *sdk.ServiceError
		if refused := errors.As(err, &e) && e.EC == "0007-00000008"; refused != refuse {
			t.Errorf("asked to refuse: %v, the upload ended with %v", refuse, err)
		}
		if stored, err := developer.IsObjectExist(t.Context(), s.Ready.Bucket, "k"); err != nil || stored == refuse {
			t.Errorf("asked to refuse: %v, the object is stored: %v (%v)", refuse, stored, err)
		}
	}
}
