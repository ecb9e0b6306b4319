package oss

import (
	"encoding/xml"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

func TestControls(t *testing.T) {
	for document, want := range map[string]string{
		"plain &amp; &#65;":         "plain & A",
		"a&#x01;b&#1;c&#x1F;":       "a\x01b\x01c\x1f",
		"&#9;&#xA;&#13;":            "\t\n\r",
		"\uf8ff \uf8ff01 \uf8ff--":  "\uf8ff \uf8ff01 \uf8ff--",
		"\uf8ff&#x02;\uf8ff&#0002;": "\uf8ff\x02\uf8ff\x02",
	} {
		var text string
		err := xml.Unmarshal(hideControls([]byte("<Key>"+document+"</Key>")), &text)
		if got := showControls(text); err != nil || got != want {
			t.Errorf("reading %q = %q (%v), want %q", document, got, err, want)
		}
	}
}

func TestSDKDeleteManyControls(t *testing.T) {
	f := newFixture(t)
	const key = "a\x01\t\n\x1f\uf8ff01"
	f.put(key, "hello")
	deleted := must[[]oss.DeletedInfo](t)(f.deleteMany(permanent, false, oss.ObjectIdentifier{Key: oss.Ptr(key)}))
	if len(deleted) != 1 || *deleted[0].Key != key {
		t.Errorf("deleted = %+v", deleted)
	}
	if _, ok := f.stored(key); ok {
		t.Error("the object is still there")
	}
}
