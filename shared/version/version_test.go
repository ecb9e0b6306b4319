package version

import (
	"runtime/debug"
	"testing"
)

func TestDescribe(t *testing.T) {
	commit := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}
	changed := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	same := debug.BuildSetting{Key: "vcs.modified", Value: "false"}
	const pseudo = "v1.2.4-0.20260102150405-0123456789ab"
	tests := []struct {
		name     string
		main     string
		settings []debug.BuildSetting
		want     string
	}{
		{"nothing is noted", "", nil, "devel"},
		{"no commit is noted", "(devel)", []debug.BuildSetting{changed}, "devel"},
		{"a commit", "(devel)", []debug.BuildSetting{commit, same}, "devel 0123456789ab"},
		{"a commit and changes", "(devel)", []debug.BuildSetting{commit, changed}, "devel 0123456789ab+dirty"},
		{"a short commit", "", []debug.BuildSetting{{Key: "vcs.revision", Value: "0123"}}, "devel 0123"},
		{"a version of the module", pseudo, []debug.BuildSetting{commit}, pseudo},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			info := &debug.BuildInfo{Main: debug.Module{Version: tt.main}, Settings: tt.settings}
			if got := describe(info); got != tt.want {
				t.Errorf("describe() = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReleaseGoesFirst(t *testing.T) {
	defer func(before string) { release = before }(release)
	if Released() {
		t.Error("Released() = true in a test")
	}
	release = "v1.2.3"
	if got := String(); got != "v1.2.3" || !Released() {
		t.Errorf("String() = %q, want the release's", got)
	}
}
