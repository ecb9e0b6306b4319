// Package stack runs the whole of ossupload on one machine: the functions as
// processes over the runtime API of Function Compute, complete a second time as
// repair, and stand-ins for what surrounds them, which are servers in this
// process.
//
//	fc     Function Compute: the runtime API, gateways of both event shapes, the asynchronous queue
//	oss    OSS, with callbacks and a trigger
//	sts    STS: AssumeRole
//	ram    the access control that OSS and STS share
//	hook   the application's webhook
//	fault  makes their calls fail on demand
//
// All of it listens on 127.0.0.1 only. Below /_local/ the gateway serves the
// stack's own page, events, faults and timer.
package stack

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

	"ossupload/scripts/internal/facts"
	"ossupload/scripts/internal/stack/fault"
	"ossupload/scripts/internal/stack/fc"
	"ossupload/scripts/internal/stack/hook"
	"ossupload/scripts/internal/stack/oss"
	"ossupload/scripts/internal/stack/ram"
	"ossupload/scripts/internal/stack/sts"
)

// Options say what stack to run. The zero value is one on free ports that keeps
// nothing.
type Options struct {
	// Addr, OSSAddr and STSAddr are where the gateway, OSS and STS listen, as
	// host:port of this machine. Port 0 chooses a free one, and so does "".
	Addr, OSSAddr, STSAddr string

	// DataDir keeps objects and secrets. If empty, a temporary folder does, which
	// Close removes.
	DataDir string

	// Trigger is the kind of gateway in front of the functions; the API gateway if
	// empty.
	Trigger fc.Trigger

	// Webhook is the URL of a backend to which events are delivered as well, or
	// empty.
	Webhook string

	// Settings override environment variables of the functions.
	Settings map[string]string

	// Binaries is a folder into which [Build] has built the functions. If empty,
	// Start builds them.
	Binaries string

	// UppyDir is a folder with a uppy.js for the page, or empty: the page then
	// uploads without Uppy.
	UppyDir string

	// Instances is how many processes each function has; zero means one.
	Instances int

	// Versioning is the state of the bucket; empty leaves it as it is, which in a new
	// one is without versions.
	Versioning oss.Versioning

	// PlainHTTP has OSS's policies see calls over plain http as such, so that the
	// upload role refuses them; else they count as secure.
	PlainHTTP bool

	// RefusePrivateCallbacks has OSS refuse uploads whose callback goes to a private
	// address, as the real one does. The functions are at one, unless the settings
	// have another PUBLIC_URL.
	RefusePrivateCallbacks bool

	// NoTrigger leaves OSS's trigger out: what neither callback nor client
	// announces is then left to the sweep. Tests want that who count calls, or
	// make the next ones fail.
	NoTrigger bool

	// Assume are the values of what is unknown about the cloud.
	Assume facts.Assumptions

	// TriggerTwice has every event of the trigger delivered twice.
	TriggerTwice bool

	// RetryTrigger are the pauses before further tries of a trigger's event that
	// failed; [fc.Pauses] if nil.
	RetryTrigger []time.Duration

	// DeliverEvery is how often repair's timer fires by itself, and delivers what
	// waits in the outbox; zero means never.
	DeliverEvery time.Duration

	// NewCallbackKey is the key with which OSS signs callbacks, where DataDir keeps
	// none; nil makes one. All of OSS has one key, and so may all stacks of a test.
	NewCallbackKey *rsa.PrivateKey

	// Around, if not nil, is given what answers at the gateway's address, and
	// answers instead.
	Around func(http.Handler) http.Handler

	// Log takes the log of the stack and of the functions, as lines of JSON. nil
	// discards it.
	Log io.Writer
}

// Ready is what a client needs to know of a running stack: the ready line of
// scripts/local. All addresses are URLs.
type Ready struct {
	Gateway         string `json:"gateway"`
	OSS             string `json:"oss"`
	STS             string `json:"sts"`
	Bucket          string `json:"bucket"`
	Region          string `json:"region"`
	AccessKeyID     string `json:"accessKeyId"` // the developer's own, allowed everything
	AccessKeySecret string `json:"accessKeySecret"`
	CallerToken     string `json:"callerToken"`           // empty if no secret is known to sign one with
	TokenHeader     string `json:"tokenHeader,omitempty"` // of the caller's token; Authorization if empty
	STSCAFile       string `json:"stsCAFile"`             // certificates in PEM
}

// Stack is a running local stack. Its fields are set by [Start] and not to be
// assigned.
type Stack struct {
	Ready       Ready
	Settings    Settings                // of the functions
	Identity    Identity                // its secrets
	CallbackKey *rsa.PrivateKey         // by which OSS signs its callbacks
	Functions   map[string]*fc.Function // the first instances, by the names of [FunctionNames] and [Repair]
	Triggered   *fc.Async               // the events of OSS's trigger on their way to repair; nil without
	Accounts    *ram.Store              // who may do what in OSS and STS
	Faults      *fault.Registry         // calls that are made to fail
	Hook        *hook.Hook              // the receiver of events
	Log         io.Writer               // takes whole lines for Options.Log, between those of the stack

	instances map[string][]*fc.Function // by function
	groups    map[string]*fc.Group      // of them

	uppyDir string
	log     *slog.Logger
	stops   []func() error // in the order of starting
}

// Start runs a stack and returns when all of it answers; ctx bounds the start
// alone. Nothing is left behind when it fails.
func Start(ctx context.Context, o Options) (_ *Stack, err error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Trigger == "" {
		o.Trigger = fc.TriggerAPIGateway
	}
	logged := &lockedWriter{w: o.Log}
	s := &Stack{
		Log:       logged,
		Functions: map[string]*fc.Function{},
		instances: map[string][]*fc.Function{},
		groups:    map[string]*fc.Group{},
		Accounts:  ram.NewStore(),
		Faults:    &fault.Registry{},
		uppyDir:   o.UppyDir,
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
	data, err := openDataDir(o.DataDir, temporary)
	if err != nil {
		return nil, err
	}

	// All ports come first: the settings of the functions name them.
	l, err := s.listen(o)
	if err != nil {
		return nil, err
	}
	binaries, err := s.binaries(ctx, o.Binaries, temporary)
	if err != nil {
		return nil, err
	}
	if err := s.configure(l, data, o); err != nil {
		return nil, err
	}

	objects, err := s.startOSS(l.oss, filepath.Join(data, "oss"), o)
	if err != nil {
		return nil, err
	}
	if err := s.startSTS(l.sts, o.Assume); err != nil {
		return nil, err
	}
	if s.Hook, err = hook.New(hook.Config{
		Secrets: s.Settings.List("WEBHOOK_SECRETS"),
		Forward: o.Webhook,
		Fault:   s.Faults.Take,
		Log:     s.log,
	}); err != nil {
		return nil, err
	}
	if err := s.startFunctions(ctx, binaries, o); err != nil {
		return nil, err
	}
	if err := s.startEvents(o, objects); err != nil {
		return nil, err
	}
	gateway := s.routes(o)
	if o.Around != nil {
		gateway = o.Around(gateway)
	}
	s.serve(l.gateway, gateway)
	return s, nil
}

// Close stops everything in the reverse order of its start and returns when
// nothing is left of it. It may be called again.
func (s *Stack) Close() error {
	var errs []error
	for _, stop := range slices.Backward(s.stops) {
		errs = append(errs, stop())
	}
	s.stops = nil
	return errors.Join(errs...)
}

func (s *Stack) onClose(stop func() error) { s.stops = append(s.stops, stop) }

func (s *Stack) serve(l net.Listener, handler http.Handler) {
	s.onClose(serve(l, handler, s.log))
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

// binaries returns the folder of the built functions: given, or one below
// temporary into which it builds them.
func (s *Stack) binaries(ctx context.Context, given, temporary string) (string, error) {
	if given != "" {
		return given, nil
	}
	s.log.Info("building the functions")
	dir := filepath.Join(temporary, "bin")
	return dir, Build(ctx, dir)
}

// configure sets what a stack with these addresses and this data folder is.
func (s *Stack) configure(l listeners, data string, o Options) (err error) {
	if s.Identity, s.CallbackKey, err = loadIdentity(data, o.NewCallbackKey); err != nil {
		return err
	}
	s.Ready = Ready{
		Gateway:         "http://" + l.gateway.Addr().String(),
		OSS:             "http://" + l.oss.Addr().String(),
		STS:             "https://" + l.sts.Addr().String(),
		AccessKeyID:     s.Identity.AccessKeyID,
		AccessKeySecret: s.Identity.AccessKeySecret,
		STSCAFile:       filepath.Join(data, "sts-ca.pem"),
	}
	s.Settings = defaultSettings(s.Ready, s.Identity).Override(suited(o.Assume)).Override(o.Settings)
	if s.Settings.Get("UPLOAD_ROLE_ARN") == "" {
		// Without the role there are no credentials to hand out.
		s.Settings = s.Settings.Override(map[string]string{"STS_ENABLED": ""})
	}
	s.Ready.Bucket, s.Ready.Region = s.Settings.Get("OSS_BUCKET"), s.Settings.Get("OSS_REGION")
	s.Ready.TokenHeader = s.Settings.Get("AUTH_TOKEN_HEADER")
	s.Ready.CallerToken, err = s.Settings.callerToken(time.Now())
	s.Accounts.Add(ram.Credential{AccessKeyID: s.Identity.AccessKeyID, AccessKeySecret: s.Identity.AccessKeySecret})
	return err
}

// startOSS serves OSS with the one bucket that the settings name.
func (s *Stack) startOSS(l net.Listener, dir string, o Options) (*oss.Server, error) {
	server, err := oss.New(oss.Config{
		Region:         s.Ready.Region,
		Dir:            dir,
		Now:            time.Now,
		Lookup:         s.account,
		CallbackKey:    s.CallbackKey,
		CallbackKeyURL: s.Ready.OSS + CallbackKeyPath,
		Fault:          s.Faults.Take,
		Assume:         o.Assume,
		PlainHTTP:      o.PlainHTTP,
		Log:            s.log,

		RefusePrivateCallbacks: o.RefusePrivateCallbacks,
	})
	if err != nil {
		return nil, err
	}
	if err := server.CreateBucket(s.Ready.Bucket); err != nil {
		return nil, err
	}
	if o.Versioning != "" {
		if err := server.SetVersioning(s.Ready.Bucket, o.Versioning); err != nil {
			return nil, err
		}
	}
	s.serve(l, server)
	return server, nil
}

// account is how the OSS stand-in asks for credentials.
func (s *Stack) account(accessKeyID string) (oss.Account, bool) {
	c, ok := s.Accounts.Lookup(accessKeyID)
	return oss.Account{
		AccessKeyID:     c.AccessKeyID,
		AccessKeySecret: c.AccessKeySecret,
		SecurityToken:   c.SecurityToken,
		Expires:         c.Expires,
		Principal:       principal(c.Role),
		Allows:          c.AllowsWhen,
	}, ok
}

// startSTS serves STS with the one role that functions may assume to sign, if
// the settings have one, and writes the certificate that its clients trust.
func (s *Stack) startSTS(l net.Listener, assume facts.Assumptions) error {
	certificate, ca, err := sts.Certificate(time.Now(), rand.Reader)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.Ready.STSCAFile, ca, 0o600); err != nil {
		return fmt.Errorf("keeping the certificate of STS: %w", err)
	}
	var roles []ram.Role
	if arn := s.Settings.Get("UPLOAD_ROLE_ARN"); arn != "" {
		uploads, err := policy(s.deployment().Signing())
		if err != nil {
			return err
		}
		roles = append(roles, ram.Role{
			ARN:       arn,
			Policy:    uploads,
			TrustedBy: s.signs,
		})
	}
	server := sts.New(sts.Config{Store: s.Accounts, Roles: roles, Fault: s.Faults.Take, Assume: assume, Log: s.log})
	s.serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}), server)
	return nil
}

// startFunctions runs every function, in as many instances.
func (s *Stack) startFunctions(ctx context.Context, binaries string, o Options) error {
	for _, d := range deployed {
		own, err := policy(s.deployment().Permissions(d.name))
		if err != nil {
			return err
		}
		role := &roleSession{store: s.Accounts, arn: rolePrefix + d.name, policy: own, now: time.Now, assume: o.Assume}
		output := functionOutput{to: s.Log, log: s.log.With("function", d.name)}
		for range max(o.Instances, 1) {
			f, err := fc.Start(ctx, fc.FunctionConfig{
				Name:        d.name,
				Binary:      Binary(binaries, d.program),
				Env:         s.Settings.Variables(),
				Credentials: role.credentials,
				Timeout:     Timeout(d.name),
				Region:      s.Ready.Region,
				AccountID:   accountID,
				Stdout:      output,
				Stderr:      output,
			})
			if err != nil {
				return err
			}
			s.onClose(f.Stop)
			s.instances[d.name] = append(s.instances[d.name], f)
		}
		members := s.instances[d.name]
		s.Functions[d.name] = members[0]
		s.groups[d.name] = fc.NewGroup(members[0], members[1:]...)
	}
	return nil
}
