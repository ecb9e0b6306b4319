// Package envfile reads files of settings, as commands take them with -env.
package envfile

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Read reads KEY=VALUE lines. Empty lines and those that begin with #
// are skipped; a value is taken as it is, without quotes or substitution.
func Read(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading settings: %w", err)
	}
	values := map[string]string{}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		// The line itself is not quoted: it may hold a secret.
		if !ok || !settingName.MatchString(name) {
			return nil, fmt.Errorf("reading settings: line %d of %q is not KEY=VALUE", number, path)
		}
		if _, repeated := values[name]; repeated {
			return nil, fmt.Errorf("reading settings: line %d of %q sets %s again", number, path, name)
		}
		values[name] = strings.TrimSpace(value)
	}
	return values, nil
}
