package bucket

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/signer"
)

// setting is one of the documents that a bucket has.
type setting struct {
	name   string
	call   string // of the API, behind Get and Put
	sub    string // the subresource in the query
	root   string // element of the document
	wanted func(Needs) bool
	merge  func(situation, document) (merged, error)
}

// settings are in the order in which they are written: first what only cleans up.
var settings = []setting{
	{"lifecycle", "BucketLifecycle", "lifecycle", "LifecycleConfiguration", always, mergeLifecycle},
	{"overwrite", "BucketOverwriteConfig", "overwriteConfig", "OverwriteConfiguration", func(n Needs) bool { return n.ForbidOverwrite }, mergeOverwrite},
	{"public-access", "BucketPublicAccessBlock", "publicAccessBlock", "PublicAccessBlockConfiguration", func(n Needs) bool { return n.BlockPublicAccess }, mergePublicAccess},
	{"cors", "BucketCors", "cors", "CORSConfiguration", func(n Needs) bool { return len(n.Origins) > 0 }, mergeCORS},
}

func always(Needs) bool { return true }

// Error is a call that OSS refused. Its text has no message of OSS's, which may
// repeat the signed request.
type Error struct {
	Call      string // OSS's name of it, which is also that of the permission
	Status    int
	Code      string
	EC        string
	RequestID string
}

func (e *Error) Error() string {
	text := fmt.Sprintf("calling %s: status %d, code %q, EC %q, request id %q", e.Call, e.Status, e.Code, e.EC, e.RequestID)
	if e.Status == http.StatusForbidden {
		text += "; it needs the permission oss:" + e.Call
	}
	return text
}

// refused reports whether OSS said that another try would end alike.
func refused(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status >= 400 && e.Status < 500
}

func failure(call string, err error) error {
	var s *oss.ServiceError
	if !errors.As(err, &s) {
		return fmt.Errorf("calling %s: %w", call, err)
	}
	return &Error{call, s.StatusCode, s.Code, s.EC, s.RequestID}
}

func (b *Bucket) versioning(ctx context.Context) (string, error) {
	answer, err := b.client.GetBucketVersioning(ctx, &oss.GetBucketVersioningRequest{Bucket: &b.name})
	if err != nil {
		return "", failure("GetBucketVersioning", err)
	}
	return value(answer.VersionStatus), nil
}

// get reads a document with all that it has. The SDK's own types would lose what
// they do not know.
func (b *Bucket) get(ctx context.Context, s setting) (document, error) {
	call := "Get" + s.call
	output, err := b.client.InvokeOperation(ctx, b.operation(call, http.MethodGet, s))
	if err != nil {
		if isAbsent(err) {
			return document{}, nil
		}
		return document{}, failure(call, err)
	}
	defer output.Body.Close()
	body, err := io.ReadAll(output.Body)
	if err != nil {
		return document{}, fmt.Errorf("calling %s: %w", call, err)
	}
	d, err := parseDocument(body)
	if err != nil {
		return document{}, fmt.Errorf("calling %s: %w", call, err)
	}
	return d, nil
}

// isAbsent reports whether OSS said that there is no such setting: NoSuchLifecycle,
// NoSuchCORSConfiguration. Any other 404, a proxy's for one, must not be taken for it:
// what is written then would replace rules that nobody saw.
func isAbsent(err error) bool {
	var refusal *oss.ServiceError
	return errors.As(err, &refusal) && refusal.StatusCode == http.StatusNotFound &&
		strings.HasPrefix(refusal.Code, "NoSuch") && refusal.Code != "NoSuchBucket"
}

// put replaces a document, in one try: a second one, some time later, could undo
// what another wrote meanwhile.
func (b *Bucket) put(ctx context.Context, s setting, m merged) error {
	call, body := "Put"+s.call, m.format(s.root)
	sum := md5.Sum(body)
	input := b.operation(call, http.MethodPut, s)
	input.Body = bytes.NewReader(body)
	input.Headers = map[string]string{"Content-Type": "application/xml", "Content-MD5": base64.StdEncoding.EncodeToString(sum[:])}
	if m.overlaps {
		input.Headers["x-oss-allow-same-action-overlap"] = "true"
	}
	output, err := b.client.InvokeOperation(ctx, input, func(o *oss.Options) { o.RetryMaxAttempts = oss.Ptr(1) })
	if err != nil {
		return failure(call, err)
	}
	return output.Body.Close()
}

func (b *Bucket) operation(call, method string, s setting) *oss.OperationInput {
	input := &oss.OperationInput{OpName: call, Method: method, Bucket: &b.name, Parameters: map[string]string{s.sub: ""}}
	input.OpMetadata.Set(signer.SubResource, []string{s.sub})
	return input
}

// File is a document that a deployment needs, as the console and Alibaba Cloud's
// command line take it.
type File struct {
	Name string
	Text []byte
}

// Files are what a bucket needs that has nothing yet.
func Files(n Needs) ([]File, error) {
	var files []File
	add := func(name string, s setting, versioning string) error {
		m, err := s.merge(situation{n, versioning}, document{})
		if err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		files = append(files, File{name, m.format(s.root)})
		return nil
	}
	for _, s := range slices.DeleteFunc(slices.Clone(settings), func(s setting) bool { return !s.wanted(n) }) {
		if err := add(s.name+".xml", s, ""); err != nil {
			return nil, err
		}
		if s.name == "lifecycle" {
			if err := add("lifecycle-versioned.xml", s, string(oss.VersionEnabled)); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}
