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
}

// readForm reads the fields before the file. Those after it come too late.
func (c *call) readForm() (*postForm, error) {
	contentType := c.r.Header.Get("Content-Type")
	mediaType, parameters, err := mime.ParseMediaType(contentType)
	// unconfirmed (form.quoted-boundary): a boundary in quotes. Clients report that it is refused.
	if err != nil || mediaType != "multipart/form-data" || parameters["boundary"] == "" || strings.Contains(contentType, `"`) {
		return nil, errorf(http.StatusBadRequest, codeRequestIsNotMultipart, "", "Bucket POST must be of the enclosure-type multipart/form-data.")
	}
	if c.r.ContentLength > maxSinglePut {
		return nil, errEntityTooLarge()
	}
	f := &postForm{fields: map[string]string{}, sum: md5.New()}
	f.body = io.TeeReader(uploadBody{c.r.Body}, f.sum)
	f.parts = multipart.NewReader(f.body, parameters["boundary"])
	for size := 0; ; {
		part, err := f.parts.NextRawPart()
		if err == io.EOF {
			return nil, errFileCount()
		}
		if err != nil {
			return nil, formError(err)
		}
		name := strings.ToLower(part.FormName())
		_, isRepeated := f.fields[name]
		switch {
		case name == "":
			return nil, errMalformedForm("0006-00000109")
		case len(name) > maxFieldName:
			return nil, errFieldTooLong(name[:64])
		case name == "file":
			if _, ok := f.fields["key"]; !ok {
				return nil, invalidArgument("key", "", "", "Bucket POST must contain a field named 'key'. If it is specified, please check the order of the fields.")
			}
			f.file = part
			return f, nil
		case part.FileName() != "":
			return nil, errFileCount() // unconfirmed (form.file-name): a file under another name
		case isRepeated:
			// unconfirmed (form.repeated-field): which of two values OSS takes.
			return nil, invalidArgument(name, "", "", "The form field is given more than once.")
		}
		value, err := io.ReadAll(io.LimitReader(part, maxFieldValue+1))
		if err != nil {
			return nil, formError(err)
		}
		if size += len(name) + len(value); len(value) > maxFieldValue || size > maxFields {
			return nil, errFieldTooLong(name)
		}
		f.fields[name] = string(value)
	}
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
// example of the documents has it, and nothing else. Content-MD5 covers the
// whole body.
func (f *postForm) finish(contentMD5 string) error {
	for {
		part, err := f.parts.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return formError(err)
		}
		switch strings.ToLower(part.FormName()) {
		case "submit":
		case "file":
			return errFileCount()
		default:
			// unconfirmed (form.after-file): OSS may ignore it, as S3 does. Refused, a
			// field in the wrong place shows.
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
