package oss

import (
	"bufio"
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/signer"

	"ossupload/scripts/internal/facts"
)

// presentedOf reads a request back from the bytes that it is on the wire.
func presentedOf(t *testing.T, wire []byte) (*presented, *apiError) {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire)))
	if err != nil {
		t.Fatalf("reading %q: %v", wire, err)
	}
	at, err := readTarget(r, "")
	if err != nil {
		t.Fatal(err)
	}
	_, rawQuery := rawTarget(r)
	query, err := readParams(rawQuery)
	if err != nil {
		t.Fatal(err)
	}
	return readPresented(r, at, query, facts.Assumptions{})
}

// FuzzSDKSignature signs with the official signer: the request always
// verifies, and with any one byte of a signed value or of the signature
// changed it does not.
func FuzzSDKSignature(f *testing.F) {
	f.Add("a b/é+&=?.txt", "text/plain", "value", "x y+/=", "token/+=", true, uint(0))
	f.Add("k", "", "", "", "", true, uint(3))
	f.Add("1234+-/123/1.txt", "image/png", "a,  b", "%25", "", false, uint(17))
	f.Add("~!*'()/./../%2F", "x", "é", "é", "t", false, uint(5))
	f.Fuzz(func(t *testing.T, key, contentType, meta, param, token string, inURL bool, place uint) {
		if checkKey(key) != nil || !headerSafe(contentType) || !headerSafe(meta) || !headerSafe(token) {
			t.Skip()
		}
		segments := strings.Split(key, "/")
		for i := range segments {
			segments[i] = url.PathEscape(segments[i])
		}
		query := ""
		if param != "" {
			query = "?callback=" + strings.ReplaceAll(url.QueryEscape(param), "+", "%20")
		}
		request, err := http.NewRequest("PUT", "http://127.0.0.1:8581/bucket/"+strings.Join(segments, "/")+query, nil)
		if err != nil {
			t.Skip()
		}
		if contentType != "" {
			request.Header.Set("Content-Type", contentType)
		}
		if meta != "" {
			request.Header.Set("x-oss-meta-a", meta)
		}
		err = (&signer.SignerV4{}).Sign(t.Context(), &signer.SigningContext{
			Product: oss.Ptr("oss"), Region: oss.Ptr(testRegion), Bucket: oss.Ptr(testBucket), Key: oss.Ptr(key), Request: request,
			Credentials:     &credentials.Credentials{AccessKeyID: "ak", AccessKeySecret: "sk", SecurityToken: token},
			AuthMethodQuery: inURL, Time: time.Now().Add(10 * time.Minute),
		})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := request.Write(&b); err != nil {
			t.Skip()
		}
		wire := b.Bytes()
		p, fault := presentedOf(t, wire)
		if fault != nil {
			t.Fatalf("reading %q: %v", wire, fault)
		}
		if fault := p.verify("sk"); fault != nil {
			t.Fatalf("%q does not verify; canonical request %q", wire, p.canonicalRequest)
		}

		// Where one signed value begins, and the value.
		type signed struct{ before, value string }
		values := []signed{{"", p.signature}}
		if meta != "" {
			values = append(values, signed{"\r\nX-Oss-Meta-A: ", meta})
		}
		if contentType != "" {
			values = append(values, signed{"\r\nContent-Type: ", contentType})
		}
		chosen := values[place%uint(len(values))]
		at := bytes.Index(wire, []byte(chosen.before+chosen.value))
		if at < 0 {
			t.Fatalf("%q is not in %q", chosen.value, wire)
		}
		at += len(chosen.before)
		changed := bytes.Clone(wire)
		i := at + int(place%uint(len(chosen.value)))
		changed[i] ^= 1
		if c := changed[i]; c == ' ' || c == 0x7f {
			changed[i] ^= 3 // a space may be trimmed, and no header holds DEL
		}
		if p, fault := presentedOf(t, changed); fault == nil && p.verify("sk") == nil {
			t.Errorf("%q verifies after byte %d was changed", wire, i)
		}
	})
}

// headerSafe reports whether net/http carries s in a header unchanged.
func headerSafe(s string) bool {
	return strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
