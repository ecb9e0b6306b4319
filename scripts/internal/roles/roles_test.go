package roles_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"ossupload/scripts/internal/roles"
)

func whole() roles.Deployment {
	d := roles.Deployment{Account: "1234567890123456", Bucket: "photos", Prefix: "uploads/", Tags: true, Delete: true}
	d.UploadRole = d.ARN(roles.Upload)
	return d
}

func TestCheck(t *testing.T) {
	if err := whole().Check(); err != nil {
		t.Fatal(err)
	}
	for fault, change := range map[string]func(*roles.Deployment){
		"account":     func(d *roles.Deployment) { d.Account = "*" },
		"bucket":      func(d *roles.Deployment) { d.Bucket = "photos*" },
		"prefix":      func(d *roles.Deployment) { d.Prefix = "u*/" },
		"end in":      func(d *roles.Deployment) { d.Prefix = "uploads" },
		"begin":       func(d *roles.Deployment) { d.Prefix = "/" },
		"lower case":  func(d *roles.Deployment) { d.Names = "OSSUpload-" },
		"log project": func(d *roles.Deployment) { d.LogProject = "*" },
	} {
		d := whole()
		change(&d)
		if all, err := d.Roles(); err == nil || !strings.Contains(err.Error(), fault) || all != nil {
			t.Errorf("Roles() of %+v = %d, %v, want a fault of %s", d, len(all), err, fault)
		}
	}
}

func TestTrust(t *testing.T) {
	all, err := whole().Roles()
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{}
	for _, r := range all {
		want := map[string]string{
			"ossupload-upload":   `{"Statement":[{"Effect":"Allow","Principal":{"RAM":["acs:ram::1234567890123456:role/ossupload-presign","acs:ram::1234567890123456:role/ossupload-complete"]},"Action":["sts:AssumeRole"]}],"Version":"1"}`,
			"ossupload-trigger":  `{"Statement":[{"Effect":"Allow","Principal":{"Service":["oss.aliyuncs.com"]},"Action":["sts:AssumeRole"]}],"Version":"1"}`,
			"ossupload-operator": "", "ossupload-doctor": "", "ossupload-bucket": "", "ossupload-deployer": "",
		}
		expected, special := want[r.Name]
		if !special {
			expected = `{"Statement":[{"Effect":"Allow","Principal":{"Service":["fc.aliyuncs.com"]},"Action":["sts:AssumeRole"]}],"Version":"1"}`
		}
		got := ""
		if r.Trust != nil {
			text, err := json.Marshal(r.Trust)
			if err != nil {
				t.Fatal(err)
			}
			got = string(text)
		}
		if got != expected {
			t.Errorf("the trust policy of %s is %s, want %s", r.Name, got, expected)
		}
		for _, s := range r.Trust {
			for _, arn := range s.Principal["RAM"] {
				if _, name, _ := strings.Cut(arn, ":role/"); !made[name] {
					t.Errorf("%s trusts %s, which is not there yet", r.Name, name)
				}
			}
		}
		made[r.Name] = true
	}
	if len(all) != 10 {
		t.Errorf("%d roles and policies, want 10", len(all))
	}
}

// What no flag asks for is not granted.
func TestLessIsGranted(t *testing.T) {
	d := whole()
	d.Tags, d.Delete, d.UploadRole, d.LogProject = false, false, "", "logs"
	all, err := d.Roles()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if r.Name == "ossupload-upload" {
			t.Error("there is a role that signs, which nobody assumes")
		}
		for _, s := range r.Permissions {
			for _, action := range []string{"oss:PutObjectTagging", "sts:AssumeRole"} {
				if slices.Contains(s.Action, action) {
					t.Errorf("%s may %s", r.Name, action)
				}
			}
			if slices.Contains(s.Action, "oss:DeleteObject") && slices.Contains(s.Resource, "acs:oss:*:*:photos/uploads/*") {
				t.Errorf("%s may delete uploads", r.Name)
			}
			if slices.Contains(s.Action, "log:PostLogStoreLogs") && !slices.Equal(s.Resource, []string{"acs:log:*:1234567890123456:project/logs/logstore/*"}) {
				t.Errorf("%s writes logs to %q", r.Name, s.Resource)
			}
		}
	}
}
