package redact

import (
	"slices"
	"strings"
	"sync"
)

// routes are the fixed segments of our paths.
var routes = []string{
	"presign", "download", "sts", "session", "s3", "params", "multipart", "batch", "complete", "confirm", "callback", "c",
}

// counts are the names, in lower case, whose numbers stay: what is counted, and how
// an invocation ended.
var counts = []string{"size", "deltasize", "partnumber", "statuscode", "retrycount", "version"}

// schemes may stand before a credential.
var schemes = []string{"Bearer", "bearer", "BEARER", "Basic", "basic"}

var (
	methods   = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
	protocols = []string{"HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/2.0", "HTTP/3", "http", "https"}
	versions  = []string{"v1", "v2", "1.0", "1.1", "2.0"}
	booleans  = []string{"true", "false", "True", "False"}
	media     = []string{
		"*/*", "application/json", "application/json; charset=utf-8", "application/json;charset=utf-8", "application/json;charset=UTF-8",
		"application/x-www-form-urlencoded", "application/octet-stream", "application/pdf", "application/xml", "application/cloudevents+json",
		"multipart/form-data", "text/plain", "text/plain; charset=utf-8", "text/plain;charset=UTF-8", "text/html",
		"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/heic", "application/zip", "video/quicktime", "video/webm", "video/mp4", "audio/mpeg",
	}
)

// plain are the values that stay, by the name that they stand under, in lower
// case. Nobody's data fits here: a value that is not in its list is replaced.
var plain = sync.OnceValue(func() map[string][]string {
	eventNames := eventNames()
	return map[string][]string{
		"method":                         methods,
		"httpmethod":                     methods,
		"protocol":                       protocols,
		"scheme":                         protocols,
		"version":                        versions,
		"specversion":                    versions,
		"eventversion":                   versions,
		"ossschemaversion":               versions,
		"isbase64encoded":                booleans,
		"content-type":                   media,
		"contenttype":                    media,
		"datacontenttype":                media,
		"mimetype":                       media,
		"type":                           slices.Concat(media, eventNames),
		"accept":                         media,
		"accept-encoding":                {"*", "identity", "gzip", "gzip, deflate", "gzip, deflate, br", "gzip, deflate, br, zstd"},
		"content-encoding":               {"identity", "gzip", "br"},
		"connection":                     {"close", "keep-alive", "Keep-Alive"},
		"cache-control":                  {"no-cache", "no-store", "max-age=0"},
		"pragma":                         {"no-cache"},
		"x-forwarded-proto":              protocols,
		"x-forwarded-port":               {"80", "443"},
		"access-control-request-method":  methods,
		"access-control-request-headers": {"authorization", "content-type", "authorization,content-type", "authorization, content-type", "Authorization, Content-Type"},
		"sec-fetch-mode":                 {"cors", "navigate", "no-cors", "same-origin"},
		"sec-fetch-site":                 {"cross-site", "same-site", "same-origin", "none"},
		"sec-fetch-dest":                 {"empty", "document"},
		"eventname":                      eventNames,
		"eventsource":                    {"acs:oss"},
		"source":                         {"acs.oss", "acs:oss"},
		"do":                             {"deliver", "sweep"},
		"as":                             {"put", "url", "form", "template"},
		"qualifier":                      {"LATEST"},
		"handler":                        {"main"},
		"memory":                         {"128", "256", "512", "1024", "2048"},
		"x-oss-signature-version":        versions,
		"x-oss-tag":                      {"CALLBACK"},
		"user-agent":                     {"aliyun-oss-callback"},
		// The addresses of the keys of OSS's callbacks, in base64.
		"x-oss-pub-key-url": {
			"aHR0cDovL2dvc3NwdWJsaWMuYWxpY2RuLmNvbS9jYWxsYmFja19wdWJfa2V5X3YxLnBlbQ==",
			"aHR0cHM6Ly9nb3NzcHVibGljLmFsaWNkbi5jb20vY2FsbGJhY2tfcHViX2tleV92MS5wZW0=",
		},
	}
})

// eventNames are what OSS's trigger tells of; EventBridge puts "oss:" before them.
func eventNames() []string {
	var names []string
	for _, name := range []string{
		"PutObject", "PostObject", "CopyObject", "AppendObject", "InitiateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload", "PutSymlink", "*",
	} {
		names = append(names, "ObjectCreated:"+name, "oss:ObjectCreated:"+name)
	}
	return names
}

// allowed reports whether a value stays under a name.
func allowed(name, s string) bool {
	return slices.Contains(plain()[strings.ToLower(name)], s)
}
