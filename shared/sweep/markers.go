package sweep

import (
	"context"
	"slices"
	"strings"

	"ossupload/shared/grant"
	"ossupload/shared/storage"
)

// markers looks up what was announced, in the order of keys. It holds one page
// and lists another where the last ends, so that markers in a row cost one
// request for 1,000, and lone ones never more than one each.
type markers struct {
	storage Storage
	prefix  string // grant.AnnouncedPrefix

	keys []string // of the page
	end  bool     // nothing is behind the page
}

// find reports whether the bytes with this ETag were announced, and whether any
// of this upload were. It is asked in the order of keys, and never goes back.
func (m *markers) find(ctx context.Context, place grant.Place, etag string) (these, any bool, err error) {
	stem := place.MarkerStem()
	if !m.covers(stem) {
		page, err := m.storage.List(ctx, m.prefix, stem, storage.PageSize)
		if err != nil {
			return false, false, err
		}
		m.end, m.keys = !page.More, m.keys[:0]
		for _, o := range page.Objects {
			m.keys = append(m.keys, o.Key)
		}
	}
	i, _ := slices.BinarySearch(m.keys, stem)
	for ; i < len(m.keys) && strings.HasPrefix(m.keys[i], stem+"-"); i++ {
		any = true
		these = these || m.keys[i] == place.Marker(etag)
	}
	return these, any, nil
}

// covers reports whether all markers that begin with stem and "-" are on the
// page, if there are any. "." sorts next to "-".
func (m *markers) covers(stem string) bool {
	return m.end || len(m.keys) > 0 && stem+"." <= m.keys[len(m.keys)-1]
}
