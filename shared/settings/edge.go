package settings

import (
	"strings"

	"ossupload/shared/osscallback"
)

// What stands around the functions: OSS's callback, the webhook, browsers.

// Webhook is where events go. Without a URL they are logged.
type Webhook struct {
	URL     string
	Secrets [][]byte // what stood behind "whsec_", decoded; each signs
}

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
	w := Webhook{URL: r.secureURL("WEBHOOK_URL")}
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
		w.Secrets = append(w.Secrets, r.key("WEBHOOK_SECRETS", key, leastSecret))
	}
	return w
}
