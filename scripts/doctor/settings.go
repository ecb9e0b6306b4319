package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"ossupload/scripts/internal/template"
	"ossupload/shared/rolecreds"
	"ossupload/shared/settings"
	"ossupload/shared/signing"
)

// load are the settings of the functions that a template deploys. Each forgets
// what it has read, but for the warnings.
var load = map[string]func(settings.Lookup) ([]string, error){
	"presign":  func(l settings.Lookup) ([]string, error) { s, err := settings.LoadPresign(l); return s.Warnings, err },
	"callback": func(l settings.Lookup) ([]string, error) { s, err := settings.LoadCallback(l); return s.Warnings, err },
	"complete": loadComplete,
	"repair":   loadComplete, // the same program
}

func loadComplete(l settings.Lookup) ([]string, error) {
	s, err := settings.LoadComplete(l)
	return s.Warnings, err
}

// examineSettings says what is wrong with the variables from which a template
// would be deployed.
func examineSettings(c command, lookup settings.Lookup) ([]finding, error) {
	t, err := template.Open(c.template)
	if err != nil {
		return nil, err
	}
	file, err := readEnv(c)
	if err != nil {
		return nil, err
	}
	e := &examination{template: t, path: c.template, environment: lookup, file: file}
	if err := e.functions(); err != nil {
		return nil, err
	}
	e.templates()
	e.role()
	e.names()
	e.values()
	e.sort()
	return e.findings, nil
}

// examination gathers findings, each once: several functions read one variable.
type examination struct {
	template    *template.Template
	path        string
	environment settings.Lookup
	file        map[string]string
	asked       []string // by the functions
	findings    []finding
}

func (e *examination) add(f finding) {
	if !slices.Contains(e.findings, f) {
		e.findings = append(e.findings, f)
	}
}

func (e *examination) fault(name, format string, args ...any) {
	e.add(finding{name: name, text: name + ": " + fmt.Sprintf(format, args...)})
}

func (e *examination) warn(name, format string, args ...any) {
	e.add(finding{warning: true, name: name, text: name + " " + fmt.Sprintf(format, args...)})
}

// lookup finds a variable as Serverless Devs does: the environment comes first.
func (e *examination) lookup(name string) (string, bool) {
	if value, ok := e.environment(name); ok {
		return value, true
	}
	value, ok := e.file[name]
	return value, ok
}

var (
	digits    = regexp.MustCompile(`^[0-9]{1,32}$`)
	accountID = regexp.MustCompile(`^[0-9]{16}$`)
	role      = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`)
	host      = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$`)
	formats   = map[string]struct {
		form *regexp.Regexp
		want string
	}{
		"ACCOUNT_ID":   {accountID, "the number of an account, of 16 digits"},
		"API_DOMAIN":   {host, "a domain in lower case, such as api.example.com"},
		"API_CERT_ID":  {digits, "the number of a certificate"},
		"TRIGGER_ROLE": {role, "the name of a role in lower case"},
	}
)

// templates looks at what the template alone needs.
func (e *examination) templates() {
	for _, name := range e.template.Missing(e.lookup) {
		if !slices.ContainsFunc(e.findings, func(f finding) bool { return !f.warning && f.name == name }) {
			e.fault(name, "is required")
		}
	}
	for _, read := range e.template.Reads() {
		value, ok := e.lookup(read.Name)
		switch value = strings.TrimSpace(value); {
		case value != "":
			e.form(read.Name, value)
		case ok && read.Default:
			e.fault(read.Name, "is set to nothing, which would replace its default: leave it out")
		}
	}
}

// role warns of what the roles of scripts/ram refuse.
func (e *examination) role() {
	given, _ := e.lookup("UPLOAD_ROLE_ARN")
	account, _ := e.lookup("ACCOUNT_ID")
	_, own, _ := strings.Cut(given, "acs:ram::")
	internal, _ := e.lookup("OSS_INTERNAL_ENDPOINT")
	switch {
	case strings.TrimSpace(given) == "":
		e.warn("UPLOAD_ROLE_ARN", "is empty: presign and complete sign with roles of their own, which have the right by \"scripts/ram -no-upload-role\" alone; else it is acs:ram::%s:role/ossupload-upload", cmp.Or(account, "ACCOUNT_ID"))
	case accountID.MatchString(account) && !strings.HasPrefix(own, account+":"):
		e.warn("UPLOAD_ROLE_ARN", "is a role of another account than ACCOUNT_ID")
	}
	if strings.HasPrefix(internal, "http:") {
		e.fault("OSS_INTERNAL_ENDPOINT", "is plain http, by which the role that signs may do nothing: /download would fail")
	}
}

// form looks at a value that no function reads, or not for what it is here.
func (e *examination) form(name, value string) {
	if name == "OSS_REGION" && signing.CheckRegion(value) == nil && !slices.Contains(regions, value) {
		e.warn(name, "is %s, where Serverless Devs knows no Function Compute", value)
	}
	if f, ok := formats[name]; ok {
		if !f.form.MatchString(value) {
			e.fault(name, "%q is not %s", value, f.want)
		}
	} else if strings.HasSuffix(name, "_ROLE") && !functionRole(value) {
		e.fault(name, "%q is not the name or ARN of a role in lower case, which Serverless Devs makes of it", value)
	}
}

// functionRole reports whether value is a role that a function may have.
func functionRole(value string) bool {
	return role.MatchString(value) || rolecreds.CheckRoleARN(value) == nil && strings.ToLower(value) == value
}

// functions lets each function read what it would get.
func (e *examination) functions() error {
	// A wrong domain is a fault of its own, and not of the addresses made of it.
	lookup := func(name string) (string, bool) {
		value, ok := e.lookup(name)
		if name == "API_DOMAIN" && !host.MatchString(value) {
			return "api.example.com", true
		}
		return value, ok
	}
	for _, name := range e.template.Functions() {
		given, err := e.template.Environment(name, lookup)
		if err != nil {
			return err
		}
		warnings, err := load[name](func(variable string) (string, bool) {
			e.asked = append(e.asked, variable)
			value, ok := given[variable]
			return value, ok
		})
		var faults settings.Faults
		if err != nil && !errors.As(err, &faults) {
			return err
		}
		for _, fault := range faults {
			name, _, _ := strings.Cut(fault, ":")
			e.add(finding{name: name, text: fault})
		}
		for _, warning := range warnings {
			name, _, _ := strings.Cut(warning, " ")
			e.add(finding{warning: true, name: name, text: warning})
		}
	}
	return nil
}

// names looks for variables of the file that nothing reads.
func (e *examination) names() {
	reads := func(name string) bool {
		return slices.ContainsFunc(e.template.Reads(), func(r template.Read) bool { return r.Name == name })
	}
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(e.file)) {
		switch {
		case reads(name) || e.file[name] == "":
		case slices.Contains(e.asked, name):
			e.warn(name, "is not handed on by %s", e.path)
		default:
			unknown = append(unknown, name)
		}
	}
	for _, name := range unknown {
		// Its words name the setting that is meant.
		if warnings := settings.Unknown([]string{name + "=x"}); len(warnings) > 0 {
			e.add(finding{warning: true, name: name, text: warnings[0]})
		} else {
			e.warn(name, "is read by nothing")
		}
	}
}

// values looks for values of the file that Serverless Devs takes otherwise than
// they stand there: it knows quotes, comments behind values, and $NAME.
func (e *examination) values() {
	for _, name := range slices.Sorted(maps.Keys(e.file)) {
		value := e.file[name]
		if strings.ContainsAny(value, "#$") || value != "" && strings.ContainsAny(value[:1], "'\"`") {
			e.fault(name, "holds # or $ or begins with a quote, and would not be deployed as it stands in the file")
		}
		if own, ok := e.environment(name); ok && own != value {
			e.warn(name, "is something else in the environment, which is what counts")
		}
	}
}

// sort puts findings in the order in which the template reads their settings.
// What it does not read comes last.
func (e *examination) sort() {
	reads := e.template.Reads()
	place := func(name string) int {
		if i := slices.IndexFunc(reads, func(r template.Read) bool { return r.Name == name }); i >= 0 {
			return i
		}
		return len(reads)
	}
	slices.SortStableFunc(e.findings, func(a, b finding) int { return cmp.Compare(place(a.name), place(b.name)) })
}
