package sweep

import (
	"context"
	"slices"
	"strings"

	"ossupload/shared/grant"
	"ossupload/shared/storage"
)

// markers looks up what was announced. It holds one page of markers and lists
// another where that one does not reach, so that markers in a row cost one
// request for 1,000, and lone ones never more than one each.
//
// Markers are nearly in the order of their keys: what an application called
// "room" has its marker among those of "room-1" and behind that of "room+1". So
// a page has a beginning as well as an end.
type markers struct {
	storage Storage
	prefix  string // of the uploads

	listed bool
	from   string   // the page begins behind it
	keys   []string // of the page
	end    bool     // nothing is behind the page
}

// has reports whether this object was announced as it is.
func (m *markers) has(ctx context.Context, o storage.Listed) (bool, error) {
	marker := grant.Marker(m.prefix, o.Key, o.ETag, o.Size, o.LastModified)
	if !m.covers(marker) {
		from := marker[:len(marker)-1] // which sorts before it, and no marker between
		page, err := m.storage.List(ctx, grant.AnnouncedPrefix(m.prefix), from, storage.PageSize)
		if err != nil {
			return false, err
		}
		m.listed, m.from, m.end, m.keys = true, from, !page.More, m.keys[:0]
		for _, o := range page.Objects {
			m.keys = append(m.keys, o.Key)
		}
	}
	_, found := slices.BinarySearch(m.keys, marker)
	return found, nil
}

// covers reports whether marker is on the page, if it is there at all.
func (m *markers) covers(marker string) bool {
	return m.listed && m.from < marker && (m.end || len(m.keys) > 0 && marker <= m.keys[len(m.keys)-1])
}

// ever reports whether anything that was stored under key was announced, also
// with other bytes. It is asked before a deletion alone, and lists anew.
func (m *markers) ever(ctx context.Context, key string) (bool, error) {
	stem := grant.MarkerStem(m.prefix, key) + "-"
	for after := stem; ; {
		page, err := m.storage.List(ctx, grant.AnnouncedPrefix(m.prefix), after, storage.PageSize)
		if err != nil {
			return false, err
		}
		for _, o := range page.Objects {
			sum, ok := strings.CutPrefix(o.Key, stem)
			if !ok {
				return false, nil
			}
			// A longer name is of another key that begins like this one.
			if len(sum) == markerSum {
				return true, nil
			}
			after = o.Key
		}
		if !page.More {
			return false, nil
		}
	}
}

// markerSum is the length of the hash that a marker's name ends in.
const markerSum = 16
