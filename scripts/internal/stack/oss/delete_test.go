package oss

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// deleteMany asks the SDK to delete keys, and returns what it says of each.
func (f *fixture) deleteMany(a Account, quiet bool, objects ...oss.ObjectIdentifier) ([]oss.DeletedInfo, error) {
	f.t.Helper()
	got, err := f.client(a).DeleteMultipleObjects(f.t.Context(), &oss.DeleteMultipleObjectsRequest{
		Bucket: oss.Ptr(testBucket), Delete: &oss.Delete{Objects: objects, Quiet: quiet},
	})
	if err != nil {
		return nil, err
	}
	return got.DeletedObjects, nil
}

func TestSDKDeleteMany(t *testing.T) {
	f := newFixture(t)
	const odd = "d/é &<>+%.txt"
	for _, key := range []string{"a", odd, "kept"} {
		f.put(key, key)
	}
	deleted := must[[]oss.DeletedInfo](t)(f.deleteMany(permanent, false, oss.ObjectIdentifier{Key: oss.Ptr(odd)}, oss.ObjectIdentifier{Key: oss.Ptr("absent")}))
	if len(deleted) != 2 || *deleted[0].Key != odd || *deleted[1].Key != "absent" || deleted[0].DeleteMarker {
		t.Errorf("deleted = %+v", deleted)
	}
	deleted = must[[]oss.DeletedInfo](t)(f.deleteMany(permanent, true, oss.ObjectIdentifier{Key: oss.Ptr("a")}))
	if len(deleted) != 0 {
		t.Errorf("quietly deleted = %+v", deleted)
	}
	if list := f.s.store.list(testBucket, ""); len(list) != 1 || list[0].Key != "kept" {
		t.Errorf("%d objects are left, want kept", len(list))
	}
}

func TestSDKDeleteManyRefusals(t *testing.T) {
	f := newFixture(t)
	limited := permanent
	limited.Allows = func(action, resource string, _ map[string]string) bool {
		return action == "oss:DeleteObject" && strings.HasSuffix(resource, "/a")
	}
	f.put("a", "a")
	f.put("b", "b")
	f.setAccount(limited)
	a, b := oss.ObjectIdentifier{Key: oss.Ptr("a")}, oss.ObjectIdentifier{Key: oss.Ptr("b")}
	_, err := f.deleteMany(limited, false, a, b)
	wantServiceError(t, err, 403, codeAccessDenied, "0003-00000801")
	if _, ok := f.stored("a"); !ok {
		t.Error("a refused call deleted an object")
	}
	must[[]oss.DeletedInfo](t)(f.deleteMany(limited, false, a))
	if _, ok := f.stored("a"); ok {
		t.Error("the object is there")
	}
	many := make([]oss.ObjectIdentifier, maxDeletes+1)
	for i := range many {
		many[i].Key = oss.Ptr(fmt.Sprint(i))
	}
	_, err = f.deleteMany(permanent, false, many...)
	wantServiceError(t, err, 400, codeMalformedXML, "")
	f.wantError(f.send("POST", f.web.URL+"/bucket/?delete", nil, "<Delete/>"), 403, codeAccessDenied, "0003-00001201")
}

func TestSDKDeleteManyVersions(t *testing.T) {
	f := newVersioned(t)
	one := f.putVersion("a", "one")
	two := f.putVersion("a", "two")
	deleted := must[[]oss.DeletedInfo](t)(f.deleteMany(permanent, false,
		oss.ObjectIdentifier{Key: oss.Ptr("a"), VersionId: two}, oss.ObjectIdentifier{Key: oss.Ptr("a")}, oss.ObjectIdentifier{Key: oss.Ptr("b"), VersionId: one}))
	if len(deleted) != 3 || *deleted[0].VersionId != *two || deleted[0].DeleteMarker || !deleted[1].DeleteMarker || oss.ToString(deleted[1].DeleteMarkerVersionId) == "" {
		t.Errorf("deleted = %+v", deleted)
	}
	if got := f.readVersion("a", one); got != "one "+*one {
		t.Errorf("the version that was kept = %q", got)
	}
}
