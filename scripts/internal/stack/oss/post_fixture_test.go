package oss

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"
)

// testForm is a form that a test may spoil before or after it is signed.
type testForm struct {
	account    Account
	expiration string
	conditions []any
	fields     map[string]string

	filename, fileType, file string
	url                      string
	header                   map[string]string
}

// newForm is a form that stores "hello", with no condition but those that
// every policy must have.
func (f *fixture) newForm(a Account, key string) *testForm {
	now := f.s.cfg.Now().UTC()
	form := &testForm{
		account:    a,
		expiration: now.Add(10 * time.Minute).Format(xmlTimeLayout),
		fields: map[string]string{
			"key":                     key,
			"x-oss-signature-version": algorithm,
			"x-oss-credential":        strings.Join([]string{a.AccessKeyID, now.Format("20060102"), testRegion, product, scopeTerminator}, "/"),
			"x-oss-date":              now.Format(timeLayout),
		},
		filename: "a.txt", file: "hello",
		url: f.web.URL + "/" + testBucket + "/",
	}
	if a.SecurityToken != "" {
		form.fields["x-oss-security-token"] = a.SecurityToken
	}
	for _, name := range []string{"x-oss-signature-version", "x-oss-credential", "x-oss-date", "x-oss-security-token"} {
		if value, ok := form.fields[name]; ok {
			form.conditions = append(form.conditions, map[string]string{name: value})
		}
	}
	return form
}

// condition adds conditions to the policy.
func (t *testForm) condition(conditions ...any) { t.conditions = append(t.conditions, conditions...) }

// sign makes policy and signature of what the form is now. It builds the
// policy text itself where that is not nil.
func (t *testForm) sign(policy any) {
	if policy == nil {
		policy = map[string]any{"expiration": t.expiration, "conditions": t.conditions}
	}
	text, ok := policy.(string)
	if !ok {
		data, err := json.Marshal(policy)
		if err != nil {
			panic(err)
		}
		text = string(data)
	}
	t.fields["policy"] = base64.StdEncoding.EncodeToString([]byte(text))
	t.resign()
}

// resign signs the field policy as it stands.
func (t *testForm) resign() {
	date, _, _ := strings.Cut(t.fields["x-oss-date"], "T")
	key := signingKey(t.account.AccessKeySecret, date, testRegion, product)
	t.fields["x-oss-signature"] = hex.EncodeToString(hmacSHA256(key, t.fields["policy"]))
}

// body is the form on the wire; more may follow the file.
func (t *testForm) body(after ...func(*multipart.Writer)) (contentType, body string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(t.fields)) {
		w.WriteField(name, t.fields[name])
	}
	t.writeFile(w)
	for _, write := range after {
		write(w)
	}
	w.Close()
	return w.FormDataContentType(), b.String()
}

func (t *testForm) writeFile(w *multipart.Writer) {
	header := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`form-data; name="file"; filename="%s"`, t.filename)}}
	if t.fileType != "" {
		header.Set("Content-Type", t.fileType)
	}
	part, err := w.CreatePart(header)
	if err != nil {
		panic(err)
	}
	part.Write([]byte(t.file))
}

// post sends the form and follows no redirect.
func (f *fixture) post(form *testForm, after ...func(*multipart.Writer)) reply {
	f.t.Helper()
	contentType, body := form.body(after...)
	return f.postBody(form, contentType, body)
}

func (f *fixture) postBody(form *testForm, contentType, body string) reply {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), "POST", form.url, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	for name, value := range form.header {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.read(response)
}
