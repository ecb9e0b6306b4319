// Package roles has the RAM roles of a deployment: who may assume each, and what
// each may do. The local stack runs its functions under them, scripts/ram prints
// them for an operator.
//
// Uploads lie below the prefix P of the bucket. What is the functions' own lies
// below S, "_ossupload/" before the prefix: markers, the queue, the sweep's
// place. Only the role Upload, with which URLs, forms and credentials are
// signed, may be seen by a stranger at work, and it has nothing on S. Nobody
// deletes in P, unless an operator lets a sweep do so.
package roles

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// The roles, by what follows the prefix of their names. The functions have the
// names of their own.
const (
	Presign  = "presign"
	Callback = "callback"
	Complete = "complete"
	Repair   = "repair"

	Upload   = "upload"   // signs for clients; presign and complete assume it
	Trigger  = "trigger"  // OSS assumes it to invoke repair
	Operator = "operator" // whoever runs scripts/deliver and scripts/sweep
	Doctor   = "doctor"   // whoever runs scripts/doctor
	Deployer = "deployer" // whoever runs "s deploy"
	Bucket   = "bucket"   // whoever runs scripts/bucket
)

// Own begins the keys of all that is the functions' own.
const Own = "_ossupload/"

// Deployment is what the policies depend on. Bucket and Prefix are required, and
// Account is for [Deployment.Roles].
type Deployment struct {
	Account string // id of the Alibaba Cloud account, 16 digits
	Bucket  string
	Prefix  string // UPLOAD_PREFIX, ending in a slash

	// UploadRole is the ARN of the role that signs, UPLOAD_ROLE_ARN. Without one
	// presign and complete sign with their own roles.
	UploadRole string

	// Names is what the names of the roles and functions begin with, "ossupload-" if
	// empty. RAM compares them in lower case.
	Names string

	// Tags lets clients set the tags that UPLOAD_TAG_KEYS allows.
	Tags bool

	// Delete lets a sweep delete objects that break their grant.
	Delete bool

	// LogProject is the project of the log service that the functions write to;
	// any of the account's if empty.
	LogProject string
}

// Role is a role of RAM, or a policy for somebody who has one already.
type Role struct {
	Name        string
	For         string // what it is for, in a line
	Trust       Policy // who may assume it; nil for a policy alone
	Permissions Policy
}

var (
	accountForm = regexp.MustCompile(`^[0-9]{16}$`)
	bucketForm  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	namesForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,39}$`)
	projectForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
)

// Check names all that is wrong with d. In a policy a wildcard in a name would
// grant more than it says.
func (d Deployment) Check() error {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(!accountForm.MatchString(d.Account), "account %q is not of 16 digits", d.Account)
	fault(!bucketForm.MatchString(d.Bucket), "bucket %q is no name of a bucket", d.Bucket)
	fault(!strings.HasSuffix(d.Prefix, "/") || strings.HasPrefix(d.Prefix, "/") || strings.ContainsAny(d.Prefix, `*?"\`),
		"prefix %q has to end in a slash, to begin with none, and to have no wildcard", d.Prefix)
	fault(!namesForm.MatchString(d.names()), "names that begin with %q are not what RAM takes in lower case", d.names())
	fault(d.LogProject != "" && !projectForm.MatchString(d.LogProject), "log project %q is no name of one", d.LogProject)
	return errors.Join(faults...)
}

func (d Deployment) names() string { return cmp.Or(d.Names, "ossupload-") }

// ARN is that of a role of the deployment.
func (d Deployment) ARN(role string) string {
	return "acs:ram::" + d.Account + ":role/" + d.names() + role
}

func (d Deployment) bucket() string  { return "acs:oss:*:*:" + d.Bucket }
func (d Deployment) uploads() string { return d.bucket() + "/" + d.Prefix + "*" }
func (d Deployment) own(below string) string {
	return d.bucket() + "/" + Own + d.Prefix + below + "*"
}

// The actions that more than one statement has.
const (
	get, put, remove  = "oss:GetObject", "oss:PutObject", "oss:DeleteObject"
	getTags, putTags  = "oss:GetObjectTagging", "oss:PutObjectTagging"
	getVersion        = "oss:GetObjectVersion"
	list, listUploads = "oss:ListObjects", "oss:ListMultipartUploads"
	listParts, abort  = "oss:ListParts", "oss:AbortMultipartUpload"
)

// Signing is what may be done with what was signed: the permissions of the role
// Upload. Credentials of STS have a part of it.
//
// The condition keeps URLs and credentials from plain http. One on the source
// address would be on the browser's.
func (d Deployment) Signing() Policy {
	return append(d.signing(), d.securely(listParts, abort))
}

// signing is that without credentials, which only the role can give. A session's
// part of it is never the list.
func (d Deployment) signing() Policy {
	actions := []string{put, get, getVersion, getTags}
	if d.Tags {
		actions = append(actions, putTags)
	}
	listing := allow([]string{list}, d.bucket()).when("StringLike", "oss:Prefix", d.Prefix+"*").when("Bool", "acs:SecureTransport", "true")
	return Policy{d.securely(actions...), listing}
}

func (d Deployment) securely(actions ...string) Statement {
	return allow(actions, d.uploads()).when("Bool", "acs:SecureTransport", "true")
}

// Permissions is what a function's role may do in OSS and STS; without those of
// the log service.
func (d Deployment) Permissions(function string) Policy {
	announcing := Policy{
		d.listing(),
		allow([]string{get, getTags}, d.uploads()),
		allow([]string{get}, d.own("")),
		allow([]string{put}, d.own("_announced/"), d.own("_pending/")),
	}
	uploads := allow([]string{listUploads}, d.bucket())
	switch function {
	case Presign:
		if d.UploadRole == "" {
			return d.signing()
		}
		return Policy{assume(d.UploadRole)}
	case Complete:
		p := append(announcing, uploads, allow([]string{put, listParts, abort}, d.uploads()), allow([]string{put}, d.own("_aborted/")))
		if d.UploadRole != "" {
			p = append(p, assume(d.UploadRole))
		}
		return p
	case Repair:
		p := append(announcing, uploads,
			allow([]string{abort}, d.uploads()),
			allow([]string{put}, d.own("_dead/"), d.own("_sweep/")),
			allow([]string{remove}, d.own("_pending/")))
		if d.Delete {
			p = append(p, allow([]string{remove}, d.uploads()))
		}
		return p
	}
	return announcing
}

// listing is so that a role is told what is not there: OSS may answer 403 to
// whoever may not list.
func (d Deployment) listing() Statement {
	return allow([]string{list}, d.bucket()).when("StringLike", "oss:Prefix", d.Prefix+"*", Own+d.Prefix+"*")
}

func assume(role string) Statement { return allow([]string{"sts:AssumeRole"}, role) }

// Operating is what scripts/deliver and scripts/sweep do: what repair may, and
// to revive what was given up.
func (d Deployment) Operating() Policy {
	return append(d.Permissions(Repair), allow([]string{remove}, d.own("_dead/")))
}

// Examining is what scripts/doctor does: read what waits and how the bucket is set
// up, and be the upload role, whose trust policy then has to name who examines.
func (d Deployment) Examining() Policy {
	p := Policy{
		d.listing(),
		allow([]string{get}, d.own("_pending/")),
		allow([]string{get}, d.own("_dead/")),
		allow([]string{"oss:GetBucketCors", "oss:GetBucketVersioning", "oss:GetBucketLifecycle", "oss:GetBucketOverwriteConfig"}, d.bucket()),
	}
	if d.UploadRole != "" {
		p = append(p, assume(d.UploadRole))
	}
	return p
}
