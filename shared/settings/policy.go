package settings

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"ossupload/shared/grant"
	"ossupload/shared/signing"
	"ossupload/shared/uploadtoken"
)

func (r *reader) maxExpires() time.Duration {
	return r.duration("UPLOAD_MAX_EXPIRES", time.Hour, time.Minute, 7*24*time.Hour)
}

// prefix stands before every key. It is never empty: what is ours alone lies
// beside it.
func (r *reader) prefix() string {
	prefix := r.text("UPLOAD_PREFIX", "uploads/")
	r.check("UPLOAD_PREFIX", grant.CheckPrefix(prefix))
	return prefix
}

// formerPlaces reads bucket/prefix pairs: where a deployment was before it moved.
func (r *reader) formerPlaces() []uploadtoken.Place {
	const name = "FORMER_PLACES"
	var places []uploadtoken.Place
	for _, item := range r.list(name, "") {
		bucket, prefix, _ := strings.Cut(item, "/")
		if prefix == "" {
			r.fault(name, "%q is not a bucket and a prefix, such as my-bucket/uploads/", item)
			continue
		}
		r.check(name, signing.CheckBucket(bucket))
		r.check(name, grant.CheckPrefix(prefix))
		places = append(places, uploadtoken.Place{Bucket: bucket, Prefix: prefix})
	}
	return places
}

func (r *reader) policy() grant.Policy {
	p := grant.Policy{
		Prefix:         r.prefix(),
		TokenTTL:       r.duration("UPLOAD_TOKEN_TTL", 168*time.Hour, time.Minute, 168*time.Hour),
		StorageClasses: r.list("UPLOAD_STORAGE_CLASSES", ""),
		TagKeys:        r.list("UPLOAD_TAG_KEYS", ""),
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
		p.ContentTypes, err = grant.ParseTypes(types)
		r.check("UPLOAD_CONTENT_TYPES", err)
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
