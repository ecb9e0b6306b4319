package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/stack"
)

// issuedForm is a POST form as /presign answers it, and /s3/params with less.
type issuedForm struct {
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	Fields      map[string]string `json:"fields"`
	Key         string            `json:"key"`
	Expires     int64             `json:"expires"`
	ExpiresAt   time.Time         `json:"expiresAt"`
	UploadToken string            `json:"uploadToken"`
}

// form asks for a form as the holder of token.
func (r *rig) form(t *testing.T, token string, wish map[string]any) issuedForm {
	t.Helper()
	in := map[string]any{"filename": "holiday.png", "as": "form"}
	maps.Copy(in, wish)
	return r.readForm(t, r.call(t, http.MethodPost, "/presign", token, in),
		"expires", "expiresAt", "fields", "key", "method", "uploadToken", "url")
}

// params asks for a form as Uppy does, at base: the gateway with a token, or
// the endpoint of a session without.
func (r *rig) params(t *testing.T, base, token, query string) issuedForm {
	t.Helper()
	a := r.request(t, http.MethodGet, base+"/s3/params?"+query, uppyHeader(token), nil)
	f := r.readForm(t, a, "expires", "fields", "method", "url")
	f.Key = f.Fields["key"]
	return f
}

// uppyHeader is what Uppy sends with a request that has no body.
func uppyHeader(token string) http.Header {
	header := http.Header{"Accept": {"application/json"}}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	return header
}

func (r *rig) readForm(t *testing.T, a reply, members ...string) issuedForm {
	t.Helper()
	var f issuedForm
	a.into(t, "asking for a form", &f)
	if got := memberNames(t, a.Body); !slices.Equal(got, members) {
		t.Errorf("the answer has %q, want %q", got, members)
	}
	r.logged.secret(f.UploadToken)
	for _, name := range []string{"policy", "x-oss-signature", "x-oss-security-token", "callback", metaGrant} {
		if f.Fields[name] == "" {
			t.Errorf("the form has no %s", name)
		}
		r.logged.secret(f.Fields[name])
	}
	return f
}

// formItem is one item of a form on the wire.
type formItem struct {
	name, value string
	isFile      bool
	filename    string // of a file
	contentType string // of a file
}

// with is what a browser's FormData holds that was filled as we ask for: every
// field, then the file.
func (f issuedForm) with(content []byte) []formItem {
	var items []formItem
	for _, name := range slices.Sorted(maps.Keys(f.Fields)) {
		items = append(items, formItem{name: name, value: f.Fields[name]})
	}
	return append(items, formItem{name: "file", value: string(content), isFile: true, filename: "holiday.png", contentType: "image/png"})
}

// setItem gives the item of this name another value, or adds it.
func setItem(items []formItem, name, value string) []formItem {
	at := indexOfItem(items, name)
	if at < 0 {
		return itemFirst(items, formItem{name: name, value: value})
	}
	items = slices.Clone(items)
	items[at].value = value
	return items
}

func withoutItem(items []formItem, name string) []formItem {
	at := indexOfItem(items, name)
	return slices.Delete(slices.Clone(items), at, at+1)
}

// itemFirst puts an item before all others, itemLast behind the file.
func itemFirst(items []formItem, item formItem) []formItem {
	return append([]formItem{item}, items...)
}

func itemLast(items []formItem, name string) []formItem {
	at := indexOfItem(items, name)
	return append(withoutItem(items, name), items[at])
}

// itemBehind puts an item behind all other fields.
func itemBehind(items []formItem, item formItem) []formItem {
	return slices.Insert(slices.Clone(items), len(items)-1, item)
}

// itemTwice gives a field a second value, where OSS takes that one if it takes
// either.
func itemTwice(items []formItem, item formItem) []formItem {
	if assumed.Is("form.repeated-field", "last") {
		return itemBehind(items, item)
	}
	return itemFirst(items, item)
}

// asGranted is "" if an answer to a form is the receipt of what was granted, and the
// object has no more than that.
func (r *rig) asGranted(t *testing.T, a reply, f issuedForm, content []byte) string {
	t.Helper()
	if a.Status != http.StatusOK {
		return fmt.Sprintf("answered %v, want the receipt", a)
	}
	r.told(t, a.receipt(t, "the form", f.Key, content))
	header, stored, _ := storedIn(t, r.developer, r.Ready.Bucket, f.Key)
	for _, name := range []string{"Content-Encoding", "Content-Disposition", "Cache-Control", "Expires", "X-Oss-Tagging-Count"} {
		if header.Get(name) != "" {
			return fmt.Sprintf("the object has %s %q", name, header.Get(name))
		}
	}
	if got, want := header.Get("Content-Type"), f.Fields["x-oss-content-type"]; got != want || !bytes.Equal(stored, content) {
		return fmt.Sprintf("the object is %q of type %q, want %q", stored, got, want)
	}
	return ""
}

func indexOfItem(items []formItem, name string) int {
	return slices.IndexFunc(items, func(i formItem) bool { return i.name == name })
}

// post sends items as a browser encodes them ("Multipart form data", HTML
// standard): no Content-Type but the file's, and names raw but for the three
// characters that would end them.
func (r *rig) post(t *testing.T, target string, items []formItem) reply {
	t.Helper()
	escape := strings.NewReplacer(`"`, "%22", "\r", "%0D", "\n", "%0A")
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, item := range items {
		header := textproto.MIMEHeader{}
		disposition := `form-data; name="` + escape.Replace(item.name) + `"`
		if item.isFile {
			disposition += `; filename="` + escape.Replace(item.filename) + `"`
			header.Set("Content-Type", item.contentType)
		}
		header.Set("Content-Disposition", disposition)
		part, err := w.CreatePart(header)
		if err != nil {
			t.Fatal(err)
		}
		part.Write([]byte(item.value))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return r.request(t, http.MethodPost, target, http.Header{"Content-Type": {w.FormDataContentType()}}, body.Bytes())
}

// wantStorageError checks the status and code of OSS's error document.
func (a reply) wantStorageError(t *testing.T, what string, status int, code string) {
	t.Helper()
	if got := a.ossCode(); a.Status != status || got != code {
		t.Errorf("%s = %d %s, want %d %s", what, a.Status, got, status, code)
	}
}

// checkPolicy holds the signed policy of a form against its fields: it has an
// exact condition for each, and names the bucket and the least and greatest
// size.
func (r *rig) checkPolicy(t *testing.T, f issuedForm, low, high int64) {
	t.Helper()
	if want := r.Ready.OSS + "/" + r.Ready.Bucket; f.Method != http.MethodPost || strings.TrimSuffix(f.URL, "/") != want {
		t.Errorf("the form is a %s to %s, want a POST to %s", f.Method, f.URL, want)
	}
	var policy struct {
		Expiration time.Time `json:"expiration"`
		Conditions []any     `json:"conditions"`
	}
	text, err := base64.StdEncoding.DecodeString(f.Fields["policy"])
	if err == nil {
		err = json.Unmarshal(text, &policy)
	}
	if err != nil {
		t.Fatalf("the policy does not decode: %v", err)
	}
	want := []any{
		map[string]any{"bucket": r.Ready.Bucket},
		[]any{"content-length-range", float64(low), float64(high)},
		[]any{"not-in", "$x-oss-server-side-encryption", []any{"AES256", "KMS", "SM4"}},
		[]any{"not-in", "$x-oss-server-side-data-encryption", []any{"SM4"}},
	}
	for _, name := range slices.Sorted(maps.Keys(f.Fields)) {
		if name != "policy" && name != "x-oss-signature" {
			want = append(want, []any{"eq", "$" + name, f.Fields[name]})
		}
	}
	got, wanted := conditionsOf(t, policy.Conditions), conditionsOf(t, want)
	if !slices.Equal(got, wanted) {
		t.Errorf("the policy has the conditions\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(wanted, "\n"))
	}
	// What is not among the fields is the client's to choose.
	for _, name := range []string{
		"key", "callback", "Content-Type", "x-oss-content-type", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires",
		"x-oss-object-acl", "x-oss-storage-class", "x-oss-forbid-overwrite", "success_action_status", metaGrant, "x-oss-meta-ossupload-filename",
		"x-oss-signature-version", "x-oss-credential", "x-oss-date", "x-oss-security-token", "policy", "x-oss-signature",
	} {
		if _, ok := f.Fields[name]; !ok {
			t.Errorf("the form does not pin %s", name)
		}
	}
	for _, name := range []string{"file", "redirect", "success_action_redirect"} {
		if _, ok := f.Fields[name]; ok {
			t.Errorf("the form has the field %s, which Uppy refuses", name)
		}
	}

	signed, err := time.Parse("20060102T150405Z", f.Fields["x-oss-date"])
	if err != nil {
		t.Fatalf("x-oss-date = %q", f.Fields["x-oss-date"])
	}
	if end := signed.Add(time.Duration(f.Expires) * time.Second); !policy.Expiration.Equal(end) || !f.ExpiresAt.IsZero() && !f.ExpiresAt.Equal(end) {
		t.Errorf("the policy ends at %v, expiresAt is %v, want both %v: %d s after x-oss-date", policy.Expiration, f.ExpiresAt, end, f.Expires)
	}
	id, _, _ := strings.Cut(f.Fields["x-oss-credential"], "/")
	c, ok := r.Accounts.Lookup(id)
	if !ok || c.Role != stack.UploadRole || c.SecurityToken != f.Fields["x-oss-security-token"] {
		t.Errorf("the form is not signed by a session of %s with its token", stack.UploadRole)
	}
	if policy.Expiration.After(c.Expires) {
		t.Errorf("the policy ends at %v, later than the credentials at %v", policy.Expiration, c.Expires)
	}
}

// conditionsOf writes conditions as text, sorted.
func conditionsOf(t *testing.T, conditions []any) []string {
	t.Helper()
	var texts []string
	for _, c := range conditions {
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	slices.Sort(texts)
	return texts
}
