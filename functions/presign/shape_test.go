package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
)

// One change to a request that is granted, which makes one fault at the most.
func TestPresignShapes(t *testing.T) {
	type obj = map[string]any
	long := strings.Repeat
	tests := []struct {
		name   string
		change obj
		field  string // "" means: granted
	}{
		{"nothing wrong", obj{}, ""},
		{"null is as good as absent", obj{"checksum": nil, "metadata": nil, "tags": nil, "vars": nil, "expiresIn": nil, "as": nil, "storageClass": nil, "contentType": nil}, ""},
		{"an unknown field", obj{"Filename": "x"}, "Filename"},

		{"no file name", obj{"filename": nil}, "filename"},
		{"an empty file name", obj{"filename": ""}, "filename"},
		{"a number for a file name", obj{"filename": 1}, "filename"},
		{"a file name of 765 bytes", obj{"filename": long("夏", 255)}, ""},
		{"a file name of 766 bytes", obj{"filename": long("夏", 255) + "x"}, "filename"},
		{"a line break in the file name", obj{"filename": "a\r\nb"}, "filename"},
		{"a C1 control in the file name", obj{"filename": "a\u0085b"}, "filename"},

		{"no size", obj{"size": nil}, "size"},
		{"a size of zero", obj{"size": 0}, ""},
		{"a negative size", obj{"size": -1}, "size"},
		{"the greatest size of a PUT", obj{"size": 5 << 30}, ""},
		{"one byte more", obj{"size": 5<<30 + 1}, "size"},
		{"the greatest number", obj{"size": json.RawMessage("9223372036854775807")}, "size"},
		{"a number over the greatest", obj{"size": json.RawMessage("9223372036854775808")}, "size"},
		{"half a byte", obj{"size": 1.5}, "size"},
		{"a size as text", obj{"size": "5"}, "size"},
		{"the greatest size of a form", obj{"as": "form", "size": 5 << 30}, ""},
		{"one byte more in a form", obj{"as": "form", "size": 5<<30 + 1}, "size"},
		{"a form without a size", obj{"as": "form", "size": nil}, ""},
		{"an empty form", obj{"as": "form", "size": 0}, ""},
		{"the greatest size of a URL", obj{"as": "url", "size": 5 << 30}, ""},
		{"one byte more by a URL", obj{"as": "url", "size": 5<<30 + 1}, "size"},

		{"a type that is not allowed", obj{"contentType": "text/html"}, "contentType"},
		{"a type that a wildcard never covers", obj{"contentType": "image/svg+xml"}, "contentType"},
		{"a type in capitals", obj{"contentType": "IMAGE/PNG"}, ""},
		{"two types", obj{"contentType": "image/png,image/gif"}, "contentType"},
		{"a wildcard as type", obj{"contentType": "image/*"}, "contentType"},
		{"a type with a line break", obj{"contentType": "image/png\r\nx: y"}, "contentType"},
		{"a list of types", obj{"contentType": []string{"image/png"}}, "contentType"},

		{"a way that is none", obj{"as": "fax"}, "as"},
		{"a way in capitals", obj{"as": "PUT"}, "as"},
		{"multipart, which is another function's", obj{"as": "multipart"}, "as"},
		{"a number for a way", obj{"as": 1}, "as"},

		{"an MD5 of 16 bytes", obj{"checksum": obj{"md5": "ICy5YqxZB1uWSwcVLSNLcA=="}}, ""},
		{"an MD5 of 15 bytes", obj{"checksum": obj{"md5": "AAAAAAAAAAAAAAAAAAAA"}}, "checksum.md5"},
		{"an MD5 in hex", obj{"checksum": obj{"md5": "d41d8cd98f00b204e9800998ecf8427e"}}, "checksum.md5"},
		{"an MD5 with stray bits", obj{"checksum": obj{"md5": "ICy5YqxZB1uWSwcVLSNLcB=="}}, "checksum.md5"},
		{"an MD5 with a line break", obj{"checksum": obj{"md5": "ICy5YqxZB1uWSwcVLSNLcA==\n"}}, "checksum.md5"},
		{"an MD5 in a form", obj{"as": "form", "checksum": obj{"md5": "ICy5YqxZB1uWSwcVLSNLcA=="}}, "checksum.md5"},
		{"the greatest CRC-64", obj{"checksum": obj{"crc64": "18446744073709551615"}}, ""},
		{"a CRC-64 of zero", obj{"checksum": obj{"crc64": "0"}}, ""},
		{"a CRC-64 that is too great", obj{"checksum": obj{"crc64": "18446744073709551616"}}, "checksum.crc64"},
		{"a CRC-64 with a leading zero", obj{"checksum": obj{"crc64": "01"}}, "checksum.crc64"},
		{"a CRC-64 in hex", obj{"checksum": obj{"crc64": "995dc9bbdf1939fa"}}, "checksum.crc64"},
		{"a CRC-64 as a number", obj{"checksum": obj{"crc64": 1}}, "checksum.crc64"},
		{"an unknown checksum", obj{"checksum": obj{"sha1": "x"}}, "checksum.sha1"},
		{"a checksum that is text", obj{"checksum": "x"}, "checksum"},
		{"a checksum of nothing", obj{"checksum": obj{}}, ""},

		{"an unknown storage class", obj{"storageClass": "Glacier"}, "storageClass"},
		{"a storage class that is not allowed", obj{"storageClass": "Archive"}, "storageClass"},

		{"a tag that is not allowed", obj{"tags": obj{"owner": "x"}}, "tags.owner"},
		{"a tag without a value", obj{"tags": obj{"stage": ""}}, ""},
		{"a tag with another alphabet", obj{"tags": obj{"stage": "a&b"}}, "tags.stage"},
		{"a tag of 256 bytes", obj{"tags": obj{"stage": long("x", 256)}}, ""},
		{"a tag that is too long", obj{"tags": obj{"stage": long("x", 257)}}, "tags.stage"},
		{"a tag's name of 128 bytes", obj{"tags": obj{long("k", 128): "x"}}, ""},
		{"a tag's name that is too long", obj{"tags": obj{long("k", 129): "x"}}, "tags." + long("k", 75) + "…"},
		{"a tag's name with another alphabet", obj{"tags": obj{"a&b": "x"}}, "tags.a&b"},
		{"a tag without a name", obj{"tags": obj{"": "x"}}, "tags."},
		{"ten tags", obj{"tags": tags(10)}, ""},
		{"eleven tags", obj{"tags": tags(10, "stage")}, "tags"},
		{"a number for a tag", obj{"tags": obj{"stage": 1}}, "tags"},

		{"a metadata name of every kind", obj{"metadata": obj{"a-z09": "x"}}, ""},
		{"a metadata name in capitals", obj{"metadata": obj{"Album": "x"}}, "metadata.Album"},
		{"a metadata name with a colon", obj{"metadata": obj{"a:b": "x"}}, "metadata.a:b"},
		{"a metadata name with an underscore", obj{"metadata": obj{"a_b": "x"}}, "metadata.a_b"},
		{"a metadata name with a line break", obj{"metadata": obj{"a\r\nb": "x"}}, "metadata.a��b"},
		{"an empty metadata name", obj{"metadata": obj{"": "x"}}, "metadata."},
		{"our own metadata name", obj{"metadata": obj{"ossupload-grant": "x"}}, "metadata.ossupload-grant"},
		{"a name like our own", obj{"metadata": obj{"ossuploads": "x"}}, ""},
		{"a header smuggled into metadata", obj{"metadata": obj{"a": "x\r\nx-oss-object-acl: public-read"}}, "metadata.a"},
		{"an empty metadata value", obj{"metadata": obj{"a": ""}}, "metadata.a"},
		{"metadata that is a list", obj{"metadata": []string{"a"}}, "metadata"},
		{"metadata of exactly 2 KiB", obj{"metadata": obj{"a": long("x", 2047)}}, ""},
		{"metadata of one byte more", obj{"metadata": obj{"a": long("x", 2048)}}, "metadata"},
		{"metadata over 2 KiB once encoded", obj{"metadata": obj{"a": long("夏", 228)}}, "metadata"},

		{"vars of exactly 1 KiB", obj{"vars": obj{"k": long("x", 1024-8)}}, ""},
		{"vars of 1 KiB that JSON could escape", obj{"vars": obj{"k": long("&", 1024-8)}}, ""},
		{"vars of one byte more", obj{"vars": obj{"k": long("x", 1024-7)}}, "vars"},
		{"vars that nest", obj{"vars": obj{"k": obj{}}}, "vars"},

		{"the least time", obj{"expiresIn": 1}, ""},
		{"no time at all", obj{"expiresIn": 0}, "expiresIn"},
		{"a time before now", obj{"expiresIn": -1}, "expiresIn"},
		{"a time as text", obj{"expiresIn": "60"}, "expiresIn"},
	}
	f := newSetup(t).function(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := obj{"filename": "夏 photo.JPG", "size": 5, "contentType": "image/jpeg"}
			maps.Copy(body, tt.change)
			a := f.post(t, "/presign", body)
			switch {
			case tt.field != "":
				a.refused(t, http.StatusBadRequest, "invalid_request", tt.field)
			case a.Status != http.StatusOK:
				t.Errorf("answer %d %s, want 200", a.Status, a.Body)
			}
		})
	}
}

// tags are so many allowed ones, and more.
func tags(n int, more ...string) map[string]string {
	all := map[string]string{}
	for i := range n {
		all[fmt.Sprint("t", i)] = "x"
	}
	for _, name := range more {
		all[name] = "x"
	}
	return all
}

func TestPresignTellsAllFaultsTogether(t *testing.T) {
	f := newSetup(t).function(t)
	body := `{"odd":1,"contentType":"x","storageClass":"y","checksum":{"crc64":"z"},"vars":{"a":"` + strings.Repeat("x", 1024) + `"},"expiresIn":-1}`
	f.post(t, "/presign", body).refused(t, http.StatusBadRequest, "invalid_request",
		"odd", "filename", "checksum.crc64", "vars", "expiresIn", "contentType", "size", "storageClass")
	// A way that is not enabled is no fault of a field.
	s := newSetup(t)
	s.settings.Policy.Methods = nil
	s.function(t).post(t, "/presign", body).refused(t, http.StatusBadRequest, "invalid_request",
		"odd", "filename", "checksum.crc64", "vars", "expiresIn", "contentType", "size", "storageClass")
}
