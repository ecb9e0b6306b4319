package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"ossupload/shared/signing"
)

// form signs a form as the functions do. It stops the probe if that is refused.
func (r *run) form(f signing.Form, cred signing.Credentials) map[string]string {
	f.Bucket, f.Expires = r.Bucket, 10*time.Minute
	p, err := r.presigner.PresignForm(cred, f, r.Now())
	if err != nil {
		stop("signing a form failed: %v", err)
	}
	return signing.Map(p.Fields)
}

// policy is one that the functions would not sign.
type policy struct {
	as         *signing.Credentials // the target's, if nil
	date       time.Time            // now, if zero
	without    string               // a condition that is required, and left out
	conditions []any                // beside those that are required
}

// sign returns the fields of a form with this policy, which ends in ten minutes:
// those of the signature and key.
func (p policy) sign(r *run, key string) map[string]string {
	cred, now := r.Credentials, r.Now()
	if p.as != nil {
		cred = *p.as
	}
	if p.date.IsZero() {
		p.date = now
	}
	date := p.date.UTC().Format(dateLayout)
	fields := map[string]string{
		"x-oss-signature-version": algorithm,
		"x-oss-credential":        cred.AccessKeyID + "/" + date[:8] + "/" + r.Region + "/oss/aliyun_v4_request",
		"x-oss-date":              date,
	}
	if cred.SecurityToken != "" {
		fields["x-oss-security-token"] = cred.SecurityToken
	}
	conditions := append([]any{map[string]string{"bucket": r.Bucket}, []string{"starts-with", "$key", r.folder}}, p.conditions...)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name != p.without {
			conditions = append(conditions, map[string]string{name: fields[name]})
		}
	}
	text, err := json.Marshal(map[string]any{
		"expiration": now.Add(10 * time.Minute).UTC().Format("2006-01-02T15:04:05.000Z"), "conditions": conditions,
	})
	if err != nil {
		stop("writing a policy failed")
	}
	fields["key"], fields["policy"] = key, base64.StdEncoding.EncodeToString(text)
	fields["x-oss-signature"] = signText(cred.AccessKeySecret, date[:8], r.Region, fields["policy"])
	return fields
}

// fileForm is a form as it is sent.
type fileForm struct {
	fields map[string]string
	twice  [2]string // name and value of a field that comes once more, before the file
	after  [2]string // and of one that comes after it

	fileField string // "file" if empty
	fileName  string // "a.txt" if empty
	fileType  string // of the file's part; none if empty
	quoted    bool   // the boundary in the header
}

// post sends a form with a file.
func (r *run) post(ctx context.Context, fields map[string]string, file string) reply {
	return r.postForm(ctx, fileForm{fields: fields}, file)
}

func (r *run) postForm(ctx context.Context, f fileForm, file string) reply {
	boundary := "boundary" + rand.Text()
	if f.fileField == "" {
		f.fileField = "file"
	}
	if f.fileName == "" {
		f.fileName = "a.txt"
	}
	var body bytes.Buffer
	part := func(disposition, value string) {
		body.WriteString("--" + boundary + "\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + value + "\r\n")
	}
	for _, name := range slices.Sorted(maps.Keys(f.fields)) {
		part(`name="`+name+`"`, f.fields[name])
	}
	if f.twice[0] != "" {
		part(`name="`+f.twice[0]+`"`, f.twice[1])
	}
	disposition := `name="` + f.fileField + `"; filename="` + f.fileName + `"`
	if f.fileType != "" {
		disposition += "\r\nContent-Type: " + f.fileType
	}
	part(disposition, file)
	if f.after[0] != "" {
		part(`name="`+f.after[0]+`"`, f.after[1])
	}
	body.WriteString("--" + boundary + "--\r\n")
	request, err := http.NewRequestWithContext(ctx, "POST", r.bucketURL(), &body)
	if err != nil {
		stop("making a form failed")
	}
	if f.quoted {
		boundary = `"` + boundary + `"`
	}
	request.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
	return r.send(request)
}

// bucketURL is the address of the bucket.
func (r *run) bucketURL() string {
	return strings.TrimSuffix(r.Endpoint.URL(r.Bucket, ""), "/") + "/"
}
