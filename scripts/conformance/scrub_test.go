package main

import "testing"

func TestScrub(t *testing.T) {
	s := newScrubber("photos", "photos.oss-cn-hangzhou.aliyuncs.com", "", " ", "sEcret+/key", "in/here/")
	for text, want := range map[string]string{
		"answered 403 AccessKeyIdAndSecurityTokenNotMatch": "answered 403 AccessKeyIdAndSecurityTokenNotMatch",
		"EC 0002-00000232.":                           "EC 0002-00000232.",
		"bucket photos and PHOTOS, photosynthesis":    "bucket […] and […], photosynthesis",
		"photos photos photos":                        "[…] […] […]",
		"http://photos.oss-cn-hangzhou.aliyuncs.com/": "http://[…]/",
		"key LTAI5tQ1w2E3r4T5y6":                      "key […]",
		"of account 1234567890123456":                 "of account […]",
		"token CAIS%2Babc%2Fdef9==":                   "token […]",
		"secret sEcret+/key, sEcret%2B":               "secret […], sEcret%2B",
		"ab12cd34ef56ab78 in hex":                     "[…] in hex",
		"two\nlines\t\x00and \xff":                    "two lines \x00and �",
		"below in/here/it, not in/heresy":             "below […]it, not in/heresy",
		"x-oss-hash-crc64ecma: true":                  "x-oss-hash-crc64ecma: true",
		"x-oss-signature=0a1b2c3d4e5f":                "[…]",
		"204":                                         "204",
		"":                                            "",
	} {
		if got := s.text(text); got != want {
			t.Errorf("text(%q) = %q, want %q", text, got, want)
		}
	}
}
