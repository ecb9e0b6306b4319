package grant_test

import (
	"testing"

	"ossupload/shared/grant"
)

func TestMetadataSum(t *testing.T) {
	if got := grant.MetadataSum(nil); got != "" {
		t.Errorf("MetadataSum of nothing = %q, want none", got)
	}
	if got := grant.MetadataSum(map[string]string{"ossupload-grant": "v1.x"}); got != "" {
		t.Errorf("MetadataSum of a grant alone = %q, want none", got)
	}
	// printf '1:a=1:b\n5:album=0:\n' | openssl dgst -sha256 -binary | head -c 12 | base64
	const want = "t3zRKCfEideRGfbC"
	if got := grant.MetadataSum(map[string]string{"album": "", "a": "b", "ossupload-grant": "v1.x"}); got != want {
		t.Errorf("MetadataSum = %q, want %q", got, want)
	}
	// No two of these are the same metadata.
	seen := make(map[string]int)
	for i, metadata := range []map[string]string{
		{"a": "b"}, {"a": "c"}, {"b": "b"}, {"a": ""}, {"": "a"}, {"a": "b", "c": "d"}, {"a": "b\n1:c=1:d"}, {"a=1:b\n1:c": "d"},
		{"ossupload-filename": "b"}, {"ossupload-grants": "b"}, {"a": "B"},
	} {
		sum := grant.MetadataSum(metadata)
		if j, ok := seen[sum]; ok || sum == "" {
			t.Errorf("metadata %d and %d have the sum %q", i, j, sum)
		}
		seen[sum] = i
	}
}
