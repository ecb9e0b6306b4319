package settings

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"ossupload/shared/grant"
	"ossupload/shared/uploadtoken"
)

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
	r.check("UPLOAD_PREFIX", grant.CheckPrefix(p.Prefix))
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
