// Package oss stands in for Alibaba Cloud OSS on a developer's machine
// and in tests: one region, buckets on disk, no billing.
//
// It promises to refuse what OSS refuses, with the status, code and EC that
// OSS answers. Signatures are recomputed from the request as received: raw
// path, raw query, received headers. The package shares no code with the one
// that makes signatures, so a wrong canonical form cannot pass on both sides.
//
// Where it is unknown what OSS does, the stand-in is strict with the caller
// that it protects and lax with an attacker: a doubtful request is refused,
// while headers that no signature covers (Content-Encoding,
// Content-Disposition, Cache-Control, Expires) are stored with the object and
// shown to everybody who asks. Each such assumption is a comment that begins
// with "unconfirmed (ID)", where ID names it in package facts, and a switch:
// Config.Assume has the stand-in take any other value that the fact may have.
//
// Known differences from OSS: callbacks may go to private addresses, which is
// what local means, unless Config.RefusePrivateCallbacks is set; https callbacks
// always send SNI; x-oss-process on a GET changes nothing and comes back as
// x-oss-local-process, since there is no image library here; versioning takes
// effect at once; lifecycle rules are applied when Server.ApplyLifecycle is called,
// and move nothing to another storage class; the CORS rules belong to the server,
// not to a bucket; signature version 1 answers 501 NotImplemented, as does every
// operation that is not in the table of routes.
package oss

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"ossupload/scripts/internal/facts"
)

// Config is everything that a Server depends on. Region, Dir, Now and Lookup
// are required.
type Config struct {
	// Region is the region of every bucket, "cn-hangzhou".
	Region string

	// Dir holds objects, uploads and metadata. It survives a restart.
	Dir string

	// Host is the domain whose subdomains are buckets. It may be empty:
	// path style, http://127.0.0.1:8581/bucket/key, always works.
	Host string

	Now    func() time.Time
	Lookup func(accessKeyID string) (Account, bool)

	// CallbackKey signs upload callbacks. Without it, a request that asks
	// for a callback is answered 501.
	CallbackKey *rsa.PrivateKey

	// CallbackKeyURL is announced in x-oss-pub-key-url. The public key is
	// served, unsigned, at its path, which must be under /_local/.
	CallbackKeyURL string

	// RefusePrivateCallbacks refuses uploads whose callback goes to a private address,
	// as OSS does. Local addresses are private, so that by default any address will do.
	RefusePrivateCallbacks bool

	// Fault is asked once per call and may break it; see fault.go. Nil
	// breaks nothing.
	Fault func(target, operation string) string

	// Assume are the values of what is unknown about OSS. The zero value takes the
	// first of each fact.
	Assume facts.Assumptions

	// PlainHTTP has the conditions of policies see calls over plain http as such;
	// else they count as secure.
	PlainHTTP bool

	// CORS are the rules of buckets that were not told their own; nil means
	// DefaultCORS.
	CORS []CORSRule

	// Log gets one line per call. Nil discards.
	Log *slog.Logger

	// Timeout is how long the fault "timeout" holds a request before it
	// closes the connection; zero means 30 s.
	Timeout time.Duration
}

// localPrefix begins the paths of the stand-in's own endpoints, which OSS does
// not have. No bucket can be called _local.
const localPrefix = "/_local/"

// Server answers as OSS does. It is an http.Handler, safe for concurrent use.
type Server struct {
	cfg        Config
	store      *store
	keyPath    string
	keyPEM     []byte
	httpClient *http.Client
	resolver   resolver
	trigger    atomic.Pointer[Trigger]
}

// New opens what Dir holds and returns a Server for it. One directory must
// not be used by two servers at once.
func New(cfg Config) (*Server, error) {
	if cfg.Region == "" || cfg.Dir == "" || cfg.Now == nil || cfg.Lookup == nil {
		return nil, errors.New("configuring the OSS stand-in: Region, Dir, Now and Lookup are required")
	}
	if cfg.Fault == nil {
		cfg.Fault = func(string, string) string { return "" }
	}
	if cfg.CORS == nil {
		cfg.CORS = DefaultCORS()
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	s := &Server{cfg: cfg, httpClient: callbackClient(), resolver: net.DefaultResolver}
	if cfg.CallbackKey != nil {
		u, err := url.Parse(cfg.CallbackKeyURL)
		if err != nil || u.Host == "" || !strings.HasPrefix(u.Path, localPrefix) {
			return nil, fmt.Errorf("configuring the OSS stand-in: callback key URL %q is not a URL with a path under %s", cfg.CallbackKeyURL, localPrefix)
		}
		s.keyPath = u.Path
		if s.keyPEM, err = publicKeyPEM(&cfg.CallbackKey.PublicKey); err != nil {
			return nil, fmt.Errorf("encoding the callback key: %w", err)
		}
	}
	var err error
	if s.store, err = openStore(cfg.Dir, cfg.Now); err != nil {
		return nil, fmt.Errorf("opening the object store %q: %w", cfg.Dir, err)
	}
	return s, nil
}

// CreateBucket makes a bucket unless it is there.
func (s *Server) CreateBucket(name string) error {
	if !validBucketName(name) {
		return fmt.Errorf("creating bucket %q: invalid name", name)
	}
	return s.store.createBucket(name, standard)
}

// SetVersioning sets the state of a bucket as PutBucketVersioning does: enabled,
// every later upload is a version of its own; suspended, it replaces the version
// "null", which is also what is there already.
func (s *Server) SetVersioning(bucket string, v Versioning) error {
	if v != VersioningEnabled && v != VersioningSuspended {
		return fmt.Errorf("setting the versioning of bucket %q: there is no state %q", bucket, v)
	}
	if err := s.store.configure(bucket, func(s *settings) { s.Versioning = v }); err != nil {
		return fmt.Errorf("setting the versioning of bucket %q: %w", bucket, err)
	}
	return nil
}

// SetStorageClass sets what a bucket gives to uploads that name no class. OSS can be
// told so only when the bucket is made.
func (s *Server) SetStorageClass(bucket, class string) error {
	if !slices.Contains(storageClasses, class) {
		return fmt.Errorf("setting the storage class of bucket %q: there is no class %q", bucket, class)
	}
	if err := s.store.configure(bucket, func(s *settings) { s.StorageClass = class }); err != nil {
		return fmt.Errorf("setting the storage class of bucket %q: %w", bucket, err)
	}
	return nil
}

// level is what a request addresses.
type level int

const (
	onService level = iota + 1
	onBucket
	onObject
)

// route is one API operation.
type route struct {
	method    string
	level     level
	sub       string // its subresources, sorted, joined by "&"
	operation string // the name in the API reference, which faults use too
	action    string // the RAM action; "" when the operation asks for each object
	serve     func(*call) error

	publicRead bool // open to strangers if the object's ACL says so
	versions   bool // takes a versionId
	copies     bool // has x-oss-copy-source, which nothing else may have
	noBucket   bool // finds out itself whether there is a bucket
}

// routes is the whole API of the stand-in but for PostObject, which is told by
// its form, and the preflight.
var routes = []route{
	{method: "GET", level: onService, sub: "", operation: "ListBuckets", action: "oss:ListBuckets", serve: (*call).listBuckets, noBucket: true},

	{method: "PUT", level: onBucket, sub: "", operation: "PutBucket", action: "oss:PutBucket", serve: (*call).putBucket, noBucket: true},
	{method: "DELETE", level: onBucket, sub: "", operation: "DeleteBucket", action: "oss:DeleteBucket", serve: (*call).deleteBucket},
	{method: "GET", level: onBucket, sub: "", operation: "ListObjects", action: "oss:ListObjects", serve: (*call).listObjects},
	{method: "GET", level: onBucket, sub: "bucketInfo", operation: "GetBucketInfo", action: "oss:GetBucketInfo", serve: (*call).getBucketInfo},
	{method: "GET", level: onBucket, sub: "cors", operation: "GetBucketCors", action: "oss:GetBucketCors", serve: (*call).getBucketCORS},
	{method: "PUT", level: onBucket, sub: "cors", operation: "PutBucketCors", action: "oss:PutBucketCors", serve: (*call).putBucketCORS},
	{method: "DELETE", level: onBucket, sub: "cors", operation: "DeleteBucketCors", action: "oss:DeleteBucketCors", serve: (*call).deleteBucketCORS},
	{method: "GET", level: onBucket, sub: "list-type", operation: "ListObjectsV2", action: "oss:ListObjects", serve: (*call).listObjectsV2},
	{method: "GET", level: onBucket, sub: "uploads", operation: "ListMultipartUploads", action: "oss:ListMultipartUploads", serve: (*call).listMultipartUploads},
	{method: "PUT", level: onBucket, sub: "versioning", operation: "PutBucketVersioning", action: "oss:PutBucketVersioning", serve: (*call).putBucketVersioning},
	{method: "GET", level: onBucket, sub: "versioning", operation: "GetBucketVersioning", action: "oss:GetBucketVersioning", serve: (*call).getBucketVersioning},
	{method: "GET", level: onBucket, sub: "versions", operation: "ListObjectVersions", action: "oss:ListObjectVersions", serve: (*call).listObjectVersions},
	{method: "PUT", level: onBucket, sub: "overwriteConfig", operation: "PutBucketOverwriteConfig", action: "oss:PutBucketOverwriteConfig", serve: (*call).putBucketOverwriteConfig, noBucket: true},
	{method: "GET", level: onBucket, sub: "overwriteConfig", operation: "GetBucketOverwriteConfig", action: "oss:GetBucketOverwriteConfig", serve: (*call).getBucketOverwriteConfig},
	{method: "DELETE", level: onBucket, sub: "overwriteConfig", operation: "DeleteBucketOverwriteConfig", action: "oss:DeleteBucketOverwriteConfig", serve: (*call).deleteBucketOverwriteConfig},
	{method: "PUT", level: onBucket, sub: "lifecycle", operation: "PutBucketLifecycle", action: "oss:PutBucketLifecycle", serve: (*call).putBucketLifecycle},
	{method: "GET", level: onBucket, sub: "lifecycle", operation: "GetBucketLifecycle", action: "oss:GetBucketLifecycle", serve: (*call).getBucketLifecycle},
	{method: "DELETE", level: onBucket, sub: "lifecycle", operation: "DeleteBucketLifecycle", action: "oss:DeleteBucketLifecycle", serve: (*call).deleteBucketLifecycle},
	{method: "PUT", level: onBucket, sub: "publicAccessBlock", operation: "PutBucketPublicAccessBlock", action: "oss:PutBucketPublicAccessBlock", serve: (*call).putBucketPublicAccessBlock},
	{method: "GET", level: onBucket, sub: "publicAccessBlock", operation: "GetBucketPublicAccessBlock", action: "oss:GetBucketPublicAccessBlock", serve: (*call).getBucketPublicAccessBlock},
	{method: "DELETE", level: onBucket, sub: "publicAccessBlock", operation: "DeleteBucketPublicAccessBlock", action: "oss:DeleteBucketPublicAccessBlock", serve: (*call).deleteBucketPublicAccessBlock},
	{method: "POST", level: onBucket, sub: "delete", operation: "DeleteMultipleObjects", action: "", serve: (*call).deleteMultipleObjects},

	{method: "PUT", level: onObject, sub: "", operation: "PutObject", action: "oss:PutObject", serve: (*call).putObject},
	{method: "PUT", level: onObject, sub: "", operation: "CopyObject", action: "oss:PutObject", serve: (*call).copyObject, copies: true},
	{method: "GET", level: onObject, sub: "", operation: "GetObject", action: "oss:GetObject", serve: (*call).getObject, publicRead: true, versions: true},
	{method: "GET", level: onObject, sub: "x-oss-process", operation: "GetObject", action: "oss:GetObject", serve: (*call).getObject, publicRead: true, versions: true},
	{method: "HEAD", level: onObject, sub: "", operation: "HeadObject", action: "oss:GetObject", serve: (*call).headObject, publicRead: true, versions: true},
	{method: "HEAD", level: onObject, sub: "objectMeta", operation: "GetObjectMeta", action: "oss:GetObject", serve: (*call).getObjectMeta, publicRead: true, versions: true},
	{method: "DELETE", level: onObject, sub: "", operation: "DeleteObject", action: "oss:DeleteObject", serve: (*call).deleteObject, versions: true},
	{method: "PUT", level: onObject, sub: "acl", operation: "PutObjectAcl", action: "oss:PutObjectAcl", serve: (*call).putObjectACL, versions: true},
	{method: "PUT", level: onObject, sub: "symlink", operation: "PutSymlink", action: "oss:PutObject", serve: (*call).putSymlink},
	{method: "GET", level: onObject, sub: "symlink", operation: "GetSymlink", action: "oss:GetObject", serve: (*call).getSymlink},
	{method: "PUT", level: onObject, sub: "tagging", operation: "PutObjectTagging", action: "oss:PutObjectTagging", serve: (*call).putObjectTagging, versions: true},
	{method: "GET", level: onObject, sub: "tagging", operation: "GetObjectTagging", action: "oss:GetObjectTagging", serve: (*call).getObjectTagging, versions: true},
	{method: "DELETE", level: onObject, sub: "tagging", operation: "DeleteObjectTagging", action: "oss:DeleteObjectTagging", serve: (*call).deleteObjectTagging, versions: true},

	{method: "POST", level: onObject, sub: "uploads", operation: "InitiateMultipartUpload", action: "oss:PutObject", serve: (*call).initiateMultipartUpload},
	{method: "PUT", level: onObject, sub: "partNumber&uploadId", operation: "UploadPart", action: "oss:PutObject", serve: (*call).uploadPart},
	{method: "PUT", level: onObject, sub: "partNumber&uploadId", operation: "UploadPartCopy", action: "oss:PutObject", serve: (*call).uploadPartCopy, copies: true},
	{method: "GET", level: onObject, sub: "uploadId", operation: "ListParts", action: "oss:ListParts", serve: (*call).listParts},
	{method: "POST", level: onObject, sub: "uploadId", operation: "CompleteMultipartUpload", action: "oss:PutObject", serve: (*call).completeMultipartUpload},
	{method: "DELETE", level: onObject, sub: "uploadId", operation: "AbortMultipartUpload", action: "oss:AbortMultipartUpload", serve: (*call).abortMultipartUpload},
}

// subresources are the query parameters that choose an operation. Those that
// no route names are here so that their operations are answered 501 and not
// taken for something else.
var subresources = []string{
	"acl", "append", "asyncFetch", "bucketInfo", "comp", "cors", "delete", "encryption", "legalHold", "lifecycle",
	"link", "list-type", "location", "logging", "objectMeta", "overwriteConfig", "partNumber", "policy", "publicAccessBlock", "qos", "referer", "regions", "restore",
	"retention", "seal", "select", "stat", "style", "symlink", "tag-key", "tagging", "uploadId", "uploads", "versioning",
	"versions", "website", "worm", "x-oss-async-process", "x-oss-process",
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := newCall(s, w, r)
	defer c.log()
	if path, _ := rawTarget(r); strings.HasPrefix(path, localPrefix) {
		if _, virtualHosted := bucketOfHost(r.Host, s.cfg.Host); !virtualHosted {
			c.serveLocal(path)
			return
		}
	}
	if err := c.serve(); err != nil {
		c.fail(err)
	}
}

// serve takes a request through the stages that OSS has: what it addresses,
// which operation, who asks, may they, does the bucket exist, do it.
func (c *call) serve() error {
	var err error
	if c.target, err = readTarget(c.r, c.s.cfg.Host); err != nil {
		return invalidArgument("path", "", "", "The path is not percent-encoded UTF-8.")
	}
	_, rawQuery := rawTarget(c.r)
	if c.query, err = readParams(rawQuery); err != nil {
		return invalidArgument("query", "", "", "The query is not percent-encoded.")
	}
	c.allowOrigin()
	if c.r.Method == http.MethodOptions {
		c.operation = "OptionObject"
		return c.withFault("oss", (*call).preflight)
	}
	if c.isFormUpload() {
		c.operation = "PostObject"
		return c.withFault("oss", (*call).postObject)
	}
	op, err := c.route()
	if err != nil {
		return err
	}
	c.operation = op.operation
	return c.withFault("oss", func(c *call) error { return c.perform(op) })
}

func (c *call) perform(op route) error {
	var fault *apiError
	if c.account, fault = c.authenticate(); fault != nil {
		return fault
	}
	if op.operation != "PutBucket" {
		if err := c.checkBucketFirst(c.target.bucket); err != nil {
			return err
		}
	}
	if fault := c.authorize(op); fault != nil {
		return fault
	}
	if c.target.key != "" {
		if err := checkKey(c.target.key); err != nil {
			return err
		}
	}
	if !op.noBucket && !c.s.store.hasBucket(c.target.bucket) {
		return errNoSuchBucket(c.target.bucket)
	}
	return op.serve(c)
}

// isFormUpload reports whether this is a browser's form. Its credentials are
// form fields: signatures in headers or query are ignored.
func (c *call) isFormUpload() bool {
	return c.r.Method == http.MethodPost && c.target.bucket != "" && c.target.key == "" &&
		len(c.subresources()) == 0
}

// route finds the operation that method, level and subresources name.
func (c *call) route() (route, error) {
	at := onObject
	switch {
	case c.target.bucket == "":
		at = onService
	case c.target.key == "":
		at = onBucket
	}
	sub := strings.Join(c.subresources(), "&")
	copies := c.r.Header.Get("x-oss-copy-source") != ""
	for _, op := range routes {
		if op.method == c.r.Method && op.level == at && op.sub == sub && op.copies == copies {
			if c.query.has("versionId") && !op.versions {
				return route{}, errNotImplemented("versionId for " + op.operation)
			}
			return op, nil
		}
	}
	switch c.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete:
		return route{}, errNotImplemented("this operation")
	case http.MethodPost:
		if sub != "" {
			return route{}, errNotImplemented("this operation")
		}
	}
	// An unknown verb, or a form that was posted to an object's URL.
	e := errorf(http.StatusMethodNotAllowed, codeMethodNotAllowed, "", "The specified method is not allowed against this resource.")
	e.Method, e.ResourceType = c.r.Method, "Object"
	if at == onBucket {
		e.ResourceType = "Bucket"
	}
	return route{}, e
}

// serveLocal answers the stand-in's own, unsigned endpoints.
func (c *call) serveLocal(path string) {
	c.operation = "GetPublicKey"
	err := c.withFault("keys", func(c *call) error {
		if path != c.s.keyPath || c.r.Method != http.MethodGet {
			return errorf(http.StatusNotFound, codeNoSuchKey, "", "There is no such local endpoint.")
		}
		c.w.Header().Set("Content-Type", "application/x-pem-file")
		_, err := c.w.Write(c.s.keyPEM)
		return err
	})
	if err != nil {
		c.fail(err)
	}
}
