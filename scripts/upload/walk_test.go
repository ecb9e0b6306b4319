package main

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// tree makes files with their own names as content; a name that ends in a slash
// is a folder.
func tree(t *testing.T, names ...string) (root string) {
	t.Helper()
	root = filepath.Join(t.TempDir(), "photos")
	for _, name := range append([]string{"./"}, names...) {
		path := filepath.Join(root, filepath.FromSlash(name))
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func places(f found) (all []string) {
	for _, i := range f.items {
		all = append(all, i.place)
	}
	return all
}

func TestFindInAFolder(t *testing.T) {
	root := tree(t, "b.jpg", "2026/a.jpg", "2026/.thumbs/x.jpg", ".DS_Store", ".git/config", "empty/")
	elsewhere := tree(t, "other.jpg")
	links := 0
	for name, target := range map[string]string{"to-a-file": filepath.Join(elsewhere, "other.jpg"), "to-a-folder": elsewhere, "around": root} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Logf("this system makes no symbolic links: %v", err)
			continue
		}
		links++
	}

	f := find([]string{root}, false)
	if want := []string{"photos/2026/a.jpg", "photos/b.jpg"}; !slices.Equal(places(f), want) {
		t.Errorf("found %q, want %q", places(f), want)
	}
	if f.hidden != 3 || f.links != links || f.others != 0 || f.size() != int64(len("b.jpg")+len("2026/a.jpg")) {
		t.Errorf("left out %+v of %d bytes, want three hidden and %d links", f, f.size(), links)
	}
	if f.items[1].name != filepath.Join(root, "b.jpg") {
		t.Errorf("it is called %q", f.items[1].name)
	}

	f = find([]string{root}, true)
	want := []string{"photos/.DS_Store", "photos/.git/config", "photos/2026/.thumbs/x.jpg", "photos/2026/a.jpg", "photos/b.jpg"}
	if !slices.Equal(places(f), want) || f.hidden != 0 {
		t.Errorf("with hidden ones found %q, want %q", places(f), want)
	}
	if links > 0 && !strings.Contains(f.leftOut(), "3 symbolic links") {
		t.Errorf("it says %q about links", f.leftOut())
	}
}

// What is named itself is taken, whatever it is called.
func TestFindWhatIsNamed(t *testing.T) {
	root := tree(t, ".hidden", "a.jpg")
	hidden, a := filepath.Join(root, ".hidden"), filepath.Join(root, "a.jpg")
	f := find([]string{hidden, a, root, a, "-", filepath.Join(root, "none")}, false)
	var names []string
	for _, i := range f.items {
		names = append(names, i.name)
		if i.place != "" || i.err != nil {
			t.Errorf("%s lies at %q, %v; want no place for what is named itself", i.name, i.place, i.err)
		}
	}
	if want := []string{hidden, a, "-", filepath.Join(root, "none")}; !slices.Equal(names, want) || f.twice != 2 {
		t.Errorf("found %q, twice %d, want %q, twice 2", names, f.twice, want)
	}
	if !f.items[2].stdin || f.size() != -1 {
		t.Errorf("found %+v, want standard input, of unknown size", f.items[2])
	}

	if err := os.Symlink(root, root+"-link"); err == nil {
		f := find([]string{root + "-link"}, false)
		if want := []string{"photos-link/a.jpg"}; !slices.Equal(places(f), want) {
			t.Errorf("behind a link found %q, want %q", places(f), want)
		}
	}
	t.Chdir(root)
	if f := find([]string{"."}, false); !slices.Equal(places(f), []string{"photos/a.jpg"}) {
		t.Errorf("here found %q, want the folder's name in front", places(f))
	}
}

func TestFoldersWithoutFilesAreFaults(t *testing.T) {
	root := tree(t, "empty/", "hidden/.x", "closed/a.jpg")
	for _, name := range []string{"empty", "hidden"} {
		f := find([]string{filepath.Join(root, name)}, false)
		if len(f.items) != 1 || f.items[0].err == nil {
			t.Errorf("of %s found %+v, want a fault", name, f.items)
		}
	}
	closed := filepath.Join(root, "closed")
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(closed, 0o700) })
	if _, err := os.ReadDir(closed); err == nil || runtime.GOOS == "windows" {
		t.Skip("this user may read every folder")
	}
	if f := find([]string{root}, false); len(f.items) != 1 || f.items[0].err == nil || f.items[0].name != closed {
		t.Errorf("of a folder that cannot be read found %+v, want a fault", f.items)
	}
}
