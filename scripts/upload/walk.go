package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// item is something to upload.
type item struct {
	name string // as the user knows it
	// place is where a file lies in the folder that was named, which begins it,
	// with slashes: "photos/2026/a.jpg". It is empty of what was named itself.
	place string
	size  int64 // when it was found; -1 if not known
	stdin bool
	err   error // why it cannot be uploaded
}

// stdinName is what stands for standard input.
const stdinName = "-"

// found is what the command line comes to.
type found struct {
	items []item
	// Left out in folders, and counted: what begins with a dot, symbolic links, and
	// what is neither file nor folder.
	hidden, links, others int
	twice                 int // named more than once
}

// find looks at what was named: a file is uploaded whatever it is called and
// whether it is a link or not; of a folder all files are, at any depth, but for
// what found leaves out. Links in a folder are not followed, for they may lead
// out of it, and around.
func find(names []string, hidden bool) found {
	var f found
	seen := make(map[string]bool)
	add := func(i item, path string) {
		if absolute, err := filepath.Abs(path); err == nil && !i.stdin {
			if seen[absolute] {
				f.twice++
				return
			}
			seen[absolute] = true
		}
		f.items = append(f.items, i)
	}
	for _, name := range names {
		info, err := os.Stat(name)
		switch {
		case name == stdinName:
			add(item{name: name, size: -1, stdin: true}, name)
		case err == nil && info.IsDir():
			before := len(f.items) + f.twice
			f.walk(name, hidden, add)
			if len(f.items)+f.twice == before {
				add(item{name: name, err: errors.New("there is no file in this folder that would be uploaded")}, name)
			}
		case err == nil && info.Mode().IsRegular():
			add(item{name: name, size: info.Size()}, name)
		default: // opening it tells what is wrong
			add(item{name: name}, name)
		}
	}
	return f
}

// walk adds the files of a folder.
func (f *found) walk(root string, hidden bool, add func(i item, path string)) {
	// WalkDir does not follow root itself.
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		add(item{name: root, err: withoutPath(err)}, root)
		return
	}
	absolute, err := filepath.Abs(root)
	if err != nil {
		add(item{name: root, err: fmt.Errorf("finding the absolute path: %w", err)}, root)
		return
	}
	top := filepath.Base(absolute)
	if top == string(filepath.Separator) {
		top = ""
	}
	// The error of each file is in its item.
	_ = filepath.WalkDir(real, func(file string, entry fs.DirEntry, err error) error {
		below, relErr := filepath.Rel(real, file)
		if relErr != nil {
			below = file
		}
		name := filepath.Join(root, below)
		if err != nil {
			add(item{name: name, err: withoutPath(err)}, file)
			return skipFolder(entry)
		}
		if below != "." && !hidden && strings.HasPrefix(entry.Name(), ".") {
			f.hidden++
			return skipFolder(entry)
		}
		f.entry(entry, item{name: name, place: path.Join(top, filepath.ToSlash(below))}, func(i item) { add(i, file) })
		return nil
	})
}

// entry adds an entry of a folder if it is a file, and else counts it.
func (f *found) entry(entry fs.DirEntry, i item, add func(i item)) {
	switch kind := entry.Type(); {
	case kind.IsDir():
	case kind.IsRegular():
		if info, err := entry.Info(); err == nil {
			i.size = info.Size()
		}
		add(i)
	case kind&fs.ModeSymlink != 0:
		f.links++
	default:
		f.others++
	}
}

// skipFolder goes on behind an entry.
func skipFolder(entry fs.DirEntry) error {
	if entry != nil && entry.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// fromFolder reports whether anything lay in a folder that was named.
func (f found) fromFolder() bool {
	return slices.ContainsFunc(f.items, func(i item) bool { return i.place != "" })
}

// size is that of all, or -1 if one of them is not known.
func (f found) size() int64 {
	sum := int64(0)
	for _, i := range f.items {
		if i.size < 0 {
			return -1
		}
		sum += i.size
	}
	return sum
}

// leftOut says what is not uploaded, or is "".
func (f found) leftOut() string {
	var parts []string
	for _, part := range []struct {
		n    int
		text string
	}{
		{f.hidden, "%d hidden (-hidden takes them)"},
		{f.links, "%d symbolic links"},
		{f.others, "%d neither file nor folder"},
		{f.twice, "%d named twice"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf(part.text, part.n))
		}
	}
	return strings.Join(parts, ", ")
}
