package stack

import (
	"encoding/json"
	"fmt"

	"ossupload/scripts/internal/stack/ram"
)

// statement is one statement of a RAM policy that allows.
type statement struct {
	Effect    string     `json:"Effect"`
	Action    []string   `json:"Action"`
	Resource  []string   `json:"Resource"`
	Condition conditions `json:"Condition,omitempty"`
}

// conditions are values by operator and key.
type conditions map[string]map[string][]string

func allow(action []string, resource ...string) statement {
	return statement{Effect: "Allow", Action: action, Resource: resource}
}

func (s statement) when(operator, key string, values ...string) statement {
	s.Condition = conditions{operator: {key: values}}
	return s
}

// policy makes a RAM policy as an operator would write it, and reads it back
// as the stand-ins do.
func policy(statements ...statement) (ram.Policy, error) {
	text, err := json.Marshal(map[string]any{"Version": "1", "Statement": statements})
	if err != nil {
		return ram.Policy{}, fmt.Errorf("writing a policy: %w", err)
	}
	return ram.ParsePolicy(text)
}

// The roles are those of the README's policies: a function may do no more here
// than in a deployment. P is where uploads lie, S what is ours alone.

// ownPrefix begins the keys of all that is ours alone.
const ownPrefix = "_ossupload/"

func (s *Stack) bucket() string  { return "acs:oss:*:*:" + s.Ready.Bucket }
func (s *Stack) uploads() string { return s.bucket() + "/" + s.Settings.prefix() + "*" }
func (s *Stack) own(below string) string {
	return s.bucket() + "/" + ownPrefix + s.Settings.prefix() + below + "*"
}

// signs reports whether a function may assume the upload role.
func (s *Stack) signs(c ram.Credential) bool {
	return c.Role == rolePrefix+"presign" || c.Role == rolePrefix+"complete"
}

// signing is what may be done with what was signed: the upload role's policy.
// STS sessions have a part of it.
func (s *Stack) signing() []statement {
	return []statement{allow([]string{
		"oss:PutObject", "oss:PutObjectTagging", "oss:GetObject", "oss:GetObjectVersion", "oss:GetObjectTagging",
		"oss:AbortMultipartUpload", "oss:ListParts",
	}, s.uploads()).when("Bool", "acs:SecureTransport", "true")}
}

// permissions is the policy of a function's own role.
func (s *Stack) permissions(function string) []statement {
	const read, put, remove, list = "oss:GetObject", "oss:PutObject", "oss:DeleteObject", "oss:ListObjects"
	announcing := []statement{
		allow([]string{read, "oss:GetObjectTagging"}, s.uploads()),
		allow([]string{read}, s.own("")),
		allow([]string{put}, s.own("_announced/"), s.own("_pending/")),
	}
	multipart := allow([]string{put, "oss:PutObjectTagging", "oss:ListParts", "oss:AbortMultipartUpload"}, s.uploads())
	uploads := allow([]string{"oss:ListMultipartUploads"}, s.bucket())

	var statements []statement
	switch function {
	case "callback":
		return announcing
	case Repair:
		return append(announcing, uploads,
			allow([]string{list}, s.bucket()).when("StringLike", "oss:Prefix", s.Settings.prefix()+"*", ownPrefix+s.Settings.prefix()+"*"),
			allow([]string{"oss:AbortMultipartUpload"}, s.uploads()),
			allow([]string{put}, s.own("_dead/"), s.own("_sweep/")),
			allow([]string{remove}, s.own("_pending/"), s.own("_dead/")),
			// For a sweep that is told to delete, which is for an operator to allow.
			allow([]string{remove}, s.uploads()))
	case "complete":
		statements = append(announcing, multipart, uploads, allow([]string{put}, s.own("_aborted/")))
	}
	if arn := s.Settings.Get("UPLOAD_ROLE_ARN"); arn != "" {
		return append(statements, allow([]string{"sts:AssumeRole"}, arn))
	}
	// Without the upload role it is the function's own that signs.
	return append(statements, s.signing()...)
}
