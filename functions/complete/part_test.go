package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"ossupload/shared/api"
	"ossupload/shared/rolecreds"
	"ossupload/shared/signing"
)

// signedPart is the URL that the uploader of a part must get. Signing a single
// request has vectors of its own.
func (f *fixture) signedPart(s started, number, length int64, life time.Duration) string {
	f.t.Helper()
	signer, err := signing.New(region, f.settings.Storage.Public)
	if err != nil {
		f.t.Fatal(err)
	}
	request := signing.Request{
		Method: "PUT", Bucket: bucketName, Key: s.Key, Expires: life,
		Query: signing.Query(map[string]string{"uploadId": s.claims.UploadID, "partNumber": strconv.FormatInt(number, 10)}),
	}
	if length >= 0 {
		request.Header = []signing.Param{{Name: "content-length", Value: strconv.FormatInt(length, 10)}}
		request.AdditionalHeaders = []string{"content-length"}
	}
	mine := f.outside.credentials.(*own).credentials
	signed, err := signer.Presign(signing.Credentials{AccessKeyID: mine.AccessKeyID, AccessKeySecret: mine.AccessKeySecret, SecurityToken: mine.SecurityToken}, request, today)
	if err != nil {
		f.t.Fatal(err)
	}
	return signed.URL
}

// batchAnswer is the answer to a batch, of either form.
type batchAnswer struct {
	PresignedURLs map[string]string `json:"presignedUrls"`
	Template      string            `json:"template"`
	Signatures    map[string]string `json:"signatures"`
	ExpiresAt     time.Time         `json:"expiresAt"`
}

func TestPart(t *testing.T) {
	const whole = 2*100*kib + 5
	tests := []struct {
		name, create, number string
		length               int64 // that is signed; -1: none
	}{
		{"of agreed size", sized(whole), "1", 100 * kib},
		{"the last of agreed size", sized(whole), "3", 5},
		{"of an empty object", sized(0), "1", 0},
		{"of any size", `{"filename":"a"}`, "1", -1},
		{"the last of any size", `{"filename":"a"}`, "10000", -1},
		{"of an agreed part size alone", `{"filename":"a","partSize":102400}`, "10000", -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			s := f.start(tt.create)
			var out partResponse
			f.as("alice", "GET", s.path("/"+tt.number), "").ok(&out)
			number, _ := strconv.ParseInt(tt.number, 10, 64)
			if want := f.signedPart(s, number, tt.length, 900*time.Second); out.Method != "PUT" || out.URL != want || out.Expires != 900 {
				t.Errorf("answer = %+v, want PUT %s for 900 s", out, want)
			}
			u := mustURL(t, out.URL)
			if u.Host != "examplebucket.oss-cn-hangzhou.aliyuncs.com" || u.Path != "/"+s.Key || u.Query().Get("uploadId") != s.claims.UploadID || u.Query().Get("x-oss-security-token") != "ST" {
				t.Errorf("URL = %s", u)
			}
			f.asked()
		})
	}
}

func TestPartRefuses(t *testing.T) {
	f := newFixture(t)
	for create, last := range map[string]int{sized(2*100*kib + 5): 3, sized(0): 1, `{"filename":"a"}`: 10000} {
		s := f.start(create)
		for _, number := range []string{"0", "-1", strconv.Itoa(last + 1), "01", "+1", "1.0", "x", "%20", "4611686018427387904", "99999999999999999999", "4294967297"} {
			details := f.as("alice", "GET", s.path("/"+number), "").refused(api.InvalidRequest)
			if want := fmt.Sprintf(`[{"field":"partNumber","reason":"must be a whole number from 1 to %d"}]`, last); string(details) != want {
				t.Errorf("part %s: faults = %s, want %s", number, details, want)
			}
		}
	}
	f.asked()
}

// What is signed lives no longer than is allowed, and than its credentials.
func TestPartsExpire(t *testing.T) {
	tests := []struct {
		name        string
		most        time.Duration
		credentials time.Time
		want        time.Duration
	}{
		{"as usual", time.Hour, time.Time{}, 900 * time.Second},
		{"as is allowed", 10 * time.Minute, time.Time{}, 10 * time.Minute},
		{"with the credentials", time.Hour, today.Add(5 * time.Minute), 5 * time.Minute},
		{"with credentials that last", time.Hour, today.Add(time.Hour), 900 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, func(f *fixture) {
				f.settings.MaxExpires = tt.most
				f.outside.credentials = &own{credentials: rolecreds.Credentials{AccessKeyID: "AK", AccessKeySecret: "SK", Expires: tt.credentials}}
			})
			s := f.start(sized(5))
			var one partResponse
			f.as("alice", "GET", s.path("/1"), "").ok(&one)
			if one.URL != f.signedPart(s, 1, 5, tt.want) || one.Expires != int64(tt.want/time.Second) {
				t.Errorf("the URL %s lives %d s, want %v", one.URL, one.Expires, tt.want)
			}
			var many batchAnswer
			f.as("alice", "GET", s.path("/batch?partNumbers=1"), "").ok(&many)
			if many.PresignedURLs["1"] != one.URL || !many.ExpiresAt.Equal(today.Add(tt.want)) {
				t.Errorf("of many: %+v, want %s", many, one.URL)
			}
			var form paramsResponse
			f.as("alice", "GET", "/s3/params?filename=a", "").ok(&form)
			if form.Expires != int64(tt.want/time.Second) {
				t.Errorf("a form lives %d s, want %v", form.Expires, tt.want)
			}
		})
	}
}

// A batch, and a template with its signatures, hold the URLs that single
// requests get.
func TestBatch(t *testing.T) {
	const whole = 6*100*kib + 5
	for name, create := range map[string]string{"agreed": sized(whole), "of any size": `{"filename":"a"}`} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			s := f.start(create)
			want := map[string]string{}
			for _, number := range []string{"1", "3", "4", "5", "7"} {
				var one partResponse
				f.as("alice", "GET", s.path("/"+number), "").ok(&one)
				want[number] = one.URL
			}
			for _, numbers := range []string{"partNumbers=7,1,3-5", "partNumbers=1&partNumbers=3-5,7"} {
				var many, compact batchAnswer
				f.as("alice", "GET", s.path("/batch?"+numbers), "").ok(&many)
				f.as("alice", "GET", s.path("/batch?as=template&"+numbers), "").ok(&compact)
				sameMap(t, "URLs", many.PresignedURLs, want)
				made := map[string]string{}
				for number, signature := range compact.Signatures {
					made[number] = strings.NewReplacer("{partNumber}", number, "{signature}", signature).Replace(compact.Template)
				}
				sameMap(t, "URLs of the template", made, want)
				if many.Template != "" || many.Signatures != nil || compact.PresignedURLs != nil {
					t.Errorf("answers %+v and %+v have members of each other", many, compact)
				}
				if at := today.Add(900 * time.Second); !many.ExpiresAt.Equal(at) || !compact.ExpiresAt.Equal(at) {
					t.Errorf("they end at %v and %v, want %v", many.ExpiresAt, compact.ExpiresAt, at)
				}
			}
			f.asked()
		})
	}
}

func TestBatchLimits(t *testing.T) {
	f := newFixture(t)
	s := f.start(`{"filename":"a"}`)
	var many, compact batchAnswer
	f.as("alice", "GET", s.path("/batch?partNumbers=9001-10000"), "").ok(&many)
	f.as("alice", "GET", s.path("/batch?as=template&partNumbers=1-10000"), "").ok(&compact)
	if len(many.PresignedURLs) != 1000 || len(compact.Signatures) != 10000 {
		t.Errorf("%d URLs and %d signatures, want 1000 and 10000", len(many.PresignedURLs), len(compact.Signatures))
	}
	tests := []struct {
		query  string
		faults []string
	}{
		{"", []string{"partNumbers", "is required"}},
		{"partNumbers=", []string{"partNumbers", "is required"}},
		{"partNumbers=1-1001", []string{"partNumbers", "at most 1000 parts"}},
		{"partNumbers=10001", []string{"partNumbers", "from 1 to 10000"}},
		{"partNumbers=0", []string{"partNumbers", "from 1 to 10000"}},
		{"partNumbers=1&partNumbers=1", []string{"partNumbers", "part 1 twice"}},
		{"as=template&partNumbers=1-10001", []string{"partNumbers", "from 1 to 10000"}},
		{"as=list&partNumbers=1", []string{"as", "must be one of template"}},
		{"as=list&partNumbers=0", []string{"as", "must be one of template", "partNumbers", "from 1 to 10000"}},
	}
	for _, tt := range tests {
		f.as("alice", "GET", s.path("/batch?"+tt.query), "").invalid(tt.faults...)
	}
	// What is wrong with a request about another's upload says nothing about it.
	f.as("mallory", "GET", s.path("/batch?as=list&partNumbers=0"), "").invalid("as", "must be one of template")
	pinned := f.start(sized(2*100*kib + 5))
	f.as("alice", "GET", pinned.path("/batch?partNumbers=1-4"), "").invalid("partNumbers", "from 1 to 3")
	f.asked()
}

func TestSignEach(t *testing.T) {
	refuse := errors.New("refused")
	got, err := signEach(nil, func(dst []byte, n int64) ([]byte, error) {
		if n == 2 {
			return dst, refuse
		}
		return append(dst, 'x'), nil
	}, []int64{1, 2})
	if got != nil || err != refuse {
		t.Errorf("signEach = %s, %v, want %v", got, err, refuse)
	}
	// Texts that grow need more room than the first had.
	repeat := func(dst []byte, n int64) ([]byte, error) { return append(dst, strings.Repeat("x", int(n))...), nil }
	for want, numbers := range map[string][]int64{
		`{`:                              nil,
		`{"3":"xxx"`:                     {3},
		`{"1":"x","10":"xxxxxxxxxx"`:     {1, 10},
		`{"1":"x","2":"xx","4":"xxxx"`:   {1, 2, 4},
		`{"9":"xxxxxxxxx","1":"x"`:       {9, 1},
		`{"1":"x","0":"","5":"xxxxx"`:    {1, 0, 5},
		`{"2":"xx","3":"xxx","4":"xxxx"`: {2, 3, 4},
	} {
		if got, err := signEach([]byte("{"), repeat, numbers); err != nil || string(got) != want {
			t.Errorf("signEach of %v = %s, %v, want %s", numbers, got, err, want)
		}
	}
}
