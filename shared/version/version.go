// Package version tells which ossupload a program is.
package version

import "runtime/debug"

// release is the version that a release was built as:
//
//	go build -ldflags '-X ossupload/shared/version.release=v1.2.3'
var release string

// String is the version of this program: "v1.2.3" of a release, and else what
// Go noted of the commit, as "v1.2.4-0.20260102150405-0123456789ab" or
// "devel 0123456789ab", with "+dirty" where files were changed. Without a note
// it is "devel".
func String() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	return describe(info)
}

// Released reports whether this program was built as a release.
func Released() bool { return release != "" }

// describe is the version of a program that is no release.
func describe(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	const shown = 12 // digits of a commit
	commit, dirty := "", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = " " + s.Value[:min(shown, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+dirty"
			}
		}
	}
	if commit == "" {
		return "devel"
	}
	return "devel" + commit + dirty
}
