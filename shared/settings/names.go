package settings

import (
	"fmt"
	"slices"
	"strings"
)

// names are all variables that any of the functions reads. One file of variables
// often serves all three, so what another one reads is no mistake.
var names = []string{
	"OSS_REGION", "OSS_BUCKET", "OSS_ENDPOINT", "OSS_CNAME", "OSS_DOWNLOAD_ENDPOINT", "OSS_INTERNAL_ENDPOINT", "OSS_PATH_STYLE",
	"UPLOAD_PREFIX", "UPLOAD_MAX_SIZE", "UPLOAD_CONTENT_TYPES", "UPLOAD_METHODS", "UPLOAD_MAX_EXPIRES", "UPLOAD_TOKEN_TTL",
	"UPLOAD_STORAGE_CLASSES", "UPLOAD_TAG_KEYS", "UPLOAD_MAX_OPEN", "UPLOAD_URL_UNSIZED", "FORMER_PLACES",
	"UPLOAD_TOKEN_SECRETS", "RECEIPT_SECRET",
	"UPLOAD_ROLE_ARN", "UPLOAD_ROLE_DURATION", "STS_ENDPOINT", "STS_CA_FILE", "STS_ENABLED",
	"CALLBACK_URL", "CALLBACK_KEY_URLS",
	"AUTH_MODE", "AUTH_JWT_SECRET", "AUTH_JWKS_URL", "AUTH_JWT_ALGS", "AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_SUBJECT_CLAIM",
	"AUTH_TOKEN_HEADER", "AUTH_HEADER", "AUTH_HEADER_SECRET", "AUTH_ALLOW_NONE",
	"PUBLIC_URL", "CORS_ORIGINS",
	"WEBHOOK_URL", "WEBHOOK_SECRETS", "WEBHOOK_EVENTS", "WEBHOOK_RETRY_FOR", "LOG_EVENTS",
}

// families are beginnings of our names that others hardly use.
var families = []string{"OSS_", "UPLOAD_", "CALLBACK_", "AUTH_", "WEBHOOK_", "RECEIPT_", "FORMER_", "CORS_", "STS_"}

// Unknown warns of variables that look like ours and that no function reads, with
// the name that is most like theirs: a limit that is misspelt limits nothing. It
// takes os.Environ() and repeats names only.
func Unknown(environ []string) []string {
	const most = 20
	var warnings []string
	known := make([]string, len(names))
	for i, name := range names {
		known[i] = letters(name)
	}
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if value == "" || len(name) > 64 || slices.Contains(names, name) {
			continue // An empty variable counts as unset.
		}
		ours := slices.ContainsFunc(families, func(f string) bool { return strings.HasPrefix(strings.ToUpper(name), f) })
		tolerance := 2
		if ours {
			tolerance = max(tolerance, len(name)/3)
		}
		nearest := nearestTo(letters(name), known, tolerance)
		switch {
		case nearest >= 0:
			warnings = append(warnings, fmt.Sprintf("%q is not a setting and is ignored: did you mean %s?", name, names[nearest]))
		case ours:
			warnings = append(warnings, fmt.Sprintf("%q is not a setting and is ignored", name))
		}
	}
	slices.Sort(warnings)
	if rest := len(warnings) - most; rest > 0 {
		warnings = append(warnings[:most], fmt.Sprintf("%d more variables are not settings and are ignored", rest))
	}
	return warnings
}

// letters are what a name is recognised by.
func letters(name string) string { return strings.ReplaceAll(strings.ToUpper(name), "_", "") }

// nearestTo finds which of known is most like name, with tolerance edits at the
// most; -1: none. An instance has many variables of the platform's, and each start
// pays for this: what differs more in length alone is not looked at.
func nearestTo(name string, known []string, tolerance int) int {
	nearest := -1
	for i, candidate := range known {
		if d := len(candidate) - len(name); d > tolerance || -d > tolerance {
			continue
		}
		if d, within := editDistance(name, candidate, tolerance); within {
			nearest, tolerance = i, d-1
		}
	}
	return nearest
}

// editDistance is how many bytes must be added, removed or replaced to make b of
// a (Levenshtein). It reports false as soon as they must be more than most.
func editDistance(a, b string, most int) (distance int, within bool) {
	var space [64]int // no setting has a longer name
	row := space[:0]
	for j := range len(b) + 1 {
		row = append(row, j)
	}
	for i := range len(a) {
		diagonal, least := row[0], i+1
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
			least = min(least, row[j+1])
		}
		if least > most {
			return 0, false
		}
	}
	return row[len(b)], row[len(b)] <= most
}
