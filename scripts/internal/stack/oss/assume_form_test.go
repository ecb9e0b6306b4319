package oss

import (
	"io"
	"mime/multipart"
	"net/http"
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

// called uploads "hello" with a callback and its variable x:a, and returns what the
// application got, or what the uploader was answered if it got nothing.
func (f *fixture) called(bodyType, body, custom string) string {
	f.t.Helper()
	app := newReceiver(f.t, answering(200, "application/json", "{}"))
	got := f.putWithCallback("k", "hello", encode(f.t, map[string]string{
		"callbackUrl": app.URL, "callbackBody": body, "callbackBodyType": bodyType,
	}), encode(f.t, map[string]string{"x:a": custom}))
	if app.count() == 0 {
		return said(got)
	}
	_, bodies := app.received()
	return bodies[0]
}

// answered uploads with a callback that is answered so, and returns what the
// uploader gets.
func (f *fixture) answered(answer http.HandlerFunc) string {
	f.t.Helper()
	app := newReceiver(f.t, answer)
	return said(f.putWithCallback("k", "hello", encode(f.t, map[string]string{"callbackUrl": app.URL, "callbackBody": "a"}), ""))
}

var callbackPositions = []position{
	{"callback.space", func(f *fixture) string {
		return f.called(bodyTypeForm, "a=${x:a}", "b c+%20")
	}, map[string]string{"%20": "a=b%20c%2B%2520", "+": "a=b+c%2B%2520"}},
	{"callback.json-escapes", func(f *fixture) string {
		return f.called(bodyTypeJSON, `{"a":${x:a}}`, "\"\\\n&é")
	}, map[string]string{"bare": "{\"a\":\"\"\\\n&é\"}", "escaped": `{"a":"\"\\\n&é"}`}},
	{"callback.image-variables", func(f *fixture) string {
		return f.called(bodyTypeJSON, `{"w":${imageInfo.width},"f":${imageInfo.format},"v":${vpcId}}`, "") + " " +
			f.called(bodyTypeForm, "w=${imageInfo.width}", "")
	}, map[string]string{"nothing": `{"w":,"f":"","v":""} w=`, "null": `{"w":null,"f":null,"v":""} w=`}},
	{"callback.unknown-variable", func(f *fixture) string {
		return f.called(bodyTypeForm, "a=${x:none}&b=${none}", "") + " " + f.called(bodyTypeJSON, "[${x:none},${none}]", "")
	}, map[string]string{"refused": "400 InvalidArgument 400 InvalidArgument", "empty": `a=&b= ["",""]`}},
	{"callback.answer-length", func(f *fixture) string {
		return f.answered(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "{}")
			w.(http.Flusher).Flush()
		}) + ", " + f.answered(answering(200, "application/json", `["ok"]`)) + ", " + f.answered(answering(200, "application/json", "{"))
	}, map[string]string{
		"fails":  "203 CallbackFailed 0007-00000205, 203 CallbackFailed 0007-00000205, 203 CallbackFailed 0007-00000205",
		"passes": "200, 200, 203 CallbackFailed 0007-00000205",
	}},
	{"callback.timeout-ec", func(f *fixture) string {
		f.setFault(faultOf("callback", "Callback", "timeout"))
		late := f.answered(answering(200, "application/json", "{}"))
		f.setFault(faultOf("callback", "Callback", "500"))
		return late + ", " + f.answered(answering(200, "application/json", "{}"))
	}, map[string]string{
		"0007-00000202": "203 CallbackFailed 0007-00000202, 203 CallbackFailed 0007-00000203",
		"none":          "203 CallbackFailed, 203 CallbackFailed 0007-00000203",
	}},
	{"trigger.encoded-keys", func(f *fixture) string {
		l := f.listen(Trigger{})
		f.put("a b/é", "")
		return l.names()["ObjectCreated:PutObject"]
	}, map[string]string{"plain": "a b/é", "encoded": "a%20b%2F%C3%A9"}},
}
