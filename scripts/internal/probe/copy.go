package probe

import (
	"context"
	"net/url"
)

var copyProbes = []Probe{
	{Fact: "copy.marker-by-id", Calls: 3, Needs: []Need{NeedVersioning}, Try: copyMarkerByID},
	{Fact: "copy.range-beyond", Calls: 4, Try: copyRangeBeyond},
	{Fact: "copy.content-range", Calls: 3, Try: copyContentRange},
}

// copyOf is the header that names an object to copy.
func (r *run) copyOf(key, version string) map[string]string {
	source := (&url.URL{Path: "/" + r.Bucket + "/" + key}).EscapedPath()
	if version != "" {
		source += "?versionId=" + url.QueryEscape(version)
	}
	return map[string]string{"x-oss-copy-source": source}
}

func copyMarkerByID(ctx context.Context, r *run) Finding {
	key, marker := r.marker(ctx)
	answer := r.do(ctx, call{method: "PUT", key: r.key("copy"), header: r.copyOf(key, marker)})
	return seen(answer.code, "copying a delete marker by its id: %v", answer)
}

// copyPart copies a range of ten bytes into a part.
func (r *run) copyPart(ctx context.Context, byteRange string) (key, id string, answer reply) {
	source, key := r.key("source"), r.key("a")
	r.put(ctx, source, "0123456789", nil)
	id = r.initiate(ctx, key)
	header := r.copyOf(source, "")
	header["x-oss-copy-source-range"] = byteRange
	return key, id, r.putPart(ctx, key, id, 1, "", header)
}

func copyRangeBeyond(ctx context.Context, r *run) Finding {
	key, id, answer := r.copyPart(ctx, "bytes=5-100")
	if answer.status/100 == 4 {
		return seen("refused", "a copy of the bytes 5 to 100 of ten: %v", answer)
	}
	r.want(answer)
	list := r.listParts(ctx, key, id)
	r.want(list)
	value := map[string]string{"10": "whole", "5": "clipped"}[element(list.body, "Size")]
	return seen(value, "a copy of the bytes 5 to 100 of ten: %v, %s", answer, value)
}

func copyContentRange(ctx context.Context, r *run) Finding {
	_, _, answer := r.copyPart(ctx, "bytes=2-5")
	r.want(answer)
	value := map[string]string{"bytes 2-5/10": "hyphen", "bytes 2~5/10": "tilde"}[answer.header.Get("Content-Range")]
	return seen(value, "Content-Range of a copy of the bytes 2 to 5 of ten: %s", value)
}
