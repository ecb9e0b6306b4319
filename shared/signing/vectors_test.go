package signing_test

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"ossupload/shared/signing"
)

// vectorFile is testdata/sign_v4.json: signatures from the unit tests of OSS's
// SDKs and documents, and some that the official Go SDK made; each names its
// sources.
type vectorFile struct {
	Vectors []vector `json:"vectors"`
	Steps   []struct {
		ID              string `json:"id"`
		Canonical       string `json:"canonical_request"`
		CanonicalSHA256 string `json:"canonical_request_sha256"`
		StringToSign    string `json:"string_to_sign"`
		SigningKey      string `json:"signing_key_hex"`
		Signature       string `json:"signature"`
	} `json:"stepwise"`
}

type vector struct {
	ID         string            `json:"id"`
	Mode       string            `json:"mode"`
	Method     string            `json:"method"`
	Bucket     string            `json:"bucket"`
	Object     string            `json:"object"`
	Region     string            `json:"region"`
	Product    string            `json:"product"`
	KeyID      string            `json:"access_key_id"`
	Secret     string            `json:"access_key_secret"`
	Token      string            `json:"security_token"`
	Timestamp  string            `json:"timestamp"`
	Query      map[string]string `json:"query"`
	Headers    map[string]string `json:"headers"`
	Additional []string          `json:"additional_headers_requested"`
	Expires    int64             `json:"expires"`
	Expected   struct {
		Canonical    string `json:"canonical_request"`
		StringToSign string `json:"string_to_sign"`
		Signature    string `json:"signature"`
		URL          string `json:"url"`
	} `json:"expected"`
}

func loadVectors(t *testing.T) vectorFile {
	t.Helper()
	text, err := os.ReadFile("testdata/sign_v4.json")
	if err != nil {
		t.Fatal(err)
	}
	var f vectorFile
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestVectors(t *testing.T) {
	ran, urls := 0, 0
	for _, v := range loadVectors(t).Vectors {
		if v.Mode != "query" || v.Product != "oss" {
			continue
		}
		ran++
		t.Run(v.ID, func(t *testing.T) {
			now, err := time.Parse("20060102T150405Z", v.Timestamp)
			if err != nil {
				t.Fatal(err)
			}
			endpoint := endpointOf(t, v)
			signer, err := signing.New(v.Region, endpoint)
			if err != nil {
				t.Fatal(err)
			}
			cred := signing.Credentials{AccessKeyID: v.KeyID, AccessKeySecret: v.Secret, SecurityToken: v.Token}
			req := signing.Request{
				Method: v.Method, Bucket: v.Bucket, Key: v.Object, Query: signing.Query(v.Query), Header: signing.Header(signable(v)),
				AdditionalHeaders: v.Additional, Expires: time.Duration(v.Expires) * time.Second,
			}
			canonical, toSign, err := signer.Explain(cred, req, now)
			if err != nil {
				t.Fatal(err)
			}
			if canonical != v.Expected.Canonical {
				t.Errorf("canonical request =\n%s\nwant\n%s", canonical, v.Expected.Canonical)
			}
			if toSign != v.Expected.StringToSign {
				t.Errorf("string to sign =\n%s\nwant\n%s", toSign, v.Expected.StringToSign)
			}
			got, err := signer.Presign(cred, req, now)
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(got.URL)
			if err != nil {
				t.Fatal(err)
			}
			if s := u.Query().Get("x-oss-signature"); s != v.Expected.Signature {
				t.Errorf("signature = %s, want %s", s, v.Expected.Signature)
			}
			if v.Expected.URL != "" {
				urls++
				if got.URL != v.Expected.URL {
					t.Errorf("URL =\n%s\nwant\n%s", got.URL, v.Expected.URL)
				}
			}
		})
	}
	if ran < 15 || urls < 10 {
		t.Errorf("ran %d vectors, %d of them with a URL: the file is not what it was", ran, urls)
	}
}

// signable leaves out the headers of a vector that are there to show that they
// are not signed; Presign refuses those.
func signable(v vector) map[string]string {
	header := maps.Clone(v.Headers)
	maps.DeleteFunc(header, func(name, _ string) bool {
		for _, a := range v.Additional {
			if strings.EqualFold(a, name) {
				return false
			}
		}
		return !signing.SignedByDefault(strings.ToLower(name))
	})
	return header
}

// endpointOf is the endpoint at which a vector's URL points, if it has one.
func endpointOf(t *testing.T, v vector) signing.Endpoint {
	t.Helper()
	raw, style := "oss-"+v.Region+".aliyuncs.com", signing.VirtualHosted
	if v.Expected.URL != "" {
		u, err := url.Parse(v.Expected.URL)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasPrefix(u.Path, "/"+v.Bucket+"/"):
			raw, style = u.Scheme+"://"+u.Host, signing.PathStyle
		case strings.HasPrefix(u.Host, v.Bucket+"."):
			raw = u.Scheme + "://" + strings.TrimPrefix(u.Host, v.Bucket+".")
		default:
			raw, style = u.Scheme+"://"+u.Host, signing.CNAME
		}
	}
	e, err := signing.ParseEndpoint(raw, style)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The example of the document "Include a V4 signature in the Authorization
// header" prints a key that its secret does not derive, so it counts from the
// canonical request on.
func TestStepwise(t *testing.T) {
	steps := loadVectors(t).Steps
	if len(steps) == 0 {
		t.Fatal("no stepwise vector")
	}
	for _, v := range steps {
		lines := strings.Split(v.StringToSign, "\n")
		if got := signing.StringToSign(lines[1], lines[2], v.Canonical); got != v.StringToSign {
			t.Errorf("StringToSign =\n%s\nwant\n%s", got, v.StringToSign)
		}
		key, err := hex.DecodeString(v.SigningKey)
		if err != nil {
			t.Fatal(err)
		}
		if got := signing.SignWithKey(key, lines[1], lines[2], v.Canonical); got != v.Signature {
			t.Errorf("signature = %s, want %s", got, v.Signature)
		}
	}
}
