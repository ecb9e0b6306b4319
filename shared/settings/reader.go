package settings

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"ossupload/shared/secureurl"
)

// reader looks variables up and collects what is wrong with them.
type reader struct {
	lookup  func(string) (string, bool)
	faults  []string
	warns   []string
	secrets []secret
}

func (r *reader) fault(name, format string, args ...any) {
	r.faults = append(r.faults, name+": "+fmt.Sprintf(format, args...))
}

// check is fault for what another package decides.
func (r *reader) check(name string, err error) {
	if err != nil {
		r.fault(name, "%v", err)
	}
}

// Faults are all that is wrong with an environment, each with the name of its
// variable before it. Load functions fail with no other error.
type Faults []string

func (f Faults) Error() string { return "reading environment: " + strings.Join(f, "; ") }

// err is one error for all faults.
func (r *reader) err() error {
	r.checkSecrets()
	if len(r.faults) == 0 {
		return nil
	}
	return Faults(r.faults)
}

// text is the trimmed value, or def. An empty variable counts as unset, which
// is how deployment templates leave one out.
func (r *reader) text(name, def string) string {
	if v, ok := r.lookup(name); ok {
		if v = strings.TrimSpace(v); v != "" {
			return v
		}
	}
	return def
}

func (r *reader) required(name string) string {
	v := r.text(name, "")
	if v == "" {
		r.fault(name, "is required")
	}
	return v
}

func (r *reader) boolean(name string) bool {
	v := r.text(name, "false")
	b, err := strconv.ParseBool(v)
	if err != nil {
		r.fault(name, "%q is not true or false", v)
	}
	return b
}

func (r *reader) integer(name string, def, least, most int) int {
	v := r.text(name, "")
	if v == "" {
		return def
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		r.fault(name, "%q is not a whole number from %d to %d", v, least, most)
		return def
	}
	return n
}

// duration reads whole seconds ("3600") or a Go duration ("1h").
func (r *reader) duration(name string, def, least, most time.Duration) time.Duration {
	v := r.text(name, "")
	if v == "" {
		return def
	}
	d, err := time.ParseDuration(v)
	if n, isNumber := strconv.ParseInt(v, 10, 32); isNumber == nil {
		d, err = time.Duration(n)*time.Second, nil
	}
	if err != nil || d%time.Second != 0 {
		r.fault(name, "%q is not whole seconds or a duration such as 1h", v)
		return def
	}
	if d < least || d > most {
		r.fault(name, "%s is not within %s and %s", v, least, most)
	}
	return d
}

// list reads a comma separated list without empty items.
func (r *reader) list(name, def string) []string {
	var items []string
	for item := range strings.SplitSeq(r.text(name, def), ",") {
		if item = strings.TrimSpace(item); item != "" && !slices.Contains(items, item) {
			items = append(items, item)
		}
	}
	return items
}

// secureURL reads an optional URL that tokens or events are sent to.
func (r *reader) secureURL(name string) string {
	value := r.text(name, "")
	if value == "" {
		return ""
	}
	_, err := secureurl.Parse(value)
	r.check(name, err)
	return value
}

// origin reports whether s is a web origin as browsers write it.
func origin(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return false
	}
	if _, port, err := net.SplitHostPort(u.Host); err == nil && port == "" {
		return false
	}
	return u.Scheme+"://"+u.Host == s && strings.ToLower(s) == s
}
