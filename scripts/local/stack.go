package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stack/hook"
	"ossupload/scripts/internal/stack/oss"
	"ossupload/scripts/internal/stack/ram"
	"ossupload/scripts/internal/stack/sts"
)

// options say how a stack is to be.
type options struct {
	addr, ossAddr, stsAddr string            // host:port; port 0 chooses one
	dataDir                string            // empty: a temporary one, removed by Close
	trigger                fc.Trigger        // empty: the API gateway
	webhook                string            // backend to which events go as well, or empty
	overrides              map[string]string // settings of the functions
	binaries               string            // folder of built functions; empty builds them
	log                    io.Writer         // JSON lines of the stack and of the functions; nil discards
}

// ready is what a client needs to know, printed when all of it answers.
type ready struct {
	Gateway         string `json:"gateway"`
	OSS             string `json:"oss"`
	STS             string `json:"sts"`
	Bucket          string `json:"bucket"`
	Region          string `json:"region"`
	AccessKeyID     string `json:"accessKeyId"`
	AccessKeySecret string `json:"accessKeySecret"`
	CallerToken     string `json:"callerToken"`
	STSCAFile       string `json:"stsCAFile"`
}

// stack is a running local stack.
type stack struct {
	ready     ready
	settings  environment // of the functions
	functions map[string]*fc.Function
	accounts  *ram.Store
	faults    *fault.Registry
	hook      *hook.Hook
	log       *slog.Logger

	stops []func() error // in the order of starting
}

// start runs a stack and returns when all of it answers; ctx bounds the start
// alone. Nothing is left behind when it fails.
func start(ctx context.Context, o options) (_ *stack, err error) {
	if o.log == nil {
		o.log = io.Discard
	}
	if o.trigger == "" {
		o.trigger = fc.TriggerAPIGateway
	}
	logged := &lockedWriter{w: o.log}
	s := &stack{
		functions: map[string]*fc.Function{},
		accounts:  ram.NewStore(),
		faults:    &fault.Registry{},
		log:       slog.New(slog.NewJSONHandler(logged, nil)),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()

	temporary, err := os.MkdirTemp("", "ossupload-local-")
	if err != nil {
		return nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	s.onClose(func() error { return os.RemoveAll(temporary) })
	data, err := openDataDir(o.dataDir, temporary)
	if err != nil {
		return nil, err
	}

	// All ports come first: the settings of the functions name them.
	var listeners [3]net.Listener
	for i, l := range []struct{ flag, address string }{{"addr", o.addr}, {"oss-addr", o.ossAddr}, {"sts-addr", o.stsAddr}} {
		if listeners[i], err = listen(l.flag, l.address); err != nil {
			return nil, err
		}
		s.onClose(closer(listeners[i]))
	}
	gatewayAt, ossAt, stsAt := listeners[0], listeners[1], listeners[2]
	at := addresses{
		gateway: "http://" + gatewayAt.Addr().String(),
		oss:     "http://" + ossAt.Addr().String(),
		sts:     "https://" + stsAt.Addr().String(),
	}

	binaries := o.binaries
	if binaries == "" {
		s.log.Info("building the functions")
		binaries = filepath.Join(temporary, "bin")
		if err := buildFunctions(ctx, binaries); err != nil {
			return nil, err
		}
	}

	id, callbackKey, err := loadIdentity(data)
	if err != nil {
		return nil, err
	}
	caFile := filepath.Join(data, "sts-ca.pem")
	s.settings = defaultEnvironment(at, id, caFile).override(o.overrides)
	if s.settings.get("UPLOAD_ROLE_ARN") == "" {
		// Without the role there are no credentials to hand out.
		s.settings = s.settings.override(map[string]string{"STS_ENABLED": ""})
	}
	s.ready = ready{
		Gateway: at.gateway, OSS: at.oss, STS: at.sts,
		Bucket: s.settings.get("OSS_BUCKET"), Region: s.settings.get("OSS_REGION"),
		AccessKeyID: id.AccessKeyID, AccessKeySecret: id.AccessKeySecret,
		STSCAFile: caFile,
	}
	if s.ready.CallerToken, err = s.settings.callerToken(time.Now()); err != nil {
		return nil, err
	}
	s.accounts.Add(ram.Credential{AccessKeyID: id.AccessKeyID, AccessKeySecret: id.AccessKeySecret})

	if err := s.startOSS(ossAt, filepath.Join(data, "oss"), callbackKey); err != nil {
		return nil, err
	}
	if err := s.startSTS(stsAt, caFile); err != nil {
		return nil, err
	}

	if s.hook, err = hook.New(hook.Config{
		Secrets: s.settings.list("WEBHOOK_SECRETS"),
		Forward: o.webhook,
		Fault:   s.faults.Take,
		Log:     s.log,
	}); err != nil {
		return nil, err
	}
	if err := s.startFunctions(ctx, binaries, logged); err != nil {
		return nil, err
	}
	s.serve(gatewayAt, s.routes(o.trigger))
	return s, nil
}

// Close stops everything in the reverse order of its start and returns when
// nothing is left of it. It may be called again.
func (s *stack) Close() error {
	var errs []error
	for _, stop := range slices.Backward(s.stops) {
		errs = append(errs, stop())
	}
	s.stops = nil
	return errors.Join(errs...)
}

func (s *stack) onClose(stop func() error) { s.stops = append(s.stops, stop) }

func (s *stack) serve(l net.Listener, handler http.Handler) {
	s.onClose(serve(l, handler, s.log))
}

// closer closes a listener that a server may have closed before.
func closer(l net.Listener) func() error {
	return func() error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}

// openDataDir returns the absolute path of a folder for objects and secrets,
// which only its owner may read: given, or below temporary.
func openDataDir(given, temporary string) (string, error) {
	dir := filepath.Join(temporary, "data")
	if given != "" {
		var err error
		if dir, err = filepath.Abs(given); err != nil {
			return "", fmt.Errorf("opening the data folder: %w", err)
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("opening the data folder: %w", err)
	}
	return dir, nil
}

// startOSS serves OSS with the one bucket that the settings name.
func (s *stack) startOSS(l net.Listener, dir string, callbackKey *rsa.PrivateKey) error {
	server, err := oss.New(oss.Config{
		Region:         s.ready.Region,
		Dir:            dir,
		Now:            time.Now,
		Lookup:         s.account,
		CallbackKey:    callbackKey,
		CallbackKeyURL: s.ready.OSS + keyPath,
		Fault:          s.faults.Take,
		Log:            s.log,
	})
	if err != nil {
		return err
	}
	if err := server.CreateBucket(s.ready.Bucket); err != nil {
		return err
	}
	s.serve(l, server)
	return nil
}

// account is how the OSS stand-in asks for credentials.
func (s *stack) account(accessKeyID string) (oss.Account, bool) {
	c, ok := s.accounts.Lookup(accessKeyID)
	return oss.Account{
		AccessKeyID:     c.AccessKeyID,
		AccessKeySecret: c.AccessKeySecret,
		SecurityToken:   c.SecurityToken,
		Expires:         c.Expires,
		Allows:          c.Allows,
	}, ok
}

// bucket is the resource name of the bucket itself, on which lists are allowed.
func (s *stack) bucket() string { return "acs:oss:*:*:" + s.ready.Bucket }

// objects is the resource name of all that the functions may touch.
func (s *stack) objects() string {
	return s.bucket() + "/" + s.settings.get("UPLOAD_PREFIX") + "*"
}

// startSTS serves STS with the one role that the functions' role may assume,
// if the settings have one, and writes the certificate that its clients trust.
func (s *stack) startSTS(l net.Listener, caFile string) error {
	certificate, ca, err := sts.Certificate(time.Now(), rand.Reader)
	if err != nil {
		return err
	}
	if err := os.WriteFile(caFile, ca, 0o600); err != nil {
		return fmt.Errorf("keeping the certificate of STS: %w", err)
	}
	var roles []ram.Role
	if arn := s.settings.get("UPLOAD_ROLE_ARN"); arn != "" {
		uploads, err := policy(allow(s.objects(),
			"oss:PutObject", "oss:PutObjectTagging", "oss:GetObject", "oss:GetObjectVersion", "oss:AbortMultipartUpload", "oss:ListParts"))
		if err != nil {
			return err
		}
		roles = append(roles, ram.Role{
			ARN:       arn,
			Policy:    uploads,
			TrustedBy: func(c ram.Credential) bool { return c.Role == functionRole },
		})
	}
	server := sts.New(sts.Config{Store: s.accounts, Roles: roles, Fault: s.faults.Take, Log: s.log})
	s.serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}), server)
	return nil
}

// timeouts of the functions, as s.yaml deploys them.
var timeouts = map[string]time.Duration{
	"presign":  30 * time.Second,
	"callback": 4 * time.Second,
	"complete": 60 * time.Second,
}

func (s *stack) startFunctions(ctx context.Context, binaries string, logged io.Writer) error {
	statements := []statement{
		allow(s.objects(),
			"oss:PutObject", "oss:PutObjectTagging", "oss:GetObject", "oss:ListParts", "oss:AbortMultipartUpload", "oss:DeleteObject"),
		allow(s.bucket(), "oss:ListObjects", "oss:ListMultipartUploads"),
	}
	if arn := s.settings.get("UPLOAD_ROLE_ARN"); arn != "" {
		statements = append(statements, allow(arn, "sts:AssumeRole"))
	}
	own, err := policy(statements...)
	if err != nil {
		return err
	}
	role := &roleSession{store: s.accounts, policy: own, now: time.Now}
	for _, name := range functionNames {
		output := functionOutput{to: logged, log: s.log.With("function", name)}
		f, err := fc.Start(ctx, fc.FunctionConfig{
			Name:        name,
			Binary:      binary(binaries, name),
			Env:         s.settings.variables(),
			Credentials: role.credentials,
			Timeout:     timeouts[name],
			Region:      s.ready.Region,
			AccountID:   accountID,
			Stdout:      output,
			Stderr:      output,
		})
		if err != nil {
			return err
		}
		s.functions[name] = f
		s.onClose(f.Stop)
	}
	return nil
}
