package main

import (
	"bytes"
	"fmt"
	"os"

	"ossupload/scripts/internal/stack"
)

// settingsFile is its name in the folder of -data.
const settingsFile = "settings.env"

// writeSettings writes what the functions of a stack were told, with the
// developer's credentials and a caller's token, as KEY=VALUE lines that
// scripts/doctor and other commands take with -env.
func writeSettings(path string, s *stack.Stack) error {
	var b bytes.Buffer
	for _, variable := range s.Settings.Variables() {
		fmt.Fprintln(&b, variable)
	}
	fmt.Fprintf(&b, "ALIBABA_CLOUD_ACCESS_KEY_ID=%s\nALIBABA_CLOUD_ACCESS_KEY_SECRET=%s\n", s.Ready.AccessKeyID, s.Ready.AccessKeySecret)
	fmt.Fprintf(&b, "OSSUPLOAD_ENDPOINT=%s\nOSSUPLOAD_TOKEN=%s\n", s.Ready.Gateway, s.Ready.CallerToken)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("writing the settings: %w", err)
	}
	return nil
}
