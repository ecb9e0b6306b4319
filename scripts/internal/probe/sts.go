package probe

import (
	"context"
	"net/http"
	"strings"
	"time"
)

var stsProbes = []Probe{
	{Fact: "sts.expiration", Calls: 3, Needs: []Need{NeedRole}, Try: stsExpiration},
	{Fact: "sts.session-policy", Calls: 5, Needs: []Need{NeedRole}, Refused: true, Try: stsSessionPolicy},
	{Fact: "sts.intersection", Calls: 4, Needs: []Need{NeedRole}, Refused: true, Try: stsIntersection},
	{Fact: "sts.role-names", Calls: 2, Needs: []Need{NeedRole}, Try: stsRoleNames},
}

func stsExpiration(ctx context.Context, r *run) Finding {
	began := r.Now()
	session, answer := r.assumeRole(ctx, map[string]string{"DurationSeconds": "900"})
	if answer.status != http.StatusOK {
		stop("STS answered %v", answer)
	}
	life := session.expiration.Sub(began)
	_, short := r.assumeRole(ctx, map[string]string{"DurationSeconds": "899"})
	_, long := r.assumeRole(ctx, map[string]string{"DurationSeconds": "43201"})
	near := life > 14*time.Minute && life < 16*time.Minute
	return found(near && short.status == http.StatusBadRequest && long.status == http.StatusBadRequest,
		"credentials for 900 s end in about that: %v; for 899 s: %v; for 43,201 s: %v", near, short, long)
}

func stsSessionPolicy(ctx context.Context, r *run) Finding {
	narrow := r.assume(ctx, r.allowing("oss:PutObject"))
	put := r.do(ctx, call{method: "PUT", key: r.key("a"), body: "x", as: &narrow.Credentials})
	get := r.do(ctx, call{method: "GET", key: r.key("a"), as: &narrow.Credentials})
	const most = 2048
	policy := r.allowing("oss:PutObject")
	policy += strings.Repeat(" ", max(0, most+1-len(policy)))
	_, over := r.assumeRole(ctx, map[string]string{"Policy": policy})
	return found(put.ok() && get.status == http.StatusForbidden && over.status == http.StatusBadRequest,
		"with a policy that allows PutObject alone a PUT: %v, a GET: %v; a policy of 2,049 characters: %v", put, get, over)
}

// stsIntersection looks at a setting of the bucket by a session that is allowed
// everything: that is refused if the role itself is not allowed to.
func stsIntersection(ctx context.Context, r *run) Finding {
	info := call{method: "GET", query: map[string]string{"bucketInfo": ""}}
	role := r.assume(ctx, "")
	info.as = &role.Credentials
	if answer := r.do(ctx, info); answer.status != http.StatusForbidden {
		return notTried("the role may do what it was to be denied: GetBucketInfo was answered %v", answer)
	}
	wide := r.assume(ctx, `{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
	info.as = &wide.Credentials
	answer := r.do(ctx, info)
	return found(answer.status == http.StatusForbidden, "GetBucketInfo, which the role may not, by a session that is allowed everything: %v", answer)
}

// stsRoleNames asks for the role in upper case. Who may assume that one role alone is
// refused before it is looked up.
func stsRoleNames(ctx context.Context, r *run) Finding {
	account, name, _ := strings.Cut(r.RoleARN, ":role/")
	upper := strings.ToUpper(name)
	if upper == name {
		return notTried("needs a role with lower case in its name")
	}
	r.assume(ctx, "")
	_, answer := r.assumeRole(ctx, map[string]string{"RoleArn": account + ":role/" + upper})
	value := ""
	switch answer.status {
	case http.StatusOK:
		value = "without"
	case http.StatusNotFound:
		value = "with case"
	case http.StatusForbidden:
		return notTried("needs credentials that may assume any role: %v", answer)
	}
	return seen(value, "the role in upper case: %v", answer)
}
