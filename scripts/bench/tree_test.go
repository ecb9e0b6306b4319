package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A commit is checked out beside, and nothing of that is left.
func TestCheckout(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	from, git := repository(t, "old", "new")
	other, done, err := checkout(t.Context(), from, "HEAD~1", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(other.root, "a.txt")); err != nil || string(got) != "old" {
		t.Errorf("the file there is %q, %v; want the old one", got, err)
	}
	if want := git("rev-parse", "--short", "HEAD~1"); other.name != want || other.yardstick != from.root {
		t.Errorf("the tree is called %q and held against %q, want %q and %q", other.name, other.yardstick, want, from.root)
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
	if list := git("worktree", "list"); strings.Contains(list, "\n") {
		t.Errorf("worktrees are left:\n%s", list)
	}
	for _, bad := range []string{"no-such", "--force", ""} {
		if _, _, err := checkout(t.Context(), from, bad, t.TempDir()); err == nil {
			t.Errorf("commit %q is checked out, want an error", bad)
		}
	}
}

// repository is one with a commit of a.txt for each text, and git there.
func repository(t *testing.T, texts ...string) (top *tree, git func(args ...string) string) {
	t.Helper()
	top = &tree{name: "this", root: t.TempDir()}
	top.yardstick = top.root
	git = func(args ...string) string {
		t.Helper()
		out, err := top.command(t.Context(), "git", append([]string{"-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q")
	for _, text := range texts {
		if err := os.WriteFile(filepath.Join(top.root, "a.txt"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		git("add", "a.txt")
		git("commit", "-q", "-m", text)
	}
	return top, git
}

// What a commit does not have is told of each, and is no failure.
func TestBuildWhatIsNotThere(t *testing.T) {
	empty := &tree{root: t.TempDir(), built: t.TempDir()}
	probes := []string{"bench ./shared/signing RowPut/ours", "cold presign"}
	if err := empty.build(t.Context(), probes); err != nil {
		t.Errorf("building what is not there: %v", err)
	}
	for _, probe := range probes {
		if err := empty.lacks(probe); !errors.Is(err, errAbsent) {
			t.Errorf("%s lacks %v, want errAbsent", probe, err)
		}
	}
}

// The functions start, answer and are measured, all as the table has them.
func TestDrivers(t *testing.T) {
	switch {
	case testing.Short():
		t.Skip("-short leaves out what builds programs")
	case runtime.GOOS != "linux" || runtime.GOARCH != "amd64":
		t.Skip("the functions are built for Linux on x86-64")
	}
	var out, said strings.Builder
	if err := run(t.Context(), []string{"-rounds", "1", "-json", "-only", "^(cold|memory|size)"}, nil, &out, &said); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	var rep report
	if err := json.Unmarshal([]byte(out.String()), &rep); err != nil {
		t.Fatal(err)
	}
	const rowsOfThese = 10
	if len(rep.Rows) != rowsOfThese {
		t.Errorf("%d rows, want %d", len(rep.Rows), rowsOfThese)
	}
	// No start of a function is cheaper than a hello world's, and no binary or peak
	// is below a megabyte.
	requireMeasured(t, rep, 1)
}

func TestCPUOf(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what a process uses is known on Linux only")
	}
	before, err := cpuOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	busy := 0
	for began := time.Now(); time.Since(began) < 20*time.Millisecond; {
		busy++
	}
	after, err := cpuOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if used := after - before; used <= 0 || used > time.Minute {
		t.Errorf("%d rounds of nothing took %v of CPU time", busy, used)
	}
	peak, err := peakOf(os.Getpid())
	if err != nil || peak < 1<<20 || peak > 1<<40 {
		t.Errorf("the peak is %d bytes, %v", peak, err)
	}
}
