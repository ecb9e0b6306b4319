package probe

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ossupload/shared/signing"
)

var formProbes = []Probe{
	{Fact: "form.exact", Calls: 3, Try: formExact},
	{Fact: "form.length-range", Calls: 3, Try: formLengthRange},
	{Fact: "form.token", Calls: 4, Needs: []Need{NeedRole}, Provokes: []string{"InvalidAccessKeyId"}, Try: formToken},
	{Fact: "form.folders", Calls: 3, Try: formFolders},
	{Fact: "form.control-characters", Calls: 2, Try: formControlCharacters},
	{Fact: "form.redirect", Calls: 1, Try: formRedirect},
	{Fact: "form.time-refusals", Calls: 2, Provokes: []string{"RequestTimeTooSkewed"}, Try: formTimes},
	{Fact: "form.signature-ec", Calls: 1, Try: formSignatureEC},
	{Fact: "form.missing-condition", Calls: 1, Try: formMissingCondition},
	{Fact: "form.absent-is-empty", Calls: 2, Try: formAbsentIsEmpty},
	{Fact: "form.quoted-boundary", Calls: 2, Try: formQuotedBoundary},
	{Fact: "form.file-name", Calls: 2, Try: formFileName},
	{Fact: "form.repeated-field", Calls: 2, Try: formRepeatedField},
	{Fact: "form.after-file", Calls: 2, Try: formAfterFile},
}

const metaA = "x-oss-meta-a"

// takenOr is "taken" for a success and refused for a refusal of the request, by
// the client's fault; else none of a fact's values.
func takenOr(refused string, a reply) string {
	switch {
	case a.ok():
		return "taken"
	case a.status/100 == 4:
		return refused
	}
	return ""
}

func formExact(ctx context.Context, r *run) Finding {
	fields := r.form(signing.Form{Key: r.key("a"), MaxSize: 10, Fields: []signing.Param{{Name: metaA, Value: "1"}}}, r.Credentials)
	same := r.post(ctx, fields, "x")
	fields[metaA] = "2"
	other := r.post(ctx, fields, "x")
	fields[metaA], fields["key"] = "1", r.key("b")
	key := r.post(ctx, fields, "x")
	return found(same.ok() && denied(other, key), "as the policy says: %v; with another value: %v; with another key: %v", same, other, key)
}

func formLengthRange(ctx context.Context, r *run) Finding {
	fields := r.form(signing.Form{Key: r.key("a"), MinSize: 2, MaxSize: 3}, r.Credentials)
	inside, over, under := r.post(ctx, fields, "123"), r.post(ctx, fields, "1234"), r.post(ctx, fields, "1")
	return found(inside.ok() && over.status/100 == 4 && under.status/100 == 4,
		"a file in the range: %v; a byte over it: %v; a byte under it: %v", inside, over, under)
}

func formToken(ctx context.Context, r *run) Finding {
	as := r.session(ctx, "oss:PutObject")
	both := r.post(ctx, policy{as: as}.sign(r, r.key("a")), "x")
	bare := policy{as: as}.sign(r, r.key("a"))
	delete(bare, "x-oss-security-token")
	noField := r.post(ctx, bare, "x")
	noCondition := r.post(ctx, policy{as: as, without: "x-oss-security-token"}.sign(r, r.key("a")), "x")
	return found(both.ok() && !noField.ok() && !noCondition.ok(),
		"the token as field and condition: %v; no field: %v; no condition: %v", both, noField, noCondition)
}

func formFolders(ctx context.Context, r *run) Finding {
	folder := strings.TrimSuffix(r.key("a.txt"), "a.txt")
	r.key("folder/a.txt")
	a := r.postForm(ctx, fileForm{fields: policy{}.sign(r, folder+"${filename}"), fileName: "folder/a.txt"}, "x")
	r.want(a)
	lost := r.do(ctx, call{method: "HEAD", key: folder + "a.txt"})
	kept := r.do(ctx, call{method: "HEAD", key: folder + "folder/a.txt"})
	value := ""
	switch {
	case lost.ok() && !kept.ok():
		value = "lost"
	case kept.ok() && !lost.ok():
		value = "kept"
	}
	return seen(value, "a file in a folder; a HEAD without the folder: %v; with it: %v", lost, kept)
}

func formControlCharacters(ctx context.Context, r *run) Finding {
	fields := policy{}.sign(r, r.key("a"))
	fields[metaA] = "1"
	r.want(r.post(ctx, fields, "x"))
	fields[metaA] = "1\r\n2"
	a := r.post(ctx, fields, "x")
	value := takenOr("refused", a)
	if value == "taken" {
		value = "stored"
	}
	return seen(value, "metadata with a line break: %v", a)
}

func formRedirect(ctx context.Context, r *run) Finding {
	const to = "https://example.com/done?a=b"
	fields := policy{}.sign(r, r.key("a"))
	fields["success_action_redirect"] = to
	a := r.post(ctx, fields, "x")
	location, err := url.Parse(a.header.Get("Location"))
	if err != nil || a.status != http.StatusSeeOther {
		return seen("", "a form with a redirect: %v", a)
	}
	query, value := location.Query(), ""
	switch {
	case location.String() == to:
		value = "as given"
	case query.Get("bucket") == r.Bucket && query.Get("key") == r.key("a") && query.Has("etag") && query.Get("a") == "b":
		value = "as S3"
	}
	return seen(value, "a form with a redirect: %v", a)
}

func formTimes(ctx context.Context, r *run) Finding {
	late := r.post(ctx, policy{date: r.Now().Add(-8 * 24 * time.Hour)}.sign(r, r.key("a")), "x")
	early := r.post(ctx, policy{date: r.Now().Add(time.Hour)}.sign(r, r.key("a")), "x")
	value := ""
	switch {
	case late.status != early.status:
	case late.status == http.StatusForbidden && late.code == "AccessDenied" && early.code == "AccessDenied":
		value = "403"
	case late.status == http.StatusBadRequest:
		value = "400"
	}
	return seen(value, "eight days after its date: %v; an hour before it: %v", late, early)
}

func formSignatureEC(ctx context.Context, r *run) Finding {
	fields := policy{}.sign(r, r.key("a"))
	fields["x-oss-signature"] = strings.Repeat("0", len(fields["x-oss-signature"]))
	a := r.post(ctx, fields, "x")
	value := ""
	switch {
	case a.ok():
	case a.ec == "0002-00000040":
		value = "as URLs"
	case a.ec == "":
		value = "none"
	}
	return seen(value, "a signature of zeros: %v", a)
}

func formMissingCondition(ctx context.Context, r *run) Finding {
	a := r.post(ctx, policy{without: "x-oss-date"}.sign(r, r.key("a")), "x")
	value := ""
	switch a.code {
	case "InvalidPolicyDocument", "AccessDenied":
		value = a.code
	}
	return seen(value, "a policy without a condition on x-oss-date: %v", a)
}

func formAbsentIsEmpty(ctx context.Context, r *run) Finding {
	fields := policy{conditions: []any{[]string{"eq", "$" + metaA, ""}}}.sign(r, r.key("a"))
	a := r.post(ctx, fields, "x")
	fields[metaA] = ""
	present := r.post(ctx, fields, "x")
	value := takenOr("fails", a)
	if value == "taken" {
		value = "holds"
	}
	return seen(value, "a field that has to be empty, left out: %v; empty: %v", a, present)
}

func formQuotedBoundary(ctx context.Context, r *run) Finding {
	fields := policy{}.sign(r, r.key("a"))
	r.want(r.post(ctx, fields, "x"))
	a := r.postForm(ctx, fileForm{fields: fields, quoted: true}, "x")
	return seen(takenOr("refused", a), "a boundary in quotes: %v", a)
}

func formFileName(ctx context.Context, r *run) Finding {
	fields := policy{}.sign(r, r.key("a"))
	r.want(r.post(ctx, fields, "x"))
	a := r.postForm(ctx, fileForm{fields: fields, fileField: "upload"}, "x")
	return seen(takenOr("refused", a), "a file in a field called upload: %v", a)
}

func formRepeatedField(ctx context.Context, r *run) Finding {
	fields := policy{}.sign(r, r.key("a"))
	fields[metaA] = "first"
	a := r.postForm(ctx, fileForm{fields: fields, twice: [2]string{metaA, "last"}}, "x")
	if !a.ok() {
		return seen(takenOr("refused", a), "a field that is given twice: %v", a)
	}
	value := ""
	switch kept := r.do(ctx, call{method: "HEAD", key: r.key("a")}).header.Get(metaA); kept {
	case "first", "last":
		value = kept
	}
	return seen(value, "a field that is given twice: %v; what a HEAD shows is one of the two: %v", a, value != "")
}

func formAfterFile(ctx context.Context, r *run) Finding {
	fields := policy{}.sign(r, r.key("a"))
	a := r.postForm(ctx, fileForm{fields: fields, after: [2]string{metaA, "1"}}, "x")
	if !a.ok() {
		return seen(takenOr("refused", a), "a field after the file: %v", a)
	}
	applied := r.do(ctx, call{method: "HEAD", key: r.key("a")}).header.Get(metaA) != ""
	value := "ignored"
	if applied {
		value = ""
	}
	return seen(value, "a field after the file: %v; it is applied: %v", a, applied)
}
