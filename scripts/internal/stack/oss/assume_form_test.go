package oss

import (
	"mime/multipart"
	"strings"
	"time"
)

// postChanged posts a form that is changed before it is signed. More may follow
// the file.
func (f *fixture) postChanged(change func(*testForm), after ...func(*multipart.Writer)) reply {
	f.t.Helper()
	form := f.newForm(permanent, "k")
	change(form)
	form.sign(nil)
	return f.post(form, after...)
}

// postParts posts a signed form whose parts a test writes behind the fields.
func (f *fixture) postParts(write func(*multipart.Writer)) reply {
	f.t.Helper()
	form := f.newForm(permanent, "k")
	form.sign(nil)
	var b strings.Builder
	w := multipart.NewWriter(&b)
	for name, value := range form.fields {
		w.WriteField(name, value)
	}
	write(w)
	w.Close()
	return f.postBody(form, w.FormDataContentType(), b.String())
}

// mismatched is a form that was signed with another secret.
func (f *fixture) mismatched() reply {
	f.t.Helper()
	return f.postChanged(func(form *testForm) { form.account.AccessKeySecret = "other" })
}

var formPositions = []position{
	{"form.folders", func(f *fixture) string {
		f.wantStatus(f.postChanged(func(form *testForm) {
			form.fields["key"], form.filename = "up/${filename}", `C:\\fakepath/a.txt`
		}), 204)
		return f.s.store.list(testBucket, "")[0].Key
	}, map[string]string{"lost": "up/a.txt", "kept": `up/C:\fakepath/a.txt`}},
	{"form.control-characters", func(f *fixture) string {
		got := f.postChanged(func(form *testForm) { form.fields["Cache-Control"] = "a\r\nb" })
		if got.status != 204 {
			return said(got)
		}
		return f.head("k").Headers.Get("Cache-Control")
	}, map[string]string{"refused": "400 InvalidArgument", "stored": "a  b"}},
	{"form.redirect", func(f *fixture) string {
		got := f.postChanged(func(form *testForm) { form.fields["success_action_redirect"] = "https://app.example/done?x=1" })
		return said(got) + " " + got.header.Get("Location")
	}, map[string]string{
		"as S3":    "303 https://app.example/done?x=1&bucket=bucket&key=k&etag=%225D41402ABC4B2A76B9719D911017C592%22",
		"as given": "303 https://app.example/done?x=1",
	}},
	{"form.time-refusals", func(f *fixture) string {
		form := f.newForm(permanent, "k")
		form.sign(nil)
		f.setNow(time.Now().Add(-time.Hour))
		early := f.post(form)
		f.setNow(time.Now().Add(8 * 24 * time.Hour))
		return said(early) + ", " + said(f.post(form))
	}, map[string]string{"403": "403 AccessDenied, 403 AccessDenied", "400": "400 InvalidArgument, 400 InvalidArgument"}},
	{"form.signature-ec", func(f *fixture) string { return said(f.mismatched()) },
		map[string]string{"none": "403 SignatureDoesNotMatch", "as URLs": "403 SignatureDoesNotMatch 0002-00000040"}},
	{"form.missing-condition", func(f *fixture) string {
		return said(f.postChanged(func(form *testForm) { form.conditions = form.conditions[1:] }))
	}, map[string]string{"InvalidPolicyDocument": "400 InvalidPolicyDocument", "AccessDenied": "403 AccessDenied"}},
	{"form.absent-is-empty", func(f *fixture) string {
		empty := f.postChanged(func(form *testForm) { form.condition([]any{"eq", "$x-oss-meta-a", ""}) })
		value := f.postChanged(func(form *testForm) { form.condition([]any{"eq", "$x-oss-meta-a", "b"}) })
		return said(empty) + ", " + said(value)
	}, map[string]string{"fails": "403 AccessDenied, 403 AccessDenied", "holds": "204, 403 AccessDenied"}},
	{"form.quoted-boundary", func(f *fixture) string {
		form := f.newForm(permanent, "k")
		form.sign(nil)
		contentType, body := form.body()
		return said(f.postBody(form, strings.Replace(contentType, "boundary=", `boundary="`, 1)+`"`, body))
	}, map[string]string{"refused": "400 RequestIsNotMultiPartContent", "taken": "204"}},
	{"form.file-name", func(f *fixture) string {
		got := f.postParts(func(w *multipart.Writer) {
			part, _ := w.CreateFormFile("upload", "a.txt")
			part.Write([]byte("hello"))
		})
		stored, _ := f.stored("k")
		return strings.TrimSpace(said(got) + " " + stored)
	}, map[string]string{"refused": "400 IncorrectNumberOfFilesInPOSTRequest", "taken": "204 hello"}},
	{"form.repeated-field", func(f *fixture) string {
		got := f.postParts(func(w *multipart.Writer) {
			w.WriteField("key", "l")
			w.CreateFormFile("file", "a.txt")
		})
		if got.status != 204 {
			return said(got)
		}
		return f.s.store.list(testBucket, "")[0].Key
	}, map[string]string{"refused": "400 InvalidArgument", "first": "k", "last": "l"}},
	{"form.after-file", func(f *fixture) string {
		got := f.postChanged(func(*testForm) {}, func(w *multipart.Writer) { w.WriteField("x-oss-meta-a", "b") })
		if got.status != 204 {
			return said(got)
		}
		return strings.TrimSpace(said(got) + " " + f.head("k").Metadata["a"])
	}, map[string]string{"refused": "400 MalformedPOSTRequest", "ignored": "204"}},
}
