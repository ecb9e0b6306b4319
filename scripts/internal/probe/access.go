package probe

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"

	"ossupload/shared/signing"
)

// The role may do everything below the prefix; a session policy leaves of it what
// a probe is about.
var accessProbes = []Probe{
	{Fact: "access.policy-before-bucket", Calls: 3, Needs: []Need{NeedRole}, Refused: true, Try: policyBeforeBucket},
	{Fact: "access.acl-action", Calls: 3, Needs: []Need{NeedRole}, Refused: true, Try: aclAction},
	{Fact: "access.head-without-list", Calls: 3, Needs: []Need{NeedRole}, Refused: true, Try: headWithoutList},
	{Fact: "ram.put-covers", Calls: 7, Needs: []Need{NeedRole}, Refused: true, Try: putCovers},
	{Fact: "ram.list-parts", Calls: 7, Needs: []Need{NeedRole}, Refused: true, Try: listPartsAction},
	{Fact: "ram.tagging", Calls: 5, Needs: []Need{NeedRole}, Refused: true, Try: taggingAction},
}

// session gives credentials that may do no more than these actions.
func (r *run) session(ctx context.Context, actions ...string) *signing.Credentials {
	s := r.assume(ctx, r.allowing(actions...))
	return &s.Credentials
}

func policyBeforeBucket(ctx context.Context, r *run) Finding {
	if r.Endpoint.Style == signing.CNAME {
		return notTried("needs an endpoint that serves other buckets")
	}
	c := call{method: "PUT", key: r.key("a"), bucket: "absent-" + strings.ToLower(rand.Text())}
	owner := r.do(ctx, c)
	r.want(owner, http.StatusNotFound)
	c.as = r.session(ctx, "oss:PutObject")
	a := r.do(ctx, c)
	value := ""
	switch a.status {
	case http.StatusForbidden:
		value = "policy"
	case http.StatusNotFound:
		value = "bucket"
	}
	return seen(value, "a PUT into a bucket that does not exist, of somebody who may not: %v; of the owner: %v", a, owner)
}

func aclAction(ctx context.Context, r *run) Finding {
	as := r.session(ctx, "oss:PutObject")
	c := call{method: "PUT", key: r.key("a"), as: as}
	r.want(r.do(ctx, c))
	c.header = map[string]string{"x-oss-object-acl": "private"}
	a := r.do(ctx, c)
	value := ""
	switch {
	case a.status == http.StatusForbidden:
		value = "needed"
	case a.ok():
		value = "not needed"
	}
	return seen(value, "an upload with an ACL, by oss:PutObject alone: %v", a)
}

func headWithoutList(ctx context.Context, r *run) Finding {
	c := call{method: "HEAD", key: r.key("absent")}
	r.want(r.do(ctx, c), http.StatusNotFound)
	c.as = r.session(ctx, "oss:GetObject")
	a := r.do(ctx, c)
	value := ""
	switch a.status {
	case http.StatusNotFound:
		value = "404"
	case http.StatusForbidden:
		value = "403"
	}
	return seen(value, "a HEAD of a key that is not there, by oss:GetObject alone: %v", a)
}

func putCovers(ctx context.Context, r *run) Finding {
	as := r.session(ctx, "oss:PutObject")
	put := r.do(ctx, call{method: "PUT", key: r.key("put"), as: as})
	form := r.post(ctx, r.form(signing.Form{Key: r.key("form"), MaxSize: 10}, *as), "x")
	key := r.key("multipart")
	initiated := r.do(ctx, call{method: "POST", key: key, query: map[string]string{"uploads": ""}, as: as})
	id := element(initiated.body, "UploadId")
	part := r.do(ctx, call{method: "PUT", key: key, query: map[string]string{"uploadId": id, "partNumber": "1"}, body: "x", as: as})
	completed := r.do(ctx, call{method: "POST", key: key, query: map[string]string{"uploadId": id},
		body: completion(uploaded{1, part.header.Get("ETag")}), as: as})
	return found(put.ok() && form.ok() && initiated.ok() && part.ok() && completed.ok(),
		"by oss:PutObject alone: PUT %v, form %v, initiate %v, part %v, completion %v", put, form, initiated, part, completed)
}

func listPartsAction(ctx context.Context, r *run) Finding {
	key := r.key("a")
	upload := map[string]string{"uploadId": r.initiate(ctx, key)}
	calls := func(as *signing.Credentials) (list, abort reply) {
		return r.do(ctx, call{method: "GET", key: key, query: upload, as: as}), r.do(ctx, call{method: "DELETE", key: key, query: upload, as: as})
	}
	deniedList, deniedAbort := calls(r.session(ctx, "oss:PutObject"))
	list, abort := calls(r.session(ctx, "oss:ListParts", "oss:AbortMultipartUpload"))
	return found(denied(deniedList, deniedAbort) && list.ok() && abort.ok(),
		"by oss:PutObject alone: list %v, abort %v; by their own actions: %v, %v", deniedList, deniedAbort, list, abort)
}

func taggingAction(ctx context.Context, r *run) Finding {
	c := call{method: "PUT", key: r.key("a"), as: r.session(ctx, "oss:PutObject")}
	r.want(r.do(ctx, c))
	c.header = map[string]string{"x-oss-tagging": "a=1"}
	without := r.do(ctx, c)
	c.as = r.session(ctx, "oss:PutObject", "oss:PutObjectTagging")
	with := r.do(ctx, c)
	return found(denied(without) && with.ok(), "a PUT with tags, by oss:PutObject alone: %v; with oss:PutObjectTagging: %v", without, with)
}
