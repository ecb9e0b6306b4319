package probe

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"strconv"
)

var deleteProbes = []Probe{
	{Fact: "delete.version-missing", Calls: 3, Needs: []Need{NeedVersioning}, Try: deleteVersionMissing},
	{Fact: "delete.many-denied", Calls: 6, Needs: []Need{NeedRole}, Refused: true, Try: deleteManyDenied},
	{Fact: "delete.many-md5", Calls: 1, Try: deleteManyMD5},
}

func deleteVersionMissing(ctx context.Context, r *run) Finding {
	key := r.key("a")
	version := r.put(ctx, key, "x", nil).header.Get("x-oss-version-id")
	if version == "" {
		// Where versioning is suspended, and a PUT does not tell.
		version = "null"
	}
	remove := call{method: "DELETE", key: key, query: map[string]string{"versionId": version}}
	r.want(r.do(ctx, remove))
	again := r.do(ctx, remove)
	return seen(strconv.Itoa(again.status), "deleting a version for the second time: %v", again)
}

// deletion is the body of DeleteMultipleObjects.
func deletion(keys ...string) string {
	body := "<Delete><Quiet>false</Quiet>"
	for _, key := range keys {
		body += "<Object><Key>" + key + "</Key></Object>"
	}
	return body + "</Delete>"
}

func deleteManyDenied(ctx context.Context, r *run) Finding {
	allowed, denied := r.key("allowed"), r.key("denied")
	r.put(ctx, allowed, "x", nil)
	r.put(ctx, denied, "x", nil)
	narrow := r.assume(ctx, r.sessionPolicy([]string{"oss:DeleteObject"}, "/"+allowed))
	body := deletion(allowed, denied)
	sum := md5.Sum([]byte(body))
	answer := r.do(ctx, call{method: "POST", query: map[string]string{"delete": ""}, body: body, as: &narrow.Credentials,
		header: map[string]string{"Content-MD5": base64.StdEncoding.EncodeToString(sum[:])}})
	first, second := r.do(ctx, call{method: "HEAD", key: allowed}), r.do(ctx, call{method: "HEAD", key: denied})
	value := "otherwise"
	switch {
	case !answer.ok() && first.ok() && second.ok():
		value = "all"
	case answer.ok() && !first.ok() && second.ok():
		value = "each"
	}
	return seen(value, "deleting one object that is allowed and one that is not: %v; a HEAD of the one: %v, of the other: %v", answer, first, second)
}

func deleteManyMD5(ctx context.Context, r *run) Finding {
	answer := r.do(ctx, call{method: "POST", query: map[string]string{"delete": ""}, body: deletion(r.key("a"))})
	return seen(answer.code, "DeleteMultipleObjects without Content-MD5: %v", answer)
}
