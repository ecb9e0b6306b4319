package settings

import (
	"strings"

	"ossupload/shared/signing"
)

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

func (r *reader) storage() Storage {
	s := Storage{Region: r.required("OSS_REGION"), Bucket: r.required("OSS_BUCKET")}
	if s.Region != "" {
		r.check("OSS_REGION", signing.CheckRegion(s.Region))
	}
	if s.Bucket != "" {
		r.check("OSS_BUCKET", signing.CheckBucket(s.Bucket))
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
	r.warnOfEndpoint("OSS_ENDPOINT", s.Public, s)
	if own := r.text("OSS_INTERNAL_ENDPOINT", ""); own != "" {
		s.Internal = r.endpoint("OSS_INTERNAL_ENDPOINT", own, internal)
		r.warnOfEndpoint("OSS_INTERNAL_ENDPOINT", s.Internal, s)
	}
	r.warnOfMainland(s)
	return s
}

func (r *reader) endpoint(name, value string, style signing.Style) signing.Endpoint {
	e, err := signing.ParseEndpoint(value, style)
	r.check(name, err)
	return e
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
	r.warnOfEndpoint("OSS_DOWNLOAD_ENDPOINT", s.Download, s)
	return s
}
