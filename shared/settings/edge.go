package settings

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"ossupload/shared/osscallback"
)

// What stands around the functions: OSS's callback, the webhook, browsers.

// Webhook is where events go. Without a URL they are logged.
type Webhook struct {
	URL     string
	Secrets [][]byte // what stood behind "whsec_", decoded; each signs
	// Events are the types that are told: EventCompleted always, and those asked
	// for.
	Events []string
	// RetryFor is how long an event that nobody takes is tried.
	RetryFor time.Duration
	// LogEvents lets the log line of an event hold all of it. Without, it holds
	// id, key and size: subjects and variables do not belong in every log.
	LogEvents bool
}

// The types of events.
const (
	EventCompleted = "upload.completed"
	EventRefused   = "upload.refused"
	EventStored    = "upload.stored"
)

func (r *reader) callbackURL() string {
	value := r.required("CALLBACK_URL")
	if value == "" {
		return ""
	}
	_, err := osscallback.URI(value)
	r.check("CALLBACK_URL", err)
	return value
}

// callbackKeyURLs are exact URLs; none means the published ones.
func (r *reader) callbackKeyURLs() []string {
	urls := r.list("CALLBACK_KEY_URLS", "")
	for _, u := range urls {
		r.check("CALLBACK_KEY_URLS", osscallback.CheckKeyURL(u))
	}
	return urls
}

func (r *reader) corsOrigins() []string {
	origins := r.list("CORS_ORIGINS", "")
	for _, o := range origins {
		if o != "*" && o != "null" && !origin(o) {
			r.fault("CORS_ORIGINS", "%q is not an origin such as https://app.example.com", o)
		}
	}
	return origins
}

func (r *reader) webhook() Webhook {
	const leastSecret = 24 // bytes, as Standard Webhooks has it
	w := Webhook{
		URL:      r.secureURL("WEBHOOK_URL"),
		Events:   r.events(),
		RetryFor: r.duration("WEBHOOK_RETRY_FOR", 72*time.Hour, time.Hour, 168*time.Hour),
	}
	if w.URL == "" {
		return w
	}
	r.required("WEBHOOK_SECRETS")
	for i, item := range r.list("WEBHOOK_SECRETS", "") {
		encoded, ok := strings.CutPrefix(item, "whsec_")
		key, err := decodeBase64(encoded)
		if !ok || err != nil {
			r.fault("WEBHOOK_SECRETS", "item %d is not whsec_ and base64", i+1)
			continue
		}
		w.Secrets = append(w.Secrets, r.key("WEBHOOK_SECRETS", encoded, key, leastSecret))
	}
	return w
}

// logEvents reads what may be logged: the events of uploads as a whole, or those of
// the platform without their values.
func (r *reader) logEvents() (whole, redacted bool) {
	const name = "LOG_EVENTS"
	v := r.text(name, "false")
	if v == "redacted" {
		return false, true
	}
	whole, err := strconv.ParseBool(v)
	if err != nil {
		r.fault(name, "%q is not redacted, true or false", v)
	}
	return whole, false
}

func (r *reader) events() []string {
	const name = "WEBHOOK_EVENTS"
	known := []string{EventCompleted, EventRefused, EventStored}
	events := r.list(name, EventCompleted)
	for _, e := range events {
		if !slices.Contains(known, e) {
			r.fault(name, "%q is not one of %s", e, strings.Join(known, ", "))
		}
	}
	if !slices.Contains(events, EventCompleted) {
		r.fault(name, "must list %s, which is always sent", EventCompleted)
	}
	return events
}
