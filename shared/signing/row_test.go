package signing_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/shared/cputime"
	"ossupload/shared/signing"
)

// The rows of the table of speed that this package is about: ours is the package,
// peer what a careful author would use or write instead, and floor what no way of
// signing can leave out.

// rowCredentials are a role's, whose security token is as long as they are.
var rowCredentials = signing.Credentials{
	AccessKeyID: "STS.NUgYrLnoC37mZZCNnAbez7Jqy", AccessKeySecret: strings.Repeat("s", 44), SecurityToken: strings.Repeat("CAIS/t+=", 75),
}

const (
	rowEndpoint = "oss-cn-hangzhou.aliyuncs.com"
	rowBucket   = "examplebucket"
	rowKey      = "uploads/alice/2026/11/01a22d4a-b534-7000-8000-000000000000.png"
	rowUpload   = "0004B9894A22E5B1888A1E29F823D4C1"
	rowExpires  = 15 * time.Minute
)

func rowSigner(b *testing.B) *signing.Signer {
	b.Helper()
	e, err := signing.ParseEndpoint(rowEndpoint, signing.VirtualHosted)
	if err != nil {
		b.Fatal(err)
	}
	signer, err := signing.New("cn-hangzhou", e)
	if err != nil {
		b.Fatal(err)
	}
	return signer
}

func rowClient(additional ...string) *oss.Client {
	return peer(rowEndpoint, signing.VirtualHosted, rowCredentials, additional)
}

// sameLength fails a benchmark whose sides sign something else: they sign at other
// times, and URLs of the same request are of one length nevertheless.
func sameLength(ours, theirs string) error {
	if len(ours) != len(theirs) || ours == "" {
		return errors.New("ours and theirs are not URLs of the same request:\n" + ours + "\n" + theirs)
	}
	return nil
}

// BenchmarkRowPut is a PUT with headers and nothing else.
func BenchmarkRowPut(b *testing.B) {
	rowPresign(b, map[string]string{
		"Content-Type": "image/png", "x-oss-forbid-overwrite": "true", "x-oss-meta-album": "summer",
	}, nil, "")
}

// BenchmarkRowIssuedPut is the PUT that POST /presign answers: with the callback
// in its query, its exact length, and the sealed grant among its headers.
func BenchmarkRowIssuedPut(b *testing.B) {
	rowPresign(b, map[string]string{
		"Content-Type": "image/png", "x-oss-forbid-overwrite": "true",
		"x-oss-meta-ossupload-filename": "%E5%A4%8F%E5%A4%A9.png", "x-oss-meta-ossupload-grant": "v1.k1." + strings.Repeat("g", 420),
	}, map[string]string{
		"callback": strings.Repeat("eyJjYWxs", 37) + "==", "callback-var": strings.Repeat("eyJ4OnUi", 75) + "=",
	}, "1048576")
}

// rowPresign is a row about a PUT, whose length is signed unless it is empty. Each
// side has ready what it takes: the SDK maps, and ours the lists sorted from them,
// which costs a microsecond for as many as what is issued has.
func rowPresign(b *testing.B, header, query map[string]string, length string) {
	req := signing.Request{Method: "PUT", Bucket: rowBucket, Key: rowKey, Query: signing.Query(query), Expires: rowExpires}
	var additional []string
	if length != "" {
		header["content-length"] = length
		additional = []string{"content-length"}
		req.AdditionalHeaders = additional
	}
	req.Header = signing.Header(header)
	client, signer := rowClient(additional...), rowSigner(b)
	sdk := func() (string, error) {
		bucket, key := rowBucket, rowKey
		res, err := client.Presign(context.Background(), &oss.PutObjectRequest{
			Bucket: &bucket, Key: &key, RequestCommon: oss.RequestCommon{Headers: header, Parameters: query},
		}, oss.PresignExpires(rowExpires))
		if err != nil {
			return "", err
		}
		return res.URL, nil
	}
	ours, err := signer.Presign(rowCredentials, req, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	theirs, err := sdk()
	if err = errors.Join(err, sameLength(ours.URL, theirs)); err != nil {
		b.Fatal(err)
	}
	cputime.Bench(b, "ours", func() error {
		_, err := signer.Presign(rowCredentials, req, time.Now())
		return err
	})
	cputime.Bench(b, "peer", func() error {
		_, err := sdk()
		return err
	})
	floor := newFloor(b, ours.URL, header, length)
	cputime.Bench(b, "floor", func() error {
		floor.url()
		return nil
	})
}

// floor signs what is ready: one hash, one HMAC whose pads are hashed before, and
// one copy of the URL.
type floor struct {
	canonical []byte
	toSign    []byte // up to the hash
	unsigned  string // the URL, but for the signature
	mac       hash.Hash
}

// newFloor reads what is to be signed out of a URL, and fails unless signing it
// comes to the same.
func newFloor(b *testing.B, signed string, header map[string]string, length string) *floor {
	b.Helper()
	u, err := url.Parse(signed)
	if err != nil {
		b.Fatal(err)
	}
	params := strings.Split(u.RawQuery, "&")
	signature := slices.IndexFunc(params, func(p string) bool { return strings.HasPrefix(p, "x-oss-signature=") })
	f := &floor{unsigned: strings.Replace(signed, params[signature], "x-oss-signature=", 1)}
	want := strings.TrimPrefix(params[signature], "x-oss-signature=")
	canonical := "PUT\n/" + rowBucket + u.EscapedPath() + "\n" + strings.Join(slices.Delete(params, signature, signature+1), "&") + "\n"
	var lines []string
	for name, value := range header {
		lines = append(lines, strings.ToLower(name)+":"+value+"\n")
	}
	slices.Sort(lines)
	canonical += strings.Join(lines, "") + "\n"
	if length != "" {
		canonical += "content-length"
	}
	f.canonical = []byte(canonical + "\nUNSIGNED-PAYLOAD")
	date := u.Query().Get("x-oss-date")
	scope := date[:8] + "/cn-hangzhou/oss/aliyun_v4_request"
	f.toSign = []byte("OSS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + strings.Repeat("0", 64))
	f.mac = hmac.New(sha256.New, rowSigningKey(scope))
	if got := f.signature(); got != want {
		b.Fatalf("the floor's signature is %s, want %s", got, want)
	}
	return f
}

func (f *floor) signature() string {
	sum := sha256.Sum256(f.canonical)
	hex.Encode(f.toSign[len(f.toSign)-64:], sum[:])
	f.mac.Reset()
	f.mac.Write(f.toSign)
	var mac [sha256.Size]byte
	return hex.EncodeToString(f.mac.Sum(mac[:0]))
}

func (f *floor) url() string { return f.unsigned + f.signature() }

// rowSigningKey is the key of rowCredentials for a scope.
func rowSigningKey(scope string) []byte {
	key := []byte("aliyun_v4" + rowCredentials.AccessKeySecret)
	for part := range strings.SplitSeq(scope, "/") {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	return key
}

// BenchmarkRowPartURLs is the URLs of 10,000 parts.
func BenchmarkRowPartURLs(b *testing.B) { partURLs(b, 10_000) }

// partURLs is about the URLs of an upload of so many parts.
func partURLs(b *testing.B, all int64) {
	const length = int64(5 << 20)
	signer := rowSigner(b)
	ours := func() (last []byte, err error) {
		parts, err := signer.PresignParts(rowCredentials, signing.Request{
			Method: "PUT", Bucket: rowBucket, Key: rowKey, Query: []signing.Param{{Name: "uploadId", Value: rowUpload}}, Expires: rowExpires,
		}, true, time.Now())
		for n := int64(1); n <= all && err == nil; n++ {
			last, err = parts.AppendURL(last[:0], n, length)
		}
		return last, err
	}
	client := rowClient("content-length")
	theirs := func() (last string, err error) {
		bucket, key, id := rowBucket, rowKey, rowUpload
		header := map[string]string{"content-length": strconv.FormatInt(length, 10)}
		for n := int32(1); n <= int32(all) && err == nil; n++ {
			var res *oss.PresignResult
			res, err = client.Presign(context.Background(), &oss.UploadPartRequest{
				Bucket: &bucket, Key: &key, UploadId: &id, PartNumber: n, RequestCommon: oss.RequestCommon{Headers: header},
			}, oss.PresignExpires(rowExpires))
			if err == nil {
				last = res.URL
			}
		}
		return last, err
	}
	our, err := ours()
	if err != nil {
		b.Fatal(err)
	}
	their, err := theirs()
	if err = errors.Join(err, sameLength(string(our), their)); err != nil {
		b.Fatal(err)
	}
	cputime.Bench(b, "ours", func() error {
		_, err := ours()
		return err
	})
	cputime.Bench(b, "peer", func() error {
		_, err := theirs()
		return err
	})
}

// rowFields are what POST /presign pins in a form.
var rowFields = map[string]string{
	"Content-Type": "image/png", "Content-Disposition": "", "Content-Encoding": "", "Content-Language": "", "Cache-Control": "", "Expires": "",
	"x-oss-object-acl": "default", "x-oss-storage-class": "Standard", "x-oss-forbid-overwrite": "true", "success_action_status": "200",
	"x-oss-content-type": "image/png", "x-oss-meta-ossupload-filename": "%E5%A4%8F%E5%A4%A9.png",
	"x-oss-meta-ossupload-grant": "v1.k1." + strings.Repeat("g", 420), "callback": strings.Repeat("eyJjYWxs", 37) + "==", "x:u": "v1.k1." + strings.Repeat("u", 420),
}

var rowNotIn = map[string][]string{
	"x-oss-server-side-encryption": {"AES256", "KMS", "SM4"}, "x-oss-server-side-data-encryption": {"SM4"},
}

// BenchmarkRowForm is a POST form, beside one that is written by hand with
// encoding/json. Ours has its fields ready as the list that it takes, sorted in 2.3 µs.
func BenchmarkRowForm(b *testing.B) {
	form := signing.Form{
		Bucket: rowBucket, Key: rowKey, Fields: signing.Header(rowFields), MinSize: 1 << 20, MaxSize: 1 << 20, Expires: rowExpires,
	}
	for name, values := range rowNotIn {
		form.NotIn = append(form.NotIn, signing.NotIn{Name: name, Values: values})
	}
	signer, hand := rowSigner(b), &handForm{}
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	ours, err := signer.PresignForm(rowCredentials, form, now)
	if err != nil {
		b.Fatal(err)
	}
	theirs, err := hand.fields(now)
	if err != nil {
		b.Fatal(err)
	}
	if len(theirs["policy"]) != len(signing.Map(ours.Fields)["policy"]) || len(theirs) != len(ours.Fields) {
		b.Fatalf("by hand it is another form: %v, want %v", theirs, ours.Fields)
	}
	cputime.Bench(b, "ours", func() error {
		_, err := signer.PresignForm(rowCredentials, form, time.Now())
		return err
	})
	cputime.Bench(b, "peer", func() error {
		_, err := hand.fields(time.Now())
		return err
	})
}

// handForm is a form as an application signs it for itself: no check of anything,
// and the key of the day kept.
type handForm struct {
	scope string
	key   []byte
}

func (h *handForm) fields(now time.Time) (map[string]string, error) {
	now = now.UTC()
	scope := now.Format("20060102") + "/cn-hangzhou/oss/aliyun_v4_request"
	if scope != h.scope {
		h.scope, h.key = scope, rowSigningKey(scope)
	}
	fields := make(map[string]string, len(rowFields)+7)
	for name, value := range rowFields {
		fields[name] = value
	}
	fields["key"] = rowKey
	fields["x-oss-signature-version"] = "OSS4-HMAC-SHA256"
	fields["x-oss-credential"] = rowCredentials.AccessKeyID + "/" + scope
	fields["x-oss-date"] = now.Format("20060102T150405Z")
	fields["x-oss-security-token"] = rowCredentials.SecurityToken
	conditions := make([]any, 0, len(fields)+4)
	conditions = append(conditions, map[string]string{"bucket": rowBucket}, []any{"content-length-range", 1 << 20, 1 << 20})
	for name, value := range fields {
		conditions = append(conditions, [3]string{"eq", "$" + name, value})
	}
	for name, values := range rowNotIn {
		conditions = append(conditions, []any{"not-in", "$" + name, values})
	}
	policy, err := json.Marshal(struct {
		Expiration string `json:"expiration"`
		Conditions []any  `json:"conditions"`
	}{now.Add(rowExpires).Format("2006-01-02T15:04:05.000Z"), conditions})
	if err != nil {
		return nil, err
	}
	encoded := base64.StdEncoding.EncodeToString(policy)
	mac := hmac.New(sha256.New, h.key)
	mac.Write([]byte(encoded))
	fields["policy"], fields["x-oss-signature"] = encoded, hex.EncodeToString(mac.Sum(nil))
	return fields, nil
}
