package stack_test

import (
	"net/http"
	"testing"

	sdk "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/oss"
	"ossupload/scripts/internal/stacktest"
)

// The bucket has the state that was asked for, and keeps it where nothing is
// asked.
func TestVersioning(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		asked oss.Versioning
		want  string
	}{{"", ""}, {oss.VersioningEnabled, "Enabled"}, {oss.VersioningSuspended, "Suspended"}, {"", "Suspended"}} {
		s := stacktest.Start(t, stack.Options{DataDir: dir, Versioning: tt.asked})
		got, err := s.Ready.Developer(http.DefaultClient).GetBucketVersioning(t.Context(), &sdk.GetBucketVersioningRequest{Bucket: &s.Ready.Bucket})
		if err != nil || sdk.ToString(got.VersionStatus) != tt.want {
			t.Errorf("asked for %q, the bucket is %q, %v; want %q", tt.asked, sdk.ToString(got.VersionStatus), err, tt.want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
