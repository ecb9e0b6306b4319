package oss

import (
	"encoding/xml"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// postObject stores the file of a browser's form ("PostObject"). It goes the
// way of every other call, but what others say in headers and query is said in
// form fields, and the policy that was signed decides about them:
//
//	form up to the file, signature, policy, RAM policy, file, answer
//
// A field that no condition names is applied nevertheless: whoever holds the
// form chooses it.
func (c *call) postObject() error {
	form, err := c.readForm()
	if err != nil {
		return err
	}
	now := c.s.cfg.Now()
	var fault *apiError
	if c.account, fault = c.authenticateForm(form, now); fault != nil {
		return fault
	}
	if c.account == nil {
		return errAnonymous()
	}
	policy, err := parsePolicy(form.fields["policy"])
	if err != nil {
		return err
	}
	if fault := policy.check(form.fields, c.target.bucket, now, c.s.cfg.Assume); fault != nil {
		return fault
	}
	c.target.key = form.key()
	header, err := form.header()
	if err != nil {
		return err
	}
	if err := c.checkBucketFirst(c.target.bucket); err != nil {
		return err
	}
	if fault := c.permit(c.target.bucket, c.target.key, c.uploadActions(header)...); fault != nil {
		return fault
	}
	if err := checkKey(c.target.key); err != nil {
		return err
	}
	if !c.s.store.hasBucket(c.target.bucket) {
		return errNoSuchBucket(c.target.bucket)
	}
	return c.storeForm(form, policy, header)
}

// storeForm does what putObject does.
func (c *call) storeForm(form *postForm, policy *postPolicy, header http.Header) error {
	a, err := c.readAttributes(header)
	if err != nil {
		return err
	}
	guard, err := c.readGuard(header)
	if err != nil {
		return err
	}
	callback, err := c.readFormCallback(form)
	if err != nil {
		return err
	}
	body, err := form.receive(c.s.store, policy.minSize, policy.maxSize)
	if err != nil {
		return err
	}
	defer body.discard()
	if err := form.finish(c.r.Header.Get("Content-MD5")); err != nil {
		return err
	}
	o := &object{Key: c.target.key, Type: typeNormal, content: body.content, attributes: a}
	if err := c.storeError(c.s.store.commit(c.target.bucket, o, body, guard)); err != nil {
		return err
	}
	c.tell(o, callback)
	writeContentHeaders(c.w.Header(), o.content)
	c.writeVersion(o)
	if callback != nil {
		return c.sendCallback(callback, o)
	}
	return c.answerForm(form, o)
}

// key fills "${filename}" in with the name of the file.
func (f *postForm) key() string {
	return strings.ReplaceAll(f.fields["key"], "${filename}", f.filename())
}

// filename is the name of the file, without the folders that some browsers put
// before it.
//
// unconfirmed (form.folders): that the folders are taken off.
func (f *postForm) filename() string {
	if f.assume.Is("form.folders", "kept") {
		_, parameters, _ := mime.ParseMediaType(f.file.Header.Get("Content-Disposition"))
		return parameters["filename"]
	}
	name := f.file.FileName()
	return name[strings.LastIndexAny(name, `/\`)+1:]
}

// header returns the fields that a PUT has as headers, under their names.
// The Content-Type is x-oss-content-type, else that of the file's part, else
// the field of this name ("PostObject").
//
// unconfirmed (form.control-characters): what OSS makes of control characters, which no header of a PUT
// can hold.
func (f *postForm) header() (http.Header, error) {
	header := http.Header{}
	for name, value := range f.fields {
		isStored := slices.ContainsFunc(storedHeaders, func(s string) bool { return strings.EqualFold(s, name) })
		if !isStored && !strings.HasPrefix(name, "x-oss-") {
			continue
		}
		if strings.ContainsFunc(value, unicode.IsControl) && f.assume.Is("form.control-characters", "refused") {
			return nil, invalidArgument(name, "", "", "The value of the form field is invalid.")
		}
		header.Set(name, value)
	}
	for _, contentType := range []string{f.file.Header.Get("Content-Type"), f.fields["x-oss-content-type"]} {
		if contentType != "" {
			header.Set("Content-Type", contentType)
		}
	}
	return header, nil
}

// readFormCallback reads the field callback and its variables, the fields x:*.
// A callback in a header or the query is ignored like everything there, but
// not beside one in the form.
func (c *call) readFormCallback(form *postForm) (*callback, error) {
	value := form.fields["callback"]
	if value == "" {
		return nil, nil
	}
	if c.r.Header.Get("x-oss-callback") != "" || c.query.has("callback") {
		return nil, invalidArgument("callback", "", "", "The callback is given more than once.")
	}
	if c.s.cfg.CallbackKey == nil {
		return nil, errNotImplemented("callbacks without a callback key")
	}
	vars := map[string]string{}
	for name, value := range form.fields {
		if strings.HasPrefix(name, "x:") {
			vars[name] = value
		}
	}
	return c.parseCallback("callback", value, vars)
}

// answerForm answers as the form asks: a redirect before a status, and 204
// where it asks for nothing that there is.
func (c *call) answerForm(form *postForm, o *object) error {
	if to := c.redirect(form.fields["success_action_redirect"], o); to != "" {
		c.w.Header().Set("Location", to)
		return c.writeEmpty(http.StatusSeeOther)
	}
	path, _ := rawTarget(c.r)
	location := "http://" + c.r.Host + strings.TrimSuffix(path, "/") + "/" + strings.ReplaceAll(percentEncode(o.Key), "%2F", "/")
	switch form.fields["success_action_status"] {
	case "200":
		return c.writeEmpty(http.StatusOK)
	case "201":
		c.w.Header().Set("Location", location)
		return c.writeDocument(http.StatusCreated, struct {
			XMLName  xml.Name `xml:"PostResponse"`
			Bucket   string
			ETag     string
			Key      string
			Location string
		}{Bucket: c.target.bucket, ETag: quote(o.ETag), Key: o.Key, Location: location})
	}
	return c.writeEmpty(http.StatusNoContent)
}

// redirect is where the uploader is sent, or "" if that is no place to go to.
//
// unconfirmed (form.redirect): what OSS adds to the redirect. S3 adds bucket, key and etag.
func (c *call) redirect(target string, o *object) string {
	to, err := url.Parse(target)
	switch {
	case err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https":
		return ""
	case c.assumes("form.redirect", "as given"):
		return target
	}
	if to.RawQuery != "" {
		to.RawQuery += "&"
	}
	to.RawQuery += "bucket=" + percentEncode(c.target.bucket) + "&key=" + percentEncode(o.Key) + "&etag=" + percentEncode(quote(o.ETag))
	return to.String()
}
