package settings_test

import (
	"strings"
	"testing"

	"ossupload/shared/settings"
	"ossupload/shared/signing"
)

func TestLoadAccount(t *testing.T) {
	a, err := settings.LoadAccount(lookup(map[string]string{
		"OSS_REGION": "eu-central-1", "OSS_BUCKET": "strangers", "OSS_ENDPOINT": "http://oss.example.com", "OSS_PATH_STYLE": "true",
		"UPLOAD_ROLE_ARN": "acs:ram::1:role/upload", "STS_ENDPOINT": "sts.example.com",
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := signing.Endpoint{Scheme: "http", Host: "oss.example.com", Style: signing.PathStyle}
	if a.Storage.Public != want || a.Storage.Bucket != "strangers" || a.Role.ARN != "acs:ram::1:role/upload" || a.Role.STSEndpoint != "sts.example.com" {
		t.Errorf("LoadAccount = %+v", a)
	}
	if len(a.Warnings) != 1 || !strings.Contains(a.Warnings[0], "plain http") {
		t.Errorf("Warnings = %q, want one of plain http", a.Warnings)
	}
	if _, err := settings.LoadAccount(lookup(map[string]string{"UPLOAD_ROLE_ARN": "upload"})); err == nil ||
		!strings.Contains(err.Error(), "OSS_REGION") || !strings.Contains(err.Error(), "UPLOAD_ROLE_ARN") {
		t.Errorf("LoadAccount without a region and with half a role = %v, want both named", err)
	}
}

func TestLoadBucket(t *testing.T) {
	b, err := settings.LoadBucket(lookup(map[string]string{
		"OSS_REGION": "eu-central-1", "OSS_BUCKET": "photos", "CORS_ORIGINS": "https://app.example.com, https://b.example.com",
	}))
	if err != nil || b.Storage.Bucket != "photos" || b.Prefix != "uploads/" || strings.Join(b.Origins, " ") != "https://app.example.com https://b.example.com" {
		t.Errorf("LoadBucket = %+v, %v", b, err)
	}
	_, err = settings.LoadBucket(lookup(map[string]string{"OSS_REGION": "eu-central-1", "UPLOAD_PREFIX": "up", "CORS_ORIGINS": "app"}))
	for _, name := range []string{"OSS_BUCKET", "UPLOAD_PREFIX", "CORS_ORIGINS"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("LoadBucket = %v, want %s named", err, name)
		}
	}
}
