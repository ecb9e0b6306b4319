package oss

import (
	"crypto/md5"
	"encoding/base64"
	"errors"
	"hash"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"ossupload/scripts/internal/facts"
)

const (
	maxFieldName  = 8 << 10
	maxFieldValue = 2 << 20

	// maxFields is the stand-in's own limit for all fields of a form.
	maxFields = 16 << 20
)

// postForm is the body of a PostObject, read up to the file:
//
//	--boundary
//	Content-Disposition: form-data; name="key"
//
//	user/a.txt
//	--boundary
//	Content-Disposition: form-data; name="file"; filename="a.txt"
//	Content-Type: text/plain
//
//	…
//	--boundary--
//
// Names of fields are case-insensitive; values are kept as they are.
type postForm struct {
	fields map[string]string // by lower-case name
	file   *multipart.Part   // unread

	parts *multipart.Reader
	body  io.Reader // what parts reads, and sum takes in
	sum   hash.Hash

	assume facts.Assumptions
}

// readForm reads the fields before the file. Those after it come too late.
func (c *call) readForm() (*postForm, error) {
	boundary, err := c.readBoundary()
	if err != nil {
		return nil, err
	}
	if c.r.ContentLength > maxSinglePut {
		return nil, errEntityTooLarge()
	}
	f := &postForm{fields: map[string]string{}, sum: md5.New(), assume: c.s.cfg.Assume}
	f.body = io.TeeReader(uploadBody{c.r.Body}, f.sum)
	f.parts = multipart.NewReader(f.body, boundary)
	for size := 0; ; {
		part, err := f.parts.NextRawPart()
		if err == io.EOF {
			return nil, errFileCount()
		}
		if err != nil {
			return nil, formError(err)
		}
		name := strings.ToLower(part.FormName())
		if err := f.checkPart(name, part); err != nil {
			return nil, err
		}
		if f.isFile(name, part) {
			f.file = part
			return f, nil
		}
		value, err := io.ReadAll(io.LimitReader(part, maxFieldValue+1))
		if err != nil {
			return nil, formError(err)
		}
		if size += len(name) + len(value); len(value) > maxFieldValue || size > maxFields {
			return nil, errFieldTooLong(name)
		}
		f.set(name, string(value))
	}
}

// set keeps a field; of one that is repeated and was not refused, the first or the
// last value.
func (f *postForm) set(name, value string) {
	if _, ok := f.fields[name]; !ok || f.assume.Is("form.repeated-field", "last") {
		f.fields[name] = value
	}
}

// readBoundary reads what is between the parts of the form.
//
// unconfirmed (form.quoted-boundary): a boundary in quotes. Clients report that it is refused.
func (c *call) readBoundary() (string, error) {
	contentType := c.r.Header.Get("Content-Type")
	mediaType, parameters, err := mime.ParseMediaType(contentType)
	quoted := strings.Contains(contentType, `"`) && c.assumes("form.quoted-boundary", "refused")
	if err != nil || mediaType != "multipart/form-data" || parameters["boundary"] == "" || quoted {
		return "", errorf(http.StatusBadRequest, codeRequestIsNotMultipart, "", "Bucket POST must be of the enclosure-type multipart/form-data.")
	}
	return parameters["boundary"], nil
}

// isFile reports whether a part is the file.
//
// unconfirmed (form.file-name): is a file under another name, too?
func (f *postForm) isFile(name string, part *multipart.Part) bool {
	return name == "file" || part.FileName() != "" && f.assume.Is("form.file-name", "taken")
}

// checkPart refuses a part that cannot be where it is.
func (f *postForm) checkPart(name string, part *multipart.Part) error {
	_, hasKey := f.fields["key"]
	_, isRepeated := f.fields[name]
	switch {
	case name == "":
		return errMalformedForm("0006-00000109")
	case len(name) > maxFieldName:
		return errFieldTooLong(name[:64])
	case f.isFile(name, part) && !hasKey:
		return invalidArgument("key", "", "", "Bucket POST must contain a field named 'key'. If it is specified, please check the order of the fields.")
	case f.isFile(name, part):
		return nil
	case part.FileName() != "":
		return errFileCount()
	case isRepeated && f.assume.Is("form.repeated-field", "refused"):
		// unconfirmed (form.repeated-field): which of two values OSS takes.
		return invalidArgument(name, "", "", "The form field is given more than once.")
	}
	return nil
}

// receive stages the file, of low to high bytes.
func (f *postForm) receive(st *store, low, high int64) (*stagedFile, error) {
	high = min(high, maxSinglePut)
	body, err := st.stage(io.LimitReader(formFile{f.file}, high+1))
	if err != nil {
		return nil, err
	}
	switch {
	case body.Size > high:
		err = errEntityTooLarge()
	case body.Size < low:
		err = errorf(http.StatusBadRequest, codeEntityTooSmall, "", "Your proposed upload is smaller than the minimum allowed size.")
	default:
		return body, nil
	}
	body.discard()
	return nil, err
}

// finish reads what is after the file: the button that sent the form, as the
// example of the documents has it. Content-MD5 covers the whole body.
func (f *postForm) finish(contentMD5 string) error {
	for {
		part, err := f.parts.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return formError(err)
		}
		// unconfirmed (form.after-file): OSS may ignore other fields, as S3 does. Refused,
		// a field in the wrong place shows.
		switch name := strings.ToLower(part.FormName()); {
		case name == "file":
			return errFileCount()
		case name != "submit" && f.assume.Is("form.after-file", "refused"):
			return errMalformedForm("")
		}
	}
	if contentMD5 == "" {
		return nil
	}
	if _, err := io.CopyN(io.Discard, f.body, maxFields); err != nil && err != io.EOF {
		return formError(err)
	}
	return checkDigest(http.Header{"Content-Md5": {contentMD5}}, base64.StdEncoding.EncodeToString(f.sum.Sum(nil)))
}

// formFile tells a form that ends too early from a disk that failed.
type formFile struct{ part io.Reader }

func (f formFile) Read(p []byte) (int, error) {
	n, err := f.part.Read(p)
	if err != nil && err != io.EOF {
		err = formError(err)
	}
	return n, err
}

// formError is the refusal of a body that cannot be read: the client stopped
// sending, or it is no multipart.
func formError(err error) error {
	var e *apiError
	if errors.As(err, &e) {
		return e
	}
	return errMalformedForm("")
}

func errMalformedForm(ec string) error {
	return errorf(http.StatusBadRequest, codeMalformedPOSTRequest, ec, "The body of your POST request is not well-formed multipart/form-data.")
}

func errFileCount() error {
	return errorf(http.StatusBadRequest, codeIncorrectNumberOfFiles, "", "POST requires exactly one file upload per request.")
}

func errFieldTooLong(name string) error {
	e := errorf(http.StatusBadRequest, codeFieldItemTooLong, "", "Your form field is too long.")
	e.ArgumentName = name
	return e
}
