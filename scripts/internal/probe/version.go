package probe

import (
	"context"
	"net/http"
	"strconv"
	"strings"
)

// Versioning itself is never set: it is the bucket's, and cannot be undone.

var versionProbes = []Probe{
	{Fact: "version.id", Calls: 6, Needs: []Need{NeedEnabled}, Try: versionID},
	{Fact: "version.null", Calls: 4, Needs: []Need{NeedSuspended}, Try: versionNull},
	{Fact: "version.null-shown", Calls: 5, Needs: []Need{NeedSuspended}, Try: versionNullShown},
	{Fact: "version.marker-by-id", Calls: 4, Needs: []Need{NeedVersioning}, Try: versionMarkerByID},
}

const versionHeader = "x-oss-version-id"

// marker stores an object and deletes it, and returns the id of the delete marker.
func (r *run) marker(ctx context.Context) (key, version string) {
	key = r.key("deleted")
	r.put(ctx, key, "x", nil)
	answer := r.do(ctx, call{method: "DELETE", key: key})
	r.want(answer)
	if version = answer.header.Get(versionHeader); version == "" {
		version = "null"
	}
	return key, version
}

func versionID(ctx context.Context, r *run) Finding {
	key := r.key("a")
	first, second := r.put(ctx, key, "1", nil).header.Get(versionHeader), r.put(ctx, key, "2", nil).header.Get(versionHeader)
	head := r.do(ctx, call{method: "HEAD", key: key})
	r.want(head)
	parts := r.key("parts")
	id := r.initiate(ctx, parts)
	done := r.complete(ctx, parts, id, nil, r.part(ctx, parts, id, 1, "x", nil))
	r.want(done)
	apart, shown, completed := first != "" && first != second, head.header.Get(versionHeader) == second, done.header.Get(versionHeader) != ""
	return found(apart && shown && completed,
		"two PUTs show an id each: %v; a HEAD that of the second: %v; a completion one: %v", apart, shown, completed)
}

func versionNull(ctx context.Context, r *run) Finding {
	key := r.key("a")
	r.put(ctx, key, "1", nil)
	r.put(ctx, key, "2", nil)
	list := r.do(ctx, call{method: "GET", query: map[string]string{"versions": "", "prefix": key}})
	r.want(list)
	stored := r.do(ctx, call{method: "GET", key: key, query: map[string]string{"versionId": "null"}})
	r.want(stored)
	count, isNull := strings.Count(list.body, "<Version>"), element(list.body, "VersionId") == "null"
	return found(count == 1 && isNull && stored.body == "2",
		"after two PUTs of one key there are %d versions of it, with the id null: %v, and the second's bytes: %v", count, isNull, stored.body == "2")
}

func versionNullShown(ctx context.Context, r *run) Finding {
	key := r.key("a")
	put := r.put(ctx, key, "x", nil)
	var silent []string
	for _, c := range []struct {
		name string
		call call
	}{
		{"GetObject", call{method: "GET", key: key}},
		{"HeadObject", call{method: "HEAD", key: key}},
		{"GetObjectMeta", call{method: "HEAD", key: key, query: map[string]string{"objectMeta": ""}}},
		{"GetObjectTagging", call{method: "GET", key: key, query: map[string]string{"tagging": ""}}},
	} {
		answer := r.do(ctx, c.call)
		r.want(answer)
		if answer.header.Get(versionHeader) != "null" {
			silent = append(silent, c.name)
		}
	}
	byPut, value := put.header.Get(versionHeader) == "null", "otherwise"
	switch {
	case len(silent) > 0:
	case byPut:
		value = "everywhere"
	default:
		value = "not by uploads"
	}
	return seen(value, "a version with the id null is named by PutObject: %v; not by: %s", byPut, strings.Join(append(silent, "no other"), ", "))
}

func versionMarkerByID(ctx context.Context, r *run) Finding {
	key, marker := r.marker(ctx)
	meta := r.do(ctx, call{method: "HEAD", key: key, query: map[string]string{"objectMeta": "", "versionId": marker}})
	tags := r.do(ctx, call{method: "GET", key: key, query: map[string]string{"tagging": "", "versionId": marker}})
	value := "one of both"
	if meta.status == tags.status {
		value = strconv.Itoa(meta.status)
	}
	if meta.ok() || tags.ok() || meta.status == http.StatusForbidden {
		value = "otherwise"
	}
	return seen(value, "of a delete marker by its id GetObjectMeta: %v, GetObjectTagging: %v", meta, tags)
}
