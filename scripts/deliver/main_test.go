package main

import (
	"bytes"
	"errors"
	"flag"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/cmdline"
	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

func TestParse(t *testing.T) {
	tests := []struct {
		args string
		want command
		err  error
	}{
		{"", command{verb: "list", max: defaultMax}, nil},
		{"list", command{verb: "list", max: defaultMax, names: []string{}}, nil},
		{"-max 5", command{verb: "list", max: 5}, nil},
		{"list -max 5", command{verb: "list", max: 5, names: []string{}}, nil},
		{"show evt_1", command{verb: "show", max: defaultMax, names: []string{"evt_1"}}, nil},
		{"revive evt_1 evt_2", command{verb: "revive", max: defaultMax, names: []string{"evt_1", "evt_2"}}, nil},
		{"revive -all", command{verb: "revive", max: defaultMax, all: true, names: []string{}}, nil},
		{"test", command{verb: "test", max: defaultMax, names: []string{}}, nil},
		{"-h", command{}, flag.ErrHelp},
		{"list -h", command{}, flag.ErrHelp},
		{"-max 0", command{}, errUsage},
		{"-no-such-flag", command{}, errUsage},
		{"list evt_1", command{}, errUsage},
		{"list -all", command{}, errUsage},
		{"show", command{}, errUsage},
		{"show evt_1 evt_2", command{}, errUsage},
		{"revive", command{}, errUsage},
		{"revive -all evt_1", command{}, errUsage},
		{"test evt_1", command{}, errUsage},
		{"delete evt_1", command{}, errUsage},
	}
	for _, tt := range tests {
		got, err := parse(strings.Fields(tt.args))
		if !errors.Is(err, tt.err) || err == nil && !reflect.DeepEqual(got, tt.want) {
			t.Errorf("parse(%s) = %+v, %v, want %+v, %v", tt.args, got, err, tt.want, tt.err)
		}
		var said bytes.Buffer
		if errors.Is(tt.err, flag.ErrHelp) && (!cmdline.Answered(err, &said) || !strings.Contains(said.String(), "revive NAME")) {
			t.Errorf("parse(%s) said %q, want the usage", tt.args, &said)
		}
	}
}

// deployed is an environment of functions/complete without a webhook.
func deployed(name string) (string, bool) {
	value, ok := map[string]string{
		"OSS_REGION": "cn-shanghai", "OSS_BUCKET": "photos", "UPLOAD_MAX_SIZE": "1000", "UPLOAD_CONTENT_TYPES": "image/*",
		"UPLOAD_TOKEN_SECRETS": "k1:Zm9yIHRva2VucyBvZiB0aGlzIHRlc3Qgb25seSwgMzJi", "CALLBACK_URL": "https://api.example.com/callback",
		"AUTH_MODE": "jwt", "AUTH_JWT_SECRET": "for the callers of this test only: 0123456789",
	}[name]
	return value, ok
}

func TestRunRefuses(t *testing.T) {
	nothing := func(string) (string, bool) { return "", false }
	tests := []struct {
		name   string
		args   []string
		lookup func(string) (string, bool)
		say    string
	}{
		{"without settings", nil, nothing, "OSS_BUCKET: is required"},
		{"a test without a webhook", []string{"test"}, deployed, "WEBHOOK_URL is not set"},
		{"a wrong command line", []string{"send"}, deployed, `"send"`},
	}
	for _, tt := range tests {
		var stdout, stderr bytes.Buffer
		err := run(t.Context(), tt.args, tt.lookup, &stdout, &stderr)
		if !errors.Is(err, errUsage) || !strings.Contains(err.Error(), tt.say) || stdout.Len() > 0 {
			t.Errorf("%s: run() = %v and %q, want %v with %q", tt.name, err, &stdout, errUsage, tt.say)
		}
	}
}

// What the receiver does not take waits, is shown here, and is tried by hand.
func TestRunOnAStack(t *testing.T) {
	s := stacktest.Start(t, stack.Options{NoTrigger: true})
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", s.Ready.AccessKeyID)
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", s.Ready.AccessKeySecret)
	lookup := func(name string) (string, bool) { v := s.Settings.Get(name); return v, v != "" }
	if err := s.Faults.Set(fault.Fault{Target: "webhook", Operation: "*", Mode: "500", Count: 10}); err != nil {
		t.Fatal(err)
	}
	caller := client.Client{Endpoint: s.Ready.Gateway, Token: s.Ready.CallerToken, HTTP: http.DefaultClient}
	receipt, err := caller.Put(t.Context(), client.PresignRequest{Filename: "a.txt"}, client.Bytes([]byte("hello")))
	if err != nil || receipt.Delivered {
		t.Fatalf("uploading = %+v, %v, want a receipt that is not delivered", receipt, err)
	}
	for args, want := range map[string]string{
		"list":                    receipt.EventID + "  upload.completed  0",
		"show " + receipt.EventID: `"key":"` + receipt.Key + `"`,
	} {
		var stdout bytes.Buffer
		if err := run(t.Context(), strings.Fields(args), lookup, &stdout, t.Output()); err != nil || !strings.Contains(stdout.String(), want) {
			t.Errorf("deliver %s printed\n%s%v, want %q", args, &stdout, err, want)
		}
	}
	if err := run(t.Context(), []string{"test"}, lookup, t.Output(), t.Output()); !errors.Is(err, errNotTaken) {
		t.Errorf("deliver test to a receiver that fails = %v, want %v", err, errNotTaken)
	}
	s.Faults.Clear()
	var stdout bytes.Buffer
	if err := run(t.Context(), []string{"test"}, lookup, &stdout, t.Output()); err != nil || !strings.Contains(stdout.String(), "answered 2") {
		t.Errorf("deliver test printed\n%s%v, want that it was taken", &stdout, err)
	}
}
