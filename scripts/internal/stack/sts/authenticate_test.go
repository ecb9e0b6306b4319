package sts

import "testing"

// TestSignatureVector is the worked example of "Request signatures" in the
// Elastic Compute Service documentation: it pins the whole path from
// parameters to signature against text that this project did not make.
func TestSignatureVector(t *testing.T) {
	params := map[string]string{
		"AccessKeyId":      "testid",
		"Action":           "DescribeRegions",
		"Format":           "XML",
		"SignatureMethod":  "HMAC-SHA1",
		"SignatureNonce":   "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
		"SignatureVersion": "1.0",
		"Timestamp":        "2016-02-23T12:46:24Z",
		"Version":          "2014-05-26",
		"Signature":        "left out",
	}
	const want = "OLeaidS1JvxuMvnyHOwuJ+uX5qY="
	if got := signature("GET", params, "testsecret"); got != want {
		t.Errorf("signature(…) = %q, want %q", got, want)
	}
}

func TestPercentEncode(t *testing.T) {
	const text, want = "aZ09-_.~ *+/=&%é\x00", "aZ09-_.~%20%2A%2B%2F%3D%26%25%C3%A9%00"
	if got := percentEncode(text); got != want {
		t.Errorf("percentEncode(%q) = %q, want %q", text, got, want)
	}
}
