// Package settings reads the environment of the three functions, once, at
// start, and reports all that is wrong with it in one error. It never puts a
// secret into a fault.
//
// A function reads only what it needs: each has a struct and a Load function
// here. Values leave this package parsed and checked, as types of the packages
// that use them (grant for the policy, uploadtoken for its keys, signing for
// endpoints, osscallback for the callback URL, callerauth for callers), so that nothing below has to doubt them.
package settings

import (
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ossupload/shared/callerauth"
	"ossupload/shared/grant"
	"ossupload/shared/osscallback"
	"ossupload/shared/signing"
	"ossupload/shared/uploadtoken"
)

// Lookup finds a variable: os.LookupEnv outside of tests.
type Lookup func(name string) (value string, ok bool)

// Presign is what functions/presign needs.
type Presign struct {
	Storage     Storage
	Policy      grant.Policy
	MaxExpires  time.Duration // of whatever is signed
	TokenKeys   []uploadtoken.Key
	Role        Role
	CallbackURL string
	Caller      callerauth.Authenticator
	STSEnabled  bool
	PublicURL   string // base of session endpoints; empty: none are issued
	CORSOrigins []string
	Warnings    []string
}

// Callback is what functions/callback needs.
type Callback struct {
	Storage         Storage
	TokenKeys       []uploadtoken.Key
	CallbackURL     string
	CallbackKeyURLs []string // empty: the published ones
	ReceiptSecret   []byte   // empty: receipts carry no token
	Webhook         Webhook
	Warnings        []string
}

// Complete is what functions/complete needs.
type Complete struct {
	Storage       Storage
	Policy        grant.Policy
	MaxExpires    time.Duration // of whatever is signed
	TokenKeys     []uploadtoken.Key
	Role          Role
	CallbackURL   string // of the forms that it issues
	Caller        callerauth.Authenticator
	CORSOrigins   []string
	ReceiptSecret []byte
	Webhook       Webhook
	Warnings      []string
}

// Storage is where the bucket is.
type Storage struct {
	Region   string
	Bucket   string
	Public   signing.Endpoint // in URLs that clients get
	Download signing.Endpoint // in download URLs
	Internal signing.Endpoint // of the function's own calls
}

// Location is the unsigned URL of an object, as events tell it.
func (s Storage) Location(key string) string { return s.Public.URL(s.Bucket, key) }

// Role is the RAM role that signs what clients get. Without an ARN the
// function's own credentials sign.
type Role struct {
	ARN         string
	Duration    time.Duration
	STSEndpoint string
	STSCAFile   string
}

// Webhook is where events go. Without a URL they are logged.
type Webhook struct {
	URL     string
	Secrets [][]byte // what stood behind "whsec_", decoded; each signs
}

// LoadPresign reads what functions/presign needs.
func LoadPresign(lookup Lookup) (Presign, error) {
	r := &reader{lookup: lookup}
	s := Presign{
		Storage:     r.downloads(r.storage()),
		Policy:      r.policy(),
		MaxExpires:  r.maxExpires(),
		TokenKeys:   r.tokenKeys(),
		Role:        r.role(),
		CallbackURL: r.callbackURL(),
		Caller:      r.caller(),
		PublicURL:   strings.TrimSuffix(r.httpURL("PUBLIC_URL", r.text("PUBLIC_URL", ""), true), "/"),
		CORSOrigins: r.corsOrigins(),
	}
	s.STSEnabled = r.stsEnabled(s.Role)
	s.Policy.Bucket = s.Storage.Bucket
	s.Warnings = r.warns
	return s, r.err()
}

// downloads adds what only downloads need.
func (r *reader) downloads(s Storage) Storage {
	own := r.text("OSS_DOWNLOAD_ENDPOINT", "")
	if own == "" {
		return s
	}
	// A domain that is not OSS's is the bucket's own, or of a CDN before it.
	style := signing.CNAME
	switch {
	case s.Public.Style == signing.PathStyle:
		style = signing.PathStyle
	case strings.HasSuffix(own, ".aliyuncs.com"):
		style = signing.VirtualHosted
	}
	s.Download = r.endpoint("OSS_DOWNLOAD_ENDPOINT", own, style)
	return s
}

// stsEnabled needs a role to narrow: the function's own could do more than
// upload.
func (r *reader) stsEnabled(role Role) bool {
	enabled := r.boolean("STS_ENABLED")
	if enabled && role.ARN == "" {
		r.fault("STS_ENABLED", "needs UPLOAD_ROLE_ARN")
	}
	return enabled
}

// LoadCallback reads what functions/callback needs.
func LoadCallback(lookup Lookup) (Callback, error) {
	r := &reader{lookup: lookup}
	s := Callback{
		Storage:       r.storage(),
		TokenKeys:     r.tokenKeys(),
		CallbackURL:   r.callbackURL(),
		ReceiptSecret: r.receiptSecret(),
		Webhook:       r.webhook(),
	}
	for _, u := range r.list("CALLBACK_KEY_URLS", "") {
		s.CallbackKeyURLs = append(s.CallbackKeyURLs, r.httpURL("CALLBACK_KEY_URLS", u, false))
	}
	s.Warnings = r.warns
	return s, r.err()
}

// LoadComplete reads what functions/complete needs.
func LoadComplete(lookup Lookup) (Complete, error) {
	r := &reader{lookup: lookup}
	s := Complete{
		Storage:       r.storage(),
		Policy:        r.policy(),
		MaxExpires:    r.maxExpires(),
		TokenKeys:     r.tokenKeys(),
		Role:          r.role(),
		CallbackURL:   r.callbackURL(),
		Caller:        r.caller(),
		CORSOrigins:   r.corsOrigins(),
		ReceiptSecret: r.receiptSecret(),
		Webhook:       r.webhook(),
	}
	s.Policy.Bucket = s.Storage.Bucket
	s.Warnings = r.warns
	return s, r.err()
}

var (
	regionForm = regexp.MustCompile(`^[a-z]{2,}(-[a-z0-9]+)+$`)
	bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	roleForm   = regexp.MustCompile(`^acs:ram::\d+:role/[A-Za-z0-9._-]{1,64}$`)
	keyIDForm  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,16}$`)
)

func (r *reader) storage() Storage {
	s := Storage{Region: r.required("OSS_REGION"), Bucket: r.required("OSS_BUCKET")}
	if s.Region != "" && (!regionForm.MatchString(s.Region) || strings.HasPrefix(s.Region, "oss-")) {
		r.fault("OSS_REGION", "%q is not a region id such as cn-hangzhou", s.Region)
	}
	if s.Bucket != "" && !bucketForm.MatchString(s.Bucket) {
		r.fault("OSS_BUCKET", "%q is not a bucket name", s.Bucket)
	}
	style, internal := signing.VirtualHosted, signing.VirtualHosted
	if r.boolean("OSS_PATH_STYLE") {
		style, internal = signing.PathStyle, signing.PathStyle
	}
	cname := r.boolean("OSS_CNAME")
	if cname {
		style = signing.CNAME
	}
	public := r.text("OSS_ENDPOINT", "oss-"+s.Region+".aliyuncs.com")
	if cname && r.text("OSS_ENDPOINT", "") == "" {
		r.fault("OSS_ENDPOINT", "is required with OSS_CNAME")
	}
	s.Public = r.endpoint("OSS_ENDPOINT", public, style)
	s.Internal, s.Download = s.Public, s.Public
	if own := r.text("OSS_INTERNAL_ENDPOINT", ""); own != "" {
		s.Internal = r.endpoint("OSS_INTERNAL_ENDPOINT", own, internal)
	}
	// Hong Kong is cn-hongkong by name, but not of the mainland regions.
	if strings.HasPrefix(s.Region, "cn-") && s.Region != "cn-hongkong" && s.Public.Host == "oss-"+s.Region+".aliyuncs.com" {
		r.warns = append(r.warns, "OSS_ENDPOINT is the default public domain of a mainland region: "+
			"accounts that are new to OSS since March 2025 get PublicEndpointForbidden there and need a custom domain (OSS_CNAME)")
	}
	return s
}

func (r *reader) endpoint(name, value string, style signing.Style) signing.Endpoint {
	e, err := signing.ParseEndpoint(value, style)
	if err != nil {
		r.fault(name, "%v", err)
	}
	return e
}

func (r *reader) maxExpires() time.Duration {
	return r.duration("UPLOAD_MAX_EXPIRES", time.Hour, time.Minute, 7*24*time.Hour)
}

func (r *reader) policy() grant.Policy {
	p := grant.Policy{
		Prefix:         r.text("UPLOAD_PREFIX", ""),
		TokenTTL:       r.duration("UPLOAD_TOKEN_TTL", 168*time.Hour, time.Minute, 366*24*time.Hour),
		StorageClasses: r.list("UPLOAD_STORAGE_CLASSES", ""),
		TagKeys:        r.list("UPLOAD_TAG_KEYS", ""),
	}
	if err := grant.CheckPrefix(p.Prefix); err != nil {
		r.fault("UPLOAD_PREFIX", "%v", err)
	}
	if size := r.required("UPLOAD_MAX_SIZE"); size != "" {
		n, err := strconv.ParseInt(size, 10, 64)
		if err != nil || n < 1 || n > grant.MaxObject {
			r.fault("UPLOAD_MAX_SIZE", "%q is not a number of bytes from 1 to %d", size, int64(grant.MaxObject))
		}
		p.MaxSize = n
	}
	if types := r.required("UPLOAD_CONTENT_TYPES"); types != "" {
		var err error
		if p.ContentTypes, err = grant.ParseTypes(types); err != nil {
			r.fault("UPLOAD_CONTENT_TYPES", "%v", err)
		}
	}
	for _, m := range r.list("UPLOAD_METHODS", "put,form,multipart") {
		method := uploadtoken.Method(m)
		if !slices.Contains([]uploadtoken.Method{uploadtoken.Put, uploadtoken.Form, uploadtoken.URL, uploadtoken.MultipartPart}, method) {
			r.fault("UPLOAD_METHODS", "%q is not put, form, url or multipart", m)
		}
		p.Methods = append(p.Methods, method)
	}
	classes := []string{"Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive"}
	for _, c := range p.StorageClasses {
		if !slices.Contains(classes, c) {
			r.fault("UPLOAD_STORAGE_CLASSES", "%q is not one of %s", c, strings.Join(classes, ", "))
		}
	}
	return p
}

// tokenKeys reads kid:base64 pairs.
func (r *reader) tokenKeys() []uploadtoken.Key {
	const name = "UPLOAD_TOKEN_SECRETS"
	if r.required(name) == "" {
		return nil
	}
	var keys []uploadtoken.Key
	for _, item := range r.list(name, "") {
		id, encoded, ok := strings.Cut(item, ":")
		value, err := decodeBase64(encoded)
		switch {
		case !ok || !keyIDForm.MatchString(id) || err != nil:
			r.fault(name, "item %d is not kid:base64", len(keys)+1)
		case slices.ContainsFunc(keys, func(k uploadtoken.Key) bool { return k.ID == id }):
			r.fault(name, "key id %q is used twice", id)
		default:
			r.key(name, value, uploadtoken.MinSecret)
		}
		keys = append(keys, uploadtoken.Key{ID: id, Secret: value})
	}
	return keys
}

func (r *reader) receiptSecret() []byte {
	v := r.text("RECEIPT_SECRET", "")
	if v == "" {
		return nil
	}
	return r.secret("RECEIPT_SECRET", v, 32)
}

func (r *reader) role() Role {
	role := Role{
		ARN:         r.text("UPLOAD_ROLE_ARN", ""),
		Duration:    r.duration("UPLOAD_ROLE_DURATION", time.Hour, 15*time.Minute, 12*time.Hour),
		STSEndpoint: r.text("STS_ENDPOINT", ""),
		STSCAFile:   r.text("STS_CA_FILE", ""),
	}
	if role.ARN != "" && !roleForm.MatchString(role.ARN) {
		r.fault("UPLOAD_ROLE_ARN", "%q is not acs:ram::<account>:role/<name>", role.ARN)
	}
	return role
}

func (r *reader) callbackURL() string {
	value := r.required("CALLBACK_URL")
	if value == "" {
		return ""
	}
	if _, err := osscallback.URI(value); err != nil {
		r.fault("CALLBACK_URL", "%v", err)
	}
	return value
}

func (r *reader) caller() callerauth.Authenticator {
	var (
		a   callerauth.Authenticator
		err error
	)
	switch mode := r.text("AUTH_MODE", ""); mode {
	case "jwt":
		return r.tokenCaller()
	case "header":
		name, value := r.required("AUTH_HEADER"), r.required("AUTH_HEADER_SECRET")
		if name == "" || value == "" {
			return nil
		}
		secret := r.secret("AUTH_HEADER_SECRET", value, 32)
		if secret == nil {
			return nil
		}
		if a, err = callerauth.NewHeader(name, secret); err != nil {
			r.fault("AUTH_HEADER", "%v", err)
		}
	case "none":
		if !r.boolean("AUTH_ALLOW_NONE") {
			r.fault("AUTH_MODE", "none lets everybody upload: it needs AUTH_ALLOW_NONE=true as well")
			return nil
		}
		r.warns = append(r.warns, "AUTH_MODE is none: everybody who reaches this function may upload, as the subject anonymous")
		a = callerauth.NewNone()
	case "":
		r.fault("AUTH_MODE", "is required: jwt, header or none")
	default:
		r.fault("AUTH_MODE", "%q is not jwt, header or none", mode)
	}
	return a
}

// tokenCaller reads whose tokens are believed: those of whoever shares a secret
// with us, or those of an issuer that publishes its keys. Never both: a token
// would then choose what it is verified with.
func (r *reader) tokenCaller() callerauth.Authenticator {
	value, keys := r.text("AUTH_JWT_SECRET", ""), r.text("AUTH_JWKS_URL", "")
	switch {
	case value == "" && keys == "":
		r.fault("AUTH_JWT_SECRET", "is required, or AUTH_JWKS_URL")
		return nil
	case value != "" && keys != "":
		r.fault("AUTH_JWKS_URL", "cannot be set beside AUTH_JWT_SECRET")
		return nil
	case keys != "":
		return r.issuerCaller(keys)
	}
	secret := r.secret("AUTH_JWT_SECRET", value, 32)
	if secret == nil {
		return nil
	}
	a, err := callerauth.NewJWT(callerauth.JWTConfig{
		Secret:       secret,
		Algorithms:   r.list("AUTH_JWT_ALGS", "HS256"),
		Issuer:       r.text("AUTH_ISSUER", ""),
		Audience:     r.text("AUTH_AUDIENCE", ""),
		SubjectClaim: r.text("AUTH_SUBJECT_CLAIM", ""),
	})
	if err != nil {
		r.fault("AUTH_JWT_ALGS", "%v", err)
	}
	return a
}

func (r *reader) issuerCaller(keys string) callerauth.Authenticator {
	known := len(r.faults)
	r.httpURL("AUTH_JWKS_URL", keys, true)
	audience := r.required("AUTH_AUDIENCE")
	if len(r.faults) > known {
		return nil
	}
	a, err := callerauth.NewJWKS(callerauth.JWKSConfig{
		URL:          keys,
		Algorithms:   r.list("AUTH_JWT_ALGS", ""),
		Issuer:       r.text("AUTH_ISSUER", ""),
		Audience:     audience,
		SubjectClaim: r.text("AUTH_SUBJECT_CLAIM", ""),
		Log:          slog.Default(),
	})
	if err != nil {
		r.fault("AUTH_JWT_ALGS", "%v", err)
	}
	return a
}

func (r *reader) corsOrigins() []string {
	origins := r.list("CORS_ORIGINS", "")
	for _, o := range origins {
		if o != "*" && o != "null" && !origin(o) {
			r.fault("CORS_ORIGINS", "%q is not an origin such as https://app.example.com", o)
		}
	}
	return origins
}

func (r *reader) webhook() Webhook {
	const leastSecret = 24 // bytes, as Standard Webhooks has it
	w := Webhook{URL: r.httpURL("WEBHOOK_URL", r.text("WEBHOOK_URL", ""), true)}
	if w.URL == "" {
		return w
	}
	r.required("WEBHOOK_SECRETS")
	for i, item := range r.list("WEBHOOK_SECRETS", "") {
		encoded, ok := strings.CutPrefix(item, "whsec_")
		key, err := decodeBase64(encoded)
		if !ok || err != nil {
			r.fault("WEBHOOK_SECRETS", "item %d is not whsec_ and base64", i+1)
			continue
		}
		w.Secrets = append(w.Secrets, r.key("WEBHOOK_SECRETS", key, leastSecret))
	}
	return w
}
