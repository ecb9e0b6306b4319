package stack

import (
	"testing"

	"ossupload/scripts/internal/stack/ram"
)

func TestRoles(t *testing.T) {
	const (
		upload = "acs:oss:*:*:b/uploads/alice/2026/11/x.png"
		bucket = "acs:oss:*:*:b"
		own    = "acs:oss:*:*:b/_ossupload/uploads/"
		assume = "sts:AssumeRole"
	)
	s := &Stack{Ready: Ready{Bucket: "b"}, Settings: Settings{{"UPLOAD_ROLE_ARN", UploadRole}}}
	tests := []struct {
		action, resource string
		prefix           string // of a listing
		by               string // the functions that may, and "upload" for the upload role
	}{
		{"oss:PutObject", upload, "", "upload complete"},
		{"oss:GetObject", upload, "", "upload callback complete repair"},
		{"oss:DeleteObject", upload, "", "repair"},
		{"oss:AbortMultipartUpload", upload, "", "upload complete repair"},
		{"oss:ListObjects", bucket, "uploads/", "upload callback complete repair"},
		{"oss:ListObjects", bucket, "_ossupload/uploads/_pending/", "callback complete repair"},
		{"oss:ListObjects", bucket, "_ossupload/other/_pending/", ""},
		{"oss:ListObjects", bucket, "", ""},
		{"oss:ListMultipartUploads", bucket, "", "complete repair"},
		{"oss:GetObject", own + "_announced/x", "", "callback complete repair"},
		{"oss:PutObject", own + "_announced/x", "", "callback complete repair"},
		{"oss:DeleteObject", own + "_announced/x", "", ""},
		{"oss:GetObject", own + "_pending/x", "", "callback complete repair"},
		{"oss:PutObject", own + "_pending/x", "", "callback complete repair"},
		{"oss:DeleteObject", own + "_pending/x", "", "repair"},
		{"oss:PutObject", own + "_dead/x", "", "repair"},
		{"oss:DeleteObject", own + "_dead/x", "", ""},
		{"oss:PutObject", own + "_sweep/cursor", "", "repair"},
		{"oss:PutObject", "acs:oss:*:*:b/_ossupload/other/_pending/x", "", ""},
		{"oss:PutObject", "acs:oss:*:*:b/other/x", "", ""},
		{"oss:GetObject", "acs:oss:*:*:c/uploads/alice/x", "", ""},
		{assume, UploadRole, "", "presign complete"},
		{assume, rolePrefix + "repair", "", ""},
	}
	for _, tt := range tests {
		got := ""
		for _, role := range []string{"upload", "presign", "callback", "complete", Repair} {
			statements := s.deployment().Signing()
			if role != "upload" {
				statements = s.deployment().Permissions(role)
			}
			if p, err := policy(statements); err != nil {
				t.Fatal(err)
			} else if p.AllowsWhen(tt.action, tt.resource, map[string]string{"acs:SecureTransport": "true", "oss:Prefix": tt.prefix}) {
				got += " " + role
			}
		}
		if want := tt.by; got != "" && got[1:] != want || got == "" && want != "" {
			t.Errorf("%s on %s is allowed to%s, want %s", tt.action, tt.resource, got, want)
		}
	}
	for role, want := range map[string]bool{"presign": true, "complete": true, "callback": false, Repair: false, "upload": false} {
		if got := s.signs(ram.Credential{Role: rolePrefix + role}); got != want {
			t.Errorf("the upload role trusts %s: %v, want %v", role, got, want)
		}
	}
}

// Without an upload role, the functions sign with their own.
func TestRolesWithoutAnUploadRole(t *testing.T) {
	secure := map[string]string{"acs:SecureTransport": "true"}
	s := &Stack{Ready: Ready{Bucket: "b"}, Settings: Settings{{"UPLOAD_PREFIX", "in/"}}}
	for role, want := range map[string]bool{"presign": true, "complete": true, "callback": false, Repair: false} {
		p, err := policy(s.deployment().Permissions(role))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.AllowsWhen("oss:PutObject", "acs:oss:*:*:b/in/alice/x", secure); got != want {
			t.Errorf("%s may put below the prefix: %v, want %v", role, got, want)
		}
	}
}

func TestPrincipal(t *testing.T) {
	for role, want := range map[string]string{
		"acs:ram::1000000000000000:role/upload": "arn:sts::1000000000000000:assumed-role/upload/session",
		"":                                      "", // the owner's own key
	} {
		if got := principal(role); got != want {
			t.Errorf("principal(%q) = %q, want %q", role, got, want)
		}
	}
}
