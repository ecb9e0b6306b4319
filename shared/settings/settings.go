// Package settings reads the environment of the three functions, once, at
// start, and reports all that is wrong with it in one error. It never puts a
// secret into a fault.
//
// A function reads only what it needs: each has a struct and a Load function
// here. The package holds values and builds nothing. Values leave it parsed and
// checked, by the rules and as the types of the packages that use them, so that
// nothing below has to doubt them: grant for the policy, uploadtoken for its
// keys, signing for region, bucket and endpoints, osscallback for the callback
// and its keys, callerauth for callers, rolecreds for the role, secureurl for
// what may be sent where.
package settings

import (
	"strings"
	"time"

	"ossupload/shared/callerauth"
	"ossupload/shared/grant"
	"ossupload/shared/uploadtoken"
)

// Lookup finds a variable: os.LookupEnv outside of tests.
type Lookup func(name string) (value string, ok bool)

// Presign is what functions/presign needs.
type Presign struct {
	Storage      Storage
	Policy       grant.Policy
	MaxExpires   time.Duration // of whatever is signed
	TokenKeys    []uploadtoken.Key
	Place        uploadtoken.Place   // bucket and prefix of this deployment
	Former       []uploadtoken.Place // of whose stored grants may be read
	Role         Role
	CallbackURL  string
	Caller       callerauth.Config
	STSEnabled   bool
	PublicURL    string // base of session endpoints; empty: none are issued
	CORSOrigins  []string
	RecordEvents bool // log the events of the platform, redacted
	Warnings     []string
}

// Callback is what functions/callback needs.
type Callback struct {
	Storage         Storage
	TokenKeys       []uploadtoken.Key
	Place           uploadtoken.Place   // bucket and prefix of this deployment
	Former          []uploadtoken.Place // of whose stored grants may be read
	CallbackURL     string
	CallbackKeyURLs []string // empty: the published ones
	ReceiptSecret   []byte   // empty: receipts carry no token
	Webhook         Webhook
	RecordEvents    bool // log the events of the platform, redacted
	Warnings        []string
}

// Complete is what functions/complete needs.
type Complete struct {
	Storage       Storage
	Policy        grant.Policy
	MaxExpires    time.Duration // of whatever is signed
	TokenKeys     []uploadtoken.Key
	Place         uploadtoken.Place   // bucket and prefix of this deployment
	Former        []uploadtoken.Place // of whose stored grants may be read
	Role          Role
	CallbackURL   string // of the forms that it issues
	Caller        callerauth.Config
	CORSOrigins   []string
	ReceiptSecret []byte
	Webhook       Webhook
	RecordEvents  bool // log the events of the platform, redacted
	Warnings      []string
}

// LoadPresign reads what functions/presign needs.
func LoadPresign(lookup Lookup) (Presign, error) {
	r := &reader{lookup: lookup}
	s := Presign{
		Storage:     r.downloads(r.storage()),
		Policy:      r.policy(),
		MaxExpires:  r.maxExpires(),
		TokenKeys:   r.tokenKeys(),
		Former:      r.formerPlaces(),
		Role:        r.role(),
		CallbackURL: r.callbackURL(),
		Caller:      r.caller(),
		PublicURL:   strings.TrimSuffix(r.secureURL("PUBLIC_URL"), "/"),
		CORSOrigins: r.corsOrigins(),
	}
	_, s.RecordEvents = r.logEvents()
	s.STSEnabled = r.stsEnabled(s.Role)
	s.Policy.URLUnsized = r.boolean("UPLOAD_URL_UNSIZED")
	s.Policy.Bucket = s.Storage.Bucket
	s.Place = uploadtoken.Place{Bucket: s.Storage.Bucket, Prefix: s.Policy.Prefix}
	r.warnOfCallback(s.CallbackURL, s.Storage)
	s.Warnings = r.warns
	return s, r.err()
}

// LoadCallback reads what functions/callback needs.
func LoadCallback(lookup Lookup) (Callback, error) {
	r := &reader{lookup: lookup}
	s := Callback{
		Storage:       r.storage(),
		TokenKeys:     r.tokenKeys(),
		Former:        r.formerPlaces(),
		CallbackURL:   r.callbackURL(),
		ReceiptSecret: r.receiptSecret(),
		Webhook:       r.webhook(),
	}
	s.Webhook.LogEvents, s.RecordEvents = r.logEvents()
	s.CallbackKeyURLs = r.callbackKeyURLs()
	s.Place = uploadtoken.Place{Bucket: s.Storage.Bucket, Prefix: r.prefix()}
	r.warnOfCallback(s.CallbackURL, s.Storage)
	s.Warnings = r.warns
	return s, r.err()
}

// LoadComplete reads what functions/complete needs.
func LoadComplete(lookup Lookup) (Complete, error) {
	r := &reader{lookup: lookup}
	s := Complete{
		Storage:       r.storage(),
		Policy:        r.policy(),
		MaxExpires:    r.maxExpires(),
		TokenKeys:     r.tokenKeys(),
		Former:        r.formerPlaces(),
		Role:          r.role(),
		CallbackURL:   r.callbackURL(),
		Caller:        r.caller(),
		CORSOrigins:   r.corsOrigins(),
		ReceiptSecret: r.receiptSecret(),
		Webhook:       r.webhook(),
	}
	s.Webhook.LogEvents, s.RecordEvents = r.logEvents()
	s.Policy.MaxOpen = r.integer("UPLOAD_MAX_OPEN", 0, 0, 1_000_000)
	s.Policy.Bucket = s.Storage.Bucket
	s.Place = uploadtoken.Place{Bucket: s.Storage.Bucket, Prefix: s.Policy.Prefix}
	r.warnOfCallback(s.CallbackURL, s.Storage)
	s.Warnings = r.warns
	return s, r.err()
}
