package stack

import (
	"encoding/json"
	"strings"

	"ossupload/scripts/internal/roles"
	"ossupload/scripts/internal/stack/ram"
)

// deployment is what the roles of the stack depend on. A function may do no more
// here than in the cloud.
func (s *Stack) deployment() roles.Deployment {
	return roles.Deployment{
		Account:    accountID,
		Bucket:     s.Ready.Bucket,
		Prefix:     s.Settings.prefix(),
		UploadRole: s.Settings.Get("UPLOAD_ROLE_ARN"),
		Tags:       s.Settings.Get("UPLOAD_TAG_KEYS") != "",
		Delete:     true, // for a sweep that is told to
	}
}

// policy reads what an operator would give to RAM as the stand-ins do.
func policy(p roles.Policy) (ram.Policy, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return ram.Policy{}, err
	}
	return ram.ParsePolicy(text)
}

// signs reports whether a function may assume the upload role.
func (s *Stack) signs(c ram.Credential) bool {
	return c.Role == rolePrefix+roles.Presign || c.Role == rolePrefix+roles.Complete
}

// principal is a role as the rules of a bucket name its sessions. Which session it is
// nobody keeps here: rules have to say "*" for it.
//
//	acs:ram::1000000000000000:role/upload
//	arn:sts::1000000000000000:assumed-role/upload/session
func principal(role string) string {
	account, name, ok := strings.Cut(strings.TrimPrefix(role, "acs:ram::"), ":role/")
	if !ok {
		return ""
	}
	return "arn:sts::" + account + ":assumed-role/" + name + "/session"
}
