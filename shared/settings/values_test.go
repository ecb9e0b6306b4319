package settings_test

import (
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"ossupload/shared/settings"
	"ossupload/shared/uploadtoken"
)

func TestCallerDefaults(t *testing.T) {
	p, err := settings.LoadPresign(lookup(environment()))
	if err != nil {
		t.Fatal(err)
	}
	if c := p.Caller.JWT; c.Audience != "ossupload" || c.Issuer != "" || c.TokenHeader != "" {
		t.Errorf("Audience %q, Issuer %q, TokenHeader %q, want ossupload alone", c.Audience, c.Issuer, c.TokenHeader)
	}
	env := environment()
	maps.Copy(env, map[string]string{"AUTH_AUDIENCE": "uploads", "AUTH_ISSUER": "me", "AUTH_TOKEN_HEADER": "X-App-Token"})
	c, err := settings.LoadComplete(lookup(env))
	if err != nil {
		t.Fatal(err)
	}
	if c := c.Caller.JWT; c.Audience != "uploads" || c.Issuer != "me" || c.TokenHeader != "X-App-Token" {
		t.Errorf("Audience %q, Issuer %q, TokenHeader %q, want those that were set", c.Audience, c.Issuer, c.TokenHeader)
	}
	env["AUTH_JWT_SECRET"], env["AUTH_JWKS_URL"], env["AUTH_AUDIENCE"] = "", jwksURL, ""
	if p, err = settings.LoadPresign(lookup(env)); err != nil {
		t.Fatal(err)
	}
	if c := p.Caller.JWKS; c.Audience != "ossupload" || c.Issuer != "me" || c.TokenHeader != "X-App-Token" || c.URL != jwksURL {
		t.Errorf("JWKS = %+v, want the default audience and what was set", c)
	}
}

func TestPlaces(t *testing.T) {
	env := environment()
	env["FORMER_PLACES"] = "oldbucket/uploads/, examplebucket/a/b/"
	former := []uploadtoken.Place{{Bucket: "oldbucket", Prefix: "uploads/"}, {Bucket: "examplebucket", Prefix: "a/b/"}}
	for prefix, want := range map[string]string{"": "uploads/", "team/x/": "team/x/"} {
		env["UPLOAD_PREFIX"] = prefix
		own := uploadtoken.Place{Bucket: "examplebucket", Prefix: want}
		p, err := settings.LoadPresign(lookup(env))
		if err != nil || p.Place != own || p.Policy.Prefix != want || !reflect.DeepEqual(p.Former, former) {
			t.Errorf("LoadPresign = %+v, %+v, %v, want %+v and %+v", p.Place, p.Former, err, own, former)
		}
		c, err := settings.LoadComplete(lookup(env))
		if err != nil || c.Place != own || c.Policy.Prefix != want || !reflect.DeepEqual(c.Former, former) {
			t.Errorf("LoadComplete = %+v, %+v, %v, want %+v and %+v", c.Place, c.Former, err, own, former)
		}
		b, err := settings.LoadCallback(lookup(env))
		if err != nil || b.Place != own || !reflect.DeepEqual(b.Former, former) {
			t.Errorf("LoadCallback = %+v, %+v, %v, want %+v and %+v", b.Place, b.Former, err, own, former)
		}
	}
	env["UPLOAD_PREFIX"] = "/uploads/"
	if _, err := settings.LoadCallback(lookup(env)); err == nil || !strings.Contains(err.Error(), "UPLOAD_PREFIX:") {
		t.Errorf("LoadCallback with a prefix that is none = %v, want a fault", err)
	}
}

func TestLimits(t *testing.T) {
	env := environment()
	p, err := settings.LoadPresign(lookup(env))
	if err != nil || p.Policy.URLUnsized {
		t.Errorf("LoadPresign = unsized %v, %v, want false", p.Policy.URLUnsized, err)
	}
	c, err := settings.LoadComplete(lookup(env))
	if err != nil || c.Policy.MaxOpen != 0 {
		t.Errorf("LoadComplete = %d open uploads, %v, want any number", c.Policy.MaxOpen, err)
	}
	env["UPLOAD_MAX_OPEN"] = "0"
	if c, err = settings.LoadComplete(lookup(env)); err != nil || c.Policy.MaxOpen != 0 {
		t.Errorf("LoadComplete = %d open uploads, %v, want any number", c.Policy.MaxOpen, err)
	}
	maps.Copy(env, map[string]string{"UPLOAD_URL_UNSIZED": "true", "UPLOAD_MAX_OPEN": "1000000", "UPLOAD_TOKEN_TTL": "604800"})
	if p, err = settings.LoadPresign(lookup(env)); err != nil || !p.Policy.URLUnsized || p.Policy.TokenTTL != 168*time.Hour {
		t.Errorf("LoadPresign = unsized %v, %v, %v, want what was set", p.Policy.URLUnsized, p.Policy.TokenTTL, err)
	}
	if c, err = settings.LoadComplete(lookup(env)); err != nil || c.Policy.MaxOpen != 1_000_000 {
		t.Errorf("LoadComplete = %d open uploads, %v, want 1000000", c.Policy.MaxOpen, err)
	}
}

func TestNotification(t *testing.T) {
	for _, c := range []struct {
		name string
		set  map[string]string
		want settings.Webhook
	}{
		{"defaults", nil, settings.Webhook{Events: []string{"upload.completed"}, RetryFor: 72 * time.Hour}},
		{"without a webhook", map[string]string{"WEBHOOK_URL": "", "LOG_EVENTS": "true"},
			settings.Webhook{Events: []string{"upload.completed"}, RetryFor: 72 * time.Hour, LogEvents: true}},
		{"all of it", map[string]string{"WEBHOOK_EVENTS": "upload.stored, upload.completed,upload.refused", "WEBHOOK_RETRY_FOR": "168h"},
			settings.Webhook{Events: []string{"upload.stored", "upload.completed", "upload.refused"}, RetryFor: 168 * time.Hour}},
		{"an hour", map[string]string{"WEBHOOK_RETRY_FOR": "3600"}, settings.Webhook{Events: []string{"upload.completed"}, RetryFor: time.Hour}},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := environment()
			maps.Copy(env, c.set)
			complete, err := settings.LoadComplete(lookup(env))
			if err != nil {
				t.Fatal(err)
			}
			callback, err := settings.LoadCallback(lookup(env))
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range []settings.Webhook{complete.Webhook, callback.Webhook} {
				got.URL, got.Secrets = "", nil
				if !reflect.DeepEqual(got, c.want) {
					t.Errorf("Webhook = %+v, want %+v", got, c.want)
				}
			}
		})
	}
}

// The events of the platform and those of uploads are never logged at once.
func TestLogEvents(t *testing.T) {
	for value, want := range map[string]struct{ whole, redacted bool }{
		"": {}, "false": {}, "0": {}, "true": {whole: true}, "redacted": {redacted: true},
	} {
		env := environment()
		env["LOG_EVENTS"] = value
		p, errP := settings.LoadPresign(lookup(env))
		c, errC := settings.LoadCallback(lookup(env))
		m, errM := settings.LoadComplete(lookup(env))
		if err := errors.Join(errP, errC, errM); err != nil {
			t.Fatal(err)
		}
		if p.RecordEvents != want.redacted || c.RecordEvents != want.redacted || m.RecordEvents != want.redacted ||
			c.Webhook.LogEvents != want.whole || m.Webhook.LogEvents != want.whole {
			t.Errorf("LOG_EVENTS=%s records in presign %v, callback %v, complete %v, and logs %v, %v, want %+v", value,
				p.RecordEvents, c.RecordEvents, m.RecordEvents, c.Webhook.LogEvents, m.Webhook.LogEvents, want)
		}
	}
	for _, value := range []string{"Redacted", "redacted,true", "all", "yes"} {
		env := environment()
		env["LOG_EVENTS"] = value
		_, errP := settings.LoadPresign(lookup(env))
		_, errM := settings.LoadComplete(lookup(env))
		for _, err := range []error{errP, errM} {
			if err == nil || strings.Count(err.Error(), "LOG_EVENTS:") != 1 {
				t.Errorf("LOG_EVENTS=%s: %v, want one fault", value, err)
			}
		}
	}
}

// Each row is one line of warning, or none.
func TestWarningsOfAddresses(t *testing.T) {
	for _, c := range []struct {
		name string
		set  map[string]string
		want string
	}{
		{"of the region", map[string]string{"OSS_ENDPOINT": "oss-ap-southeast-1.aliyuncs.com", "OSS_INTERNAL_ENDPOINT": "oss-ap-southeast-1-internal.aliyuncs.com"}, ""},
		{"dual-stack of the region", map[string]string{"OSS_ENDPOINT": "ap-southeast-1.oss.aliyuncs.com"}, ""},
		{"acceleration", map[string]string{"OSS_ENDPOINT": "oss-accelerate.aliyuncs.com"}, ""},
		{"acceleration overseas", map[string]string{"OSS_DOWNLOAD_ENDPOINT": "oss-accelerate-overseas.aliyuncs.com"}, ""},
		{"of a group of regions", map[string]string{"OSS_ENDPOINT": "oss-rg-china-mainland.aliyuncs.com"}, ""},
		{"a domain of the bucket", map[string]string{"OSS_ENDPOINT": "examplebucket.example.com", "OSS_CNAME": "true"}, ""},
		{"OSS's own domain as one of the bucket", map[string]string{"OSS_ENDPOINT": "examplebucket.oss-ap-southeast-1.aliyuncs.com", "OSS_CNAME": "true"}, ""},
		{"a bucket that begins alike", map[string]string{"OSS_ENDPOINT": "examplebucket2.example.com"}, ""},
		{"a local stack", map[string]string{"OSS_ENDPOINT": "http://127.0.0.1:8581", "CALLBACK_URL": "http://127.0.0.1:8580/callback"}, ""},
		{"a local stack by name", map[string]string{"OSS_ENDPOINT": "http://[::1]:8581", "CALLBACK_URL": "http://localhost:8580/callback"}, ""},

		{"holds the bucket", map[string]string{"OSS_ENDPOINT": "examplebucket.oss-ap-southeast-1.aliyuncs.com"}, "OSS_ENDPOINT holds the bucket"},
		{"holds the bucket, in capitals", map[string]string{"OSS_ENDPOINT": "ExampleBucket.OSS-ap-southeast-1.aliyuncs.com"}, "OSS_ENDPOINT holds the bucket"},
		{"internal one holds the bucket", map[string]string{"OSS_INTERNAL_ENDPOINT": "examplebucket.oss-ap-southeast-1-internal.aliyuncs.com"}, "OSS_INTERNAL_ENDPOINT holds the bucket"},
		{"another region", map[string]string{"OSS_ENDPOINT": "oss-cn-hangzhou.aliyuncs.com"}, "OSS_ENDPOINT is of the region cn-hangzhou, and OSS_REGION is ap-southeast-1"},
		{"dual-stack of another region", map[string]string{"OSS_ENDPOINT": "cn-hangzhou.oss.aliyuncs.com"}, "OSS_ENDPOINT is of the region cn-hangzhou"},
		{"internal one of another region", map[string]string{"OSS_INTERNAL_ENDPOINT": "oss-cn-hangzhou-internal.aliyuncs.com"}, "OSS_INTERNAL_ENDPOINT is of the region cn-hangzhou"},
		{"downloads of another region", map[string]string{"OSS_DOWNLOAD_ENDPOINT": "oss-cn-hangzhou.aliyuncs.com"}, "OSS_DOWNLOAD_ENDPOINT is of the region cn-hangzhou"},
		{"internal for clients", map[string]string{"OSS_ENDPOINT": "oss-ap-southeast-1-internal.aliyuncs.com"}, "OSS_ENDPOINT is an internal endpoint"},
		{"internal for downloads", map[string]string{"OSS_DOWNLOAD_ENDPOINT": "oss-ap-southeast-1-internal.aliyuncs.com"}, "OSS_DOWNLOAD_ENDPOINT is an internal endpoint"},
		{"plain http", map[string]string{"OSS_ENDPOINT": "http://oss-ap-southeast-1.aliyuncs.com"}, "OSS_ENDPOINT is plain http"},
		{"plain http inside", map[string]string{"OSS_INTERNAL_ENDPOINT": "http://oss-ap-southeast-1-internal.aliyuncs.com"}, "OSS_INTERNAL_ENDPOINT is plain http"},

		{"callback over http", map[string]string{"CALLBACK_URL": "http://api.example.com/callback"}, "CALLBACK_URL is plain http"},
		{"callback to a public address", map[string]string{"CALLBACK_URL": "https://8.8.8.8/callback"}, ""},
		{"callback to fcapp.run", map[string]string{"CALLBACK_URL": "https://callback-x.ap-southeast-1.fcapp.run/callback"}, ""},
		{"callback to this machine", map[string]string{"CALLBACK_URL": "https://127.0.0.1/callback"}, "CALLBACK_URL is private"},
		{"callback to localhost", map[string]string{"CALLBACK_URL": "https://localhost:8443/callback"}, "CALLBACK_URL is private"},
		{"callback to 10/8", map[string]string{"CALLBACK_URL": "https://10.0.0.1/callback"}, "CALLBACK_URL is private"},
		{"callback to 192.168/16", map[string]string{"CALLBACK_URL": "https://192.168.1.1/callback"}, "CALLBACK_URL is private"},
		{"callback to 100.64/10", map[string]string{"CALLBACK_URL": "https://100.100.1.1/callback"}, "CALLBACK_URL is private"},
		{"callback to a link-local address", map[string]string{"CALLBACK_URL": "https://169.254.1.1/callback"}, "CALLBACK_URL is private"},
		{"callback to no address", map[string]string{"CALLBACK_URL": "https://0.0.0.0/callback"}, "CALLBACK_URL is private"},
		{"callback beyond 100.64/10", map[string]string{"CALLBACK_URL": "https://100.128.1.1/callback"}, ""},
		{"callback to .local", map[string]string{"CALLBACK_URL": "https://api.local/"}, "CALLBACK_URL is private"},
		{"callback to .localhost", map[string]string{"CALLBACK_URL": "https://api.localhost/"}, "CALLBACK_URL is private"},
		{"callback to .lan", map[string]string{"CALLBACK_URL": "https://api.lan/"}, "CALLBACK_URL is private"},
		{"callback to .home.arpa", map[string]string{"CALLBACK_URL": "https://api.home.arpa/"}, "CALLBACK_URL is private"},
		{"callback to a name that only ends alike", map[string]string{"CALLBACK_URL": "https://api.mylan.example.com/"}, ""},
		{"callback to an intranet of Alibaba Cloud", map[string]string{"CALLBACK_URL": "https://callback.cn-hangzhou-intranet.fcapp.run/"}, "CALLBACK_URL is private"},
		{"callback to an internal name of Alibaba Cloud", map[string]string{"CALLBACK_URL": "https://1.cn-hangzhou-internal.fc.aliyuncs.com/"}, "CALLBACK_URL is private"},
		{"callback to such a name of another owner", map[string]string{"CALLBACK_URL": "https://callback.cn-hangzhou-vpc.example.com/"}, ""},
		{"callback to a bare name", map[string]string{"CALLBACK_URL": "https://callback/"}, "CALLBACK_URL is private"},
		{"callback to a name inside", map[string]string{"CALLBACK_URL": "https://api.corp.internal/"}, "CALLBACK_URL is private"},
		{"callback inside a VPC", map[string]string{"CALLBACK_URL": "https://callback-x.ap-southeast-1-vpc.fcapp.run/"}, "CALLBACK_URL is private"},
		{"callback to a gateway inside a VPC", map[string]string{"CALLBACK_URL": "https://x-ap-southeast-1-vpc.alicloudapi.com/"}, "CALLBACK_URL is private"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := environment()
			maps.Copy(env, c.set)
			p, err := settings.LoadPresign(lookup(env))
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(p.Warnings, "\n")
			if (c.want == "") != (got == "") || !strings.HasPrefix(got, c.want) || strings.Contains(got, "\n") {
				t.Errorf("Warnings = %q, want %q", got, c.want)
			}
			if strings.HasPrefix(c.name, "callback") {
				b, err := settings.LoadCallback(lookup(env))
				if err != nil || strings.Join(b.Warnings, "\n") != got {
					t.Errorf("LoadCallback = %q, %v, want %q", b.Warnings, err, got)
				}
			}
		})
	}
}
