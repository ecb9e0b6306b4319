package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/fc"
)

func TestForm(t *testing.T) {
	t.Parallel()
	const limit = 5000 // of a caller whose token says so
	full := filler(limit, 3)
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		limited := r.caller(t, "demo", map[string]any{"maxSize": limit, "context": map[string]any{"order": 7}})
		tests := []struct {
			name      string
			issue     func(t *testing.T) issuedForm
			low, high int64
			content   []byte
			item      func(file *formItem) // changes what the browser says of the file
			check     func(t *testing.T, got client.Receipt)
		}{
			{
				name:  "of exactly a size",
				issue: func(t *testing.T) issuedForm { return r.form(t, limited, map[string]any{"size": 1234}) },
				low:   1234, high: 1234, content: full[:1234],
				check: func(t *testing.T, got client.Receipt) {
					if string(got.Context) != `{"order":7}` || got.ContentType != "image/png" {
						t.Errorf("receipt = %+v, want the context of the token and the type of the name", got)
					}
				},
			},
			{
				name:  "of nothing",
				issue: func(t *testing.T) issuedForm { return r.form(t, limited, map[string]any{"size": 0}) },
				low:   0, high: 0, content: []byte{},
			},
			{
				name:  "up to the maximum, and nothing sent",
				issue: func(t *testing.T) issuedForm { return r.form(t, limited, nil) },
				low:   0, high: limit, content: []byte{},
			},
			{
				name:  "up to the maximum, and all of it sent",
				issue: func(t *testing.T) issuedForm { return r.form(t, limited, nil) },
				low:   0, high: limit, content: full,
			},
			{
				name:  "up to the 5 GB of a form",
				issue: func(t *testing.T) issuedForm { return r.form(t, r.Ready.CallerToken, nil) },
				low:   0, high: 5 << 30, content: full[:7],
			},
			{
				name: "with everything that can be asked",
				issue: func(t *testing.T) issuedForm {
					return r.form(t, limited, map[string]any{
						"filename": "Grüße & mehr.PNG", "size": 77, "contentType": "image/webp", "storageClass": "IA",
						"checksum": map[string]string{"crc64": crcOf(full[:77])}, "tags": map[string]string{"project": "a b/c=d+e"},
						"metadata": map[string]string{"camera": "Übersee ☀ 100%"}, "vars": map[string]string{"note": `<ä> & "b" $`}, "expiresIn": 120,
					})
				},
				low: 77, high: 77, content: full[:77],
				check: func(t *testing.T, got client.Receipt) {
					if got.Filename != "Grüße & mehr.PNG" || got.ContentType != "image/webp" || got.Metadata["camera"] != "Übersee ☀ 100%" || got.Vars["note"] != `<ä> & "b" $` {
						t.Errorf("receipt = %+v, want what was asked for", got)
					}
					head, err := r.developer.HeadObject(t.Context(), &oss.HeadObjectRequest{Bucket: &r.Ready.Bucket, Key: &got.Key})
					if err != nil {
						t.Fatal(err)
					}
					if oss.ToString(head.StorageClass) != "IA" || head.Headers.Get("x-oss-tagging-count") != "1" {
						t.Errorf("storage class %q, %q tags, want IA and 1", oss.ToString(head.StorageClass), head.Headers.Get("x-oss-tagging-count"))
					}
				},
			},
			{
				name:  "whose file says another type and another name",
				issue: func(t *testing.T) issuedForm { return r.form(t, limited, map[string]any{"size": 10}) },
				low:   10, high: 10, content: full[:10],
				item: func(file *formItem) { file.contentType, file.filename = "text/html", `../"evil".html` },
				check: func(t *testing.T, got client.Receipt) {
					if got.ContentType != "image/png" || got.Filename != "holiday.png" {
						t.Errorf("receipt = %+v, want type and name that were granted", got)
					}
				},
			},
			{
				name: "as Uppy asks, with a name of spaces and Chinese",
				issue: func(t *testing.T) issuedForm {
					query := url.Values{
						"filename": {"假日 照片 (1) & a+b.jpg"}, "type": {"image/jpeg"},
						"metadata[relativePath]": {"null"}, "metadata[name]": {"假日 照片 (1) & a+b.jpg"}, "metadata[type]": {"image/jpeg"},
						"metadata[caption]": {"Übung & ☀ 100%"}, "metadata[empty]": {""},
					}
					return r.params(t, r.Ready.Gateway, limited, query.Encode())
				},
				low: 0, high: limit, content: full[:99],
				item: func(file *formItem) { file.contentType, file.filename = "image/jpeg", "假日 照片 (1) & a+b.jpg" },
				check: func(t *testing.T, got client.Receipt) {
					if got.Filename != "假日 照片 (1) & a+b.jpg" || got.ContentType != "image/jpeg" || !strings.HasSuffix(got.Key, ".jpg") ||
						!maps.Equal(got.Metadata, map[string]string{"caption": "Übung & ☀ 100%"}) || string(got.Context) != `{"order":7}` {
						t.Errorf("receipt = %+v, want name, type and the one metadata that is the user's", got)
					}
				},
			},
			{
				name: "as Uppy asks, with no more than a name",
				issue: func(t *testing.T) issuedForm {
					return r.params(t, r.Ready.Gateway, limited, "filename=notes&type=&metadata%5BrelativePath%5D=null")
				},
				low: 0, high: limit, content: full[:5],
				check: func(t *testing.T, got client.Receipt) {
					if got.ContentType != "application/octet-stream" || got.Filename != "notes" || len(got.Metadata) != 0 {
						t.Errorf("receipt = %+v, want a file of no known type", got)
					}
				},
			},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				f := tt.issue(t)
				r.checkPolicy(t, f, tt.low, tt.high)
				items := f.with(tt.content)
				if tt.item != nil {
					tt.item(&items[len(items)-1])
				}
				got := r.post(t, f.URL, items).receipt(t, "POST of the form", f.Key, tt.content)
				r.wantStored(t, f.Key, tt.content)
				r.wantEvents(t, got, 1)
				if tt.check != nil {
					tt.check(t, got)
				}
				r.post(t, f.URL, items).wantStorageError(t, "the same form again", http.StatusConflict, "FileAlreadyExists")
				r.post(t, f.URL, setItem(items, "file", strings.Repeat("x", len(tt.content)))).wantStorageError(t, "other bytes with the same form", http.StatusConflict, "FileAlreadyExists")
				r.wantStored(t, f.Key, tt.content)
				r.wantEvents(t, got, 1)
			})
		}
	})
}

// formAttack is one way to use a form for what it does not allow.
type formAttack struct {
	name   string
	items  func(f issuedForm, items []formItem) []formItem
	status int
	code   string // "" where OSS takes it for the form as it was issued
}

// formAttacks are those that the fields of a form suggest, and others.
func formAttacks(f issuedForm, content []byte) []formAttack {
	const denied, exact = "AccessDenied", http.StatusForbidden
	outcome := func(special map[string]formAttack, name string) (int, string) {
		if s, ok := special[name]; ok {
			return s.status, s.code
		}
		return exact, denied
	}
	invalid := formAttack{status: http.StatusBadRequest, code: "InvalidArgument"}
	leftOut := map[string]formAttack{
		"key": invalid, "policy": invalid, "x-oss-signature": invalid, "x-oss-signature-version": invalid, "x-oss-credential": invalid, "x-oss-date": invalid,
		"x-oss-security-token": {status: exact, code: "InvalidAccessKeyId"},
	}
	changed := map[string]formAttack{
		"policy": {status: exact, code: "SignatureDoesNotMatch"}, "x-oss-signature": {status: exact, code: "SignatureDoesNotMatch"},
		"x-oss-security-token":    {status: exact, code: "InvalidSecurityToken"},
		"x-oss-signature-version": invalid, "x-oss-credential": invalid, "x-oss-date": invalid,
	}
	var attacks []formAttack
	add := func(name string, status int, code string, change func(f issuedForm, items []formItem) []formItem) {
		attacks = append(attacks, formAttack{name: name, items: change, status: status, code: code})
	}
	for _, name := range slices.Sorted(maps.Keys(f.Fields)) {
		status, code := outcome(leftOut, name)
		if f.Fields[name] == "" && assumed.Is("form.absent-is-empty", "holds") {
			status, code = http.StatusOK, ""
		}
		add("without "+name, status, code, func(_ issuedForm, items []formItem) []formItem { return withoutItem(items, name) })
		status, code = outcome(changed, name)
		add("with another "+name, status, code, func(f issuedForm, items []formItem) []formItem {
			return setItem(items, name, f.Fields[name]+"x")
		})
		if assumed.Is("form.repeated-field", "refused") {
			status, code = invalid.status, invalid.code
		}
		add("with "+name+" twice", status, code, func(f issuedForm, items []formItem) []formItem {
			return itemTwice(items, formItem{name: strings.ToUpper(name), value: f.Fields[name] + "x"})
		})
	}
	// Values that OSS would apply.
	for name, value := range map[string]string{
		"x-oss-object-acl": "public-read", "x-oss-storage-class": "ColdArchive", "x-oss-content-type": "text/html", "Content-Type": "text/html",
		"Cache-Control": "public, max-age=31536000", "Content-Disposition": "inline", "Content-Encoding": "gzip", "Expires": "Thu, 01 Jan 2099 00:00:00 GMT",
		"success_action_status": "204", "x-oss-forbid-overwrite": "false", "callback": "", "key": "uploads/demo2/x.png",
		"Content-Language": "de", "x-oss-server-side-encryption": "KMS", "x-oss-server-side-data-encryption": "SM4",
	} {
		add(fmt.Sprintf("with %s %q", name, value), exact, denied, func(_ issuedForm, items []formItem) []formItem { return setItem(items, name, value) })
	}
	add("with a key that the file's name fills in", exact, denied, func(f issuedForm, items []formItem) []formItem {
		return setItem(items, "key", f.Key+"${filename}")
	})
	add("one byte short", http.StatusBadRequest, "EntityTooSmall", func(_ issuedForm, items []formItem) []formItem {
		return setItem(items, "file", string(content[1:]))
	})
	add("one byte long", http.StatusBadRequest, "EntityTooLarge", func(_ issuedForm, items []formItem) []formItem {
		return setItem(items, "file", string(content)+"x")
	})
	add("with nothing in the file", http.StatusBadRequest, "EntityTooSmall", func(_ issuedForm, items []formItem) []formItem {
		return setItem(items, "file", "")
	})
	add("without a file", http.StatusBadRequest, "IncorrectNumberOfFilesInPOSTRequest", func(_ issuedForm, items []formItem) []formItem {
		return withoutItem(items, "file")
	})
	add("with two files", http.StatusBadRequest, "IncorrectNumberOfFilesInPOSTRequest", func(_ issuedForm, items []formItem) []formItem {
		return append(items, items[len(items)-1])
	})
	for name, code := range map[string]string{"key": "InvalidArgument", "policy": "InvalidArgument"} {
		add("with "+name+" behind the file", http.StatusBadRequest, code, func(_ issuedForm, items []formItem) []formItem { return itemLast(items, name) })
	}
	for _, name := range []string{"callback", "x-oss-object-acl", metaGrant, "x-oss-forbid-overwrite"} {
		add("with "+name+" behind the file", exact, denied, func(_ issuedForm, items []formItem) []formItem { return itemLast(items, name) })
	}
	add("with nothing but the key", exact, denied, func(_ issuedForm, items []formItem) []formItem {
		return slices.DeleteFunc(slices.Clone(items), func(i formItem) bool { return i.name != "key" && i.name != "file" })
	})
	return attacks
}

func TestFormRefuses(t *testing.T) {
	t.Parallel()
	content := filler(700, 5)
	r := newRig(t, fc.TriggerHTTP, nil)
	exactly := map[string]any{"size": len(content)}
	limited := r.caller(t, "demo", map[string]any{"maxSize": len(content)})
	attacks := formAttacks(r.form(t, r.Ready.CallerToken, exactly), content)
	for _, tt := range attacks {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := r.form(t, r.Ready.CallerToken, exactly)
			items := f.with(content)
			changed := tt.items(f, items)
			if tt.code == "" {
				if fault := r.asGranted(t, r.post(t, f.URL, changed), f, content); fault != "" {
					t.Error(fault)
				}
				return
			}
			r.post(t, f.URL, changed).wantStorageError(t, "POST", tt.status, tt.code)
			r.wantStored(t, f.Key, nil)
			if at := indexOfItem(changed, "key"); at >= 0 {
				r.wantStored(t, changed[at].value, nil)
			}
			r.wantNoEvent(t, f.Key)
			// The form itself is good, and was not used up.
			r.wantEvents(t, r.post(t, f.URL, items).receipt(t, "the honest POST", f.Key, content), 1)
		})
	}
	t.Run("one byte over the maximum", func(t *testing.T) {
		t.Parallel()
		f := r.form(t, limited, nil)
		r.post(t, f.URL, f.with(filler(len(content)+1, 5))).wantStorageError(t, "POST", http.StatusBadRequest, "EntityTooLarge")
		r.wantStored(t, f.Key, nil)
		r.wantNoEvent(t, f.Key)
		r.wantEvents(t, r.post(t, f.URL, f.with(content)).receipt(t, "the honest POST", f.Key, content), 1)
	})
	t.Run("in another bucket", func(t *testing.T) {
		t.Parallel()
		other := "ossupload-other"
		if _, err := r.developer.PutBucket(t.Context(), &oss.PutBucketRequest{Bucket: &other}); err != nil {
			t.Fatal(err)
		}
		f := r.form(t, r.Ready.CallerToken, exactly)
		r.post(t, r.Ready.OSS+"/"+other, f.with(content)).wantStorageError(t, "POST", http.StatusForbidden, "AccessDenied")
		r.wantNoEvent(t, f.Key)
		r.wantEvents(t, r.post(t, f.URL, f.with(content)).receipt(t, "the honest POST", f.Key, content), 1)
	})
	t.Run("at its end", func(t *testing.T) {
		t.Parallel()
		f := r.form(t, r.Ready.CallerToken, map[string]any{"size": len(content), "expiresIn": 1})
		r.checkPolicy(t, f, int64(len(content)), int64(len(content)))
		<-time.After(time.Until(f.ExpiresAt)) // under a second: the least life that there is
		r.post(t, f.URL, f.with(content)).wantStorageError(t, "POST at expiresAt", http.StatusForbidden, "AccessDenied")
		r.wantStored(t, f.Key, nil)
		r.wantNoEvent(t, f.Key)
	})
	t.Run("wishes that it cannot have", func(t *testing.T) {
		t.Parallel()
		for field, wish := range map[string]map[string]any{
			"checksum.md5": {"checksum": map[string]string{"md5": md5Base64(content)}},
			"contentType":  {"contentType": "text/html"},
			"size":         {"size": 5<<30 + 1},
		} {
			in := map[string]any{"filename": "a.png", "as": "form"}
			maps.Copy(in, wish)
			c := r.call(t, http.MethodPost, "/presign", r.Ready.CallerToken, in).refused(t, "a form with "+field, http.StatusBadRequest, "invalid_request")
			if got := c.fields(t); !slices.Equal(got, []string{field}) {
				t.Errorf("a form with %v: fields = %q, want %q", wish, got, field)
			}
		}
		for query, want := range map[string][]string{
			"type=image/png":                               {"filename"},
			"filename=a.png&type=a":                        {"type"},
			"filename=&type=text/html":                     {"filename", "type"},
			"filename=a&metadata[Big]=1":                   {"metadata.Big"},
			"filename=a&metadata[a]=%0A":                   {"metadata.a"},
			"filename=a&metadata[]=b":                      {"metadata."},
			"filename=a%0Db&type=a/b,c/d":                  {"filename", "type"},
			"filename=a&metadata[ossupload-grant]=v1.k1.x": {"metadata.ossupload-grant"},
		} {
			a := r.request(t, http.MethodGet, r.Ready.Gateway+"/s3/params?"+query, uppyHeader(r.Ready.CallerToken), nil)
			got := a.refused(t, query, http.StatusBadRequest, "invalid_request").fields(t)
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("GET /s3/params?%s: fields = %q, want %q", query, got, want)
			}
		}
		a := r.request(t, http.MethodGet, r.Ready.Gateway+"/s3/params?filename=a", uppyHeader(""), nil)
		a.refused(t, "GET /s3/params of nobody", http.StatusUnauthorized, "unauthenticated")
	})
}

// OSS applies a form field that no condition of the policy names. What a client
// can add so either changes nothing, or keeps the object from being announced.
func TestFormFieldsThatNobodyAskedFor(t *testing.T) {
	t.Parallel()
	content := filler(300, 6)
	tests := []struct {
		name, field, value string
		announced          bool
		metadata           map[string]string
	}{
		{"metadata was not granted", "x-oss-meta-x", "y", false, nil},
		{"metadata under our names neither", "x-oss-meta-ossupload-x", "y", false, nil},
		{"tags were not granted", "x-oss-tagging", "project=other", false, nil},
		{"an unknown field says nothing", "x-requested-with", "a client", true, map[string]string{}},
		{"a variable reaches nobody", "x:order", "7", true, map[string]string{}},
		{"the button that sent the form", "submit", "Upload", true, map[string]string{}},
	}
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				f := r.form(t, r.Ready.CallerToken, map[string]any{"size": len(content)})
				a := r.post(t, f.URL, itemFirst(f.with(content), formItem{name: tt.field, value: tt.value}))
				r.wantStored(t, f.Key, content)
				if !tt.announced {
					a.wantStorageError(t, "POST", http.StatusNonAuthoritativeInfo, "CallbackFailed")
					for what, c := range map[string]reply{"by token": r.confirmToken(t, f.UploadToken), "by key": r.confirmKey(t, f.Key)} {
						c.refused(t, "confirming "+what, http.StatusUnprocessableEntity, "object_mismatch")
					}
					r.wantNoEvent(t, f.Key)
					return
				}
				got := a.receipt(t, "POST", f.Key, content)
				if !maps.Equal(got.Metadata, tt.metadata) {
					t.Errorf("metadata = %q, want %q", got.Metadata, tt.metadata)
				}
				r.wantEvents(t, got, 1)
			})
		}
		t.Run("other bytes than were declared", func(t *testing.T) {
			t.Parallel()
			f := r.form(t, r.Ready.CallerToken, map[string]any{"size": len(content), "checksum": map[string]string{"crc64": crcOf(content)}})
			other := filler(len(content), 7)
			r.post(t, f.URL, f.with(other)).wantStorageError(t, "POST", http.StatusNonAuthoritativeInfo, "CallbackFailed")
			r.wantStored(t, f.Key, other)
			r.confirmToken(t, f.UploadToken).checksum(t, crcOf(content), crcOf(other))
			r.wantNoEvent(t, f.Key)
		})
	})
}

// A form whose callback was lost is repaired with its token; one that Uppy asked
// for has none, and is repaired by its key.
func TestFormWhoseCallbackIsLost(t *testing.T) {
	t.Parallel()
	content := filler(300, 8)
	behindBothTriggers(t, func(t *testing.T, r *rig) {
		forms := []issuedForm{
			r.form(t, r.Ready.CallerToken, nil),
			r.params(t, r.Ready.Gateway, r.Ready.CallerToken, "filename=a.png&type=image/png"),
		}
		r.fail(t, fault.Fault{Target: "callback", Operation: "*", Mode: "reset", Count: 2})
		for _, f := range forms {
			r.post(t, f.URL, f.with(content)).wantStorageError(t, "POST", http.StatusNonAuthoritativeInfo, "CallbackFailed")
			r.wantNoEvent(t, f.Key)
		}
		first := r.confirmToken(t, forms[0].UploadToken).receipt(t, "by token", forms[0].Key, content)
		r.wantEvents(t, first, 1)
		second := r.confirmKey(t, forms[1].Key).receipt(t, "by key", forms[1].Key, content)
		r.wantEvents(t, second, 1)
	})
}

func TestFormThroughCurl(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	r := newRig(t, fc.TriggerAPIGateway, nil)
	content := filler(70_000, 9)
	dir := t.TempDir()
	file := filepath.Join(dir, "holiday.png")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	send := func(t *testing.T, f issuedForm) reply {
		t.Helper()
		output := filepath.Join(t.TempDir(), "answer")
		args := []string{"-sS", "--max-time", "20", "-o", output, "-w", "%{http_code}"}
		for _, name := range slices.Sorted(maps.Keys(f.Fields)) {
			args = append(args, "--form-string", name+"="+f.Fields[name])
		}
		out, err := exec.CommandContext(t.Context(), curl, append(args, "-F", "file=@"+file, f.URL)...).Output()
		if err != nil {
			t.Fatalf("curl: %v", err)
		}
		body, err := os.ReadFile(output)
		if err != nil {
			t.Fatal(err)
		}
		a := reply{client.Answer{Header: http.Header{}, Body: body}}
		if _, err := fmt.Sscan(string(out), &a.Status); err != nil {
			t.Fatalf("curl printed %q, want a status", out)
		}
		return a
	}
	f := r.form(t, r.Ready.CallerToken, map[string]any{"size": len(content)})
	r.wantEvents(t, send(t, f).receipt(t, "curl -F", f.Key, content), 1)
	send(t, f).wantStorageError(t, "curl -F again", http.StatusConflict, "FileAlreadyExists")

	small := r.form(t, r.Ready.CallerToken, map[string]any{"size": len(content) - 1})
	send(t, small).wantStorageError(t, "curl -F of a byte too many", http.StatusBadRequest, "EntityTooLarge")
	r.wantStored(t, small.Key, nil)
}
