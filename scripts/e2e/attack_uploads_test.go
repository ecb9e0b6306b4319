package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"ossupload/scripts/internal/client"
	"ossupload/shared/uploadtoken"
)

// presigned is the upload as the changes of the cross matrix take it.
func (u grantedPut) presigned() presigned {
	return presigned{client.Grant{Method: http.MethodPut, URL: u.url, Headers: u.header, Key: u.key, UploadToken: u.token}}
}

// notAnnounced is "" unless OSS or the callback took an upload for the one that
// was granted. Content that is stored and not announced is no breach: V4 leaves
// some headers unsigned, and the sweep finds what has no event.
func notAnnounced(a reply) string {
	if a.Status == http.StatusNonAuthoritativeInfo && a.ossCode() == "CallbackFailed" || a.Status >= 400 && a.Status < 500 || a.Status == http.StatusNotImplemented {
		return ""
	}
	return fmt.Sprintf("OSS answered %v", a)
}

// putAttacks change one thing of a signed PUT, which then works as it was meant.
func putAttacks(t *testing.T, c *campaign) []attack {
	probe := c.grantPut(t, nil)
	changes := slices.Concat(changesOfAny(probe.presigned()), changesOfLength(probe.content), changesOfHeaders(probe.presigned()), []change{
		{name: "an unsigned Content-Encoding", do: setHeader("Content-Encoding", "gzip")},
		{name: "an unsigned Content-Disposition", do: setHeader("Content-Disposition", "inline")},
		{name: "an unsigned Cache-Control", do: setHeader("Cache-Control", "public, max-age=31536000")},
		{name: "an unsigned Expires", do: setHeader("Expires", "Thu, 01 Jan 2099 00:00:00 GMT")},
		{name: "a copy source", do: setHeader("x-oss-copy-source", "/ossupload-local/uploads/somebody/x")},
		{name: "a symlink's target", do: setHeader("x-oss-symlink-target", "uploads/somebody/x")},
		{name: "permission to overwrite", do: setHeader("x-oss-forbid-overwrite", "false")},
		{name: "an MD5", do: setHeader("Content-MD5", md5Base64(probe.content))},
		{name: "a tag", do: setHeader("x-oss-tagging", "project=x")},
		{name: "a storage class", do: setHeader("x-oss-storage-class", "Archive")},
		{name: "an append", do: setQuery("append", " ")},
		{name: "an ACL of its own", do: setQuery("acl", " ")},
		{name: "a part of an upload", do: setQuery("partNumber", "1")},
		{name: "another version", do: setQuery("versionId", "x")},
		{name: "a process", do: setQuery("x-oss-process", "image/info")},
	})
	var rows []attack
	for i, ch := range changes {
		u := c.grantPut(t, nil)
		p := u.presigned()
		if i < len(changesOfAny(p)) {
			ch = changesOfAny(p)[i] // it depends on the URL's own signature
		}
		honest := u
		rows = append(rows, attack{ch.name, func(t *testing.T) string {
			changed := p.with(u.content)
			ch.do(&changed)
			a := changed.sendTo(t, c.client)
			if a.Status < 400 {
				// Stored: the key is used up, and must stay silent.
				c.keepSilent(u.key, "a PUT with "+ch.name)
				honest = c.grantPut(t, nil)
			}
			return notAnnounced(a)
		}, func(t *testing.T) string { return passed(honest.put(t)) }})
	}
	return append(rows,
		attack{"the same URL again", func(t *testing.T) string {
			u := c.grantPut(t, nil)
			receipt := u.put(t).receipt(t, "PUT", u.key, u.content)
			if breach := deniedByOSS(u.put(t), "FileAlreadyExists"); breach != "" {
				return breach
			}
			c.wantEvents(t, receipt, 1)
			return ""
		}, c.honestCallback},
		attack{"the same URL again, with other bytes", func(t *testing.T) string {
			u := c.grantPut(t, nil)
			receipt := u.put(t).receipt(t, "PUT", u.key, u.content)
			other := u
			other.content = bytes.ToUpper(u.content)
			if breach := deniedByOSS(other.put(t), "FileAlreadyExists"); breach != "" {
				return breach
			}
			c.wantStored(t, u.key, u.content)
			c.wantEvents(t, receipt, 1)
			return ""
		}, c.honestCallback},
		attack{"the same URL twenty times at once", func(t *testing.T) string {
			u := c.grantPut(t, nil)
			header := http.Header{}
			for name, value := range u.header {
				header.Set(name, value)
			}
			taken := 0
			for _, a := range c.atOnce(t, 20, http.MethodPut, u.url, header, u.content) {
				if a.Status == http.StatusOK {
					taken++
				}
			}
			if n := len(c.events(t, u.key)); taken != 1 || n != 1 {
				return fmt.Sprintf("%d were taken and %d events delivered, want one", taken, n)
			}
			return ""
		}, c.honestCallback},
	)
}

// formRaids change one field of a signed form, leave one out or add one.
func formRaids(t *testing.T, c *campaign) []attack {
	content := []byte("twenty-four honest bytes")
	wish := map[string]any{"size": len(content)}
	probe := c.form(t, c.Ready.CallerToken, wish)
	control := func(t *testing.T) string {
		f := c.form(t, c.Ready.CallerToken, wish)
		return passed(c.post(t, f.URL, f.with(content)))
	}
	var rows []attack
	add := func(name string, edit func(f issuedForm, items []formItem) []formItem) {
		rows = append(rows, attack{name, func(t *testing.T) string {
			f := c.form(t, c.Ready.CallerToken, wish)
			c.keepSilent(f.Key, "form with "+name)
			return notAnnounced(c.post(t, f.URL, edit(f, f.with(content))))
		}, control})
	}
	for _, field := range slices.Sorted(maps.Keys(probe.Fields)) {
		add(field+" changed", func(f issuedForm, items []formItem) []formItem {
			return setItem(items, field, strings.TrimSuffix(f.Fields[field], "=")+"x")
		})
		if probe.Fields[field] != "" {
			add(field+" left out", func(_ issuedForm, items []formItem) []formItem { return withoutItem(items, field) })
		}
	}
	for name, value := range map[string]string{
		"x-oss-object-acl": "public-read", "x-oss-tagging": "<Tagging><TagSet><Tag><Key>project</Key><Value>x</Value></Tag></TagSet></Tagging>",
		"Content-Encoding": "gzip", "Cache-Control": "public", "Content-Disposition": "inline", "key": "uploads/somebody/x.png", "callback": "e30=",
		"x-oss-content-type": "text/html", "x-oss-meta-ossupload-grant": "x", "x-oss-forbid-overwrite": "false",
	} {
		second := formItem{name: name, value: value}
		add("a second "+name, func(_ issuedForm, items []formItem) []formItem { return itemTwice(items, second) })
		if _, issued := probe.Fields[name]; !issued || assumed.Is("form.repeated-field", "refused") {
			add("a second "+name+" behind it", func(_ issuedForm, items []formItem) []formItem { return itemBehind(items, second) })
			continue
		}
		rows = append(rows, attack{"a second " + name + " where OSS does not take it", func(t *testing.T) string {
			f := c.form(t, c.Ready.CallerToken, wish)
			where := itemBehind
			if assumed.Is("form.repeated-field", "last") {
				where = itemFirst
			}
			return c.asGranted(t, c.post(t, f.URL, where(f.with(content), second)), f, content)
		}, control})
	}
	for name, value := range smuggledMetadata {
		add("metadata of one's own, "+name, func(_ issuedForm, items []formItem) []formItem {
			return itemFirst(items, formItem{name: "x-oss-meta-note", value: value})
		})
	}
	add("a byte more", func(_ issuedForm, items []formItem) []formItem { return setItem(items, "file", string(content)+"x") })
	add("a byte less", func(_ issuedForm, items []formItem) []formItem { return setItem(items, "file", string(content[1:])) })
	add("no bytes", func(_ issuedForm, items []formItem) []formItem { return setItem(items, "file", "") })
	add("no file", func(_ issuedForm, items []formItem) []formItem { return withoutItem(items, "file") })
	return append(rows, attack{"the same form again", func(t *testing.T) string {
		f := c.form(t, c.Ready.CallerToken, wish)
		receipt := c.post(t, f.URL, f.with(content)).receipt(t, "form", f.Key, content)
		if breach := deniedByOSS(c.post(t, f.URL, f.with(bytes.ToUpper(content))), "FileAlreadyExists"); breach != "" {
			return breach
		}
		c.wantStored(t, f.Key, content)
		c.wantEvents(t, receipt, 1)
		return ""
	}, control})
}

// partAttacks are made on an upload of three parts, which is then completed.
func partAttacks(t *testing.T, c *campaign) []attack {
	contents, whole := threeParts(41)
	wish := map[string]any{"size": len(whole), "partSize": len(contents[0])}
	other := c.begin(t, wish)
	otherParts := other.send(t, 1, contents...)
	changed := func(edit func(t *testing.T, m *transfer, s *storageRequest)) func(*testing.T, *transfer) string {
		return func(t *testing.T, m *transfer) string {
			s := storageRequest{method: http.MethodPut, url: m.partURL(t, 1), header: http.Header{}, body: contents[0]}
			edit(t, m, &s)
			return deniedByOSS(s.sendTo(t, c.client), mismatch, invalid, "AccessDenied", "MethodNotAllowed", "InvalidRequest")
		}
	}
	simply := func(do func(*storageRequest)) func(*testing.T, *transfer) string {
		return changed(func(_ *testing.T, _ *transfer, s *storageRequest) { do(s) })
	}
	listed := func(edit func(parts []sentPart) []sentPart, fault string) func(*testing.T, *transfer) string {
		return func(t *testing.T, m *transfer) string {
			m.complete(t, edit(m.send(t, 1, contents...))).mismatch(t, "complete", fault)
			return ""
		}
	}
	var rows []attack
	for _, row := range []struct {
		name string
		try  func(t *testing.T, m *transfer) string
	}{
		{"a URL for the part behind the last", func(t *testing.T, m *transfer) string {
			return faulty(m.ask(t, http.MethodGet, "/4", nil), "partNumber")
		}},
		{"a URL for part 0", func(t *testing.T, m *transfer) string {
			return faulty(m.ask(t, http.MethodGet, "/0", nil), "partNumber")
		}},
		{"a URL for part -1", func(t *testing.T, m *transfer) string {
			return faulty(m.ask(t, http.MethodGet, "/-1", nil), "partNumber")
		}},
		{"a URL for part 1 in another spelling", func(t *testing.T, m *transfer) string {
			return faulty(m.ask(t, http.MethodGet, "/01", nil), "partNumber")
		}},
		{"a URL for part 10001", func(t *testing.T, m *transfer) string {
			return faulty(m.ask(t, http.MethodGet, "/10001", nil), "partNumber")
		}},
		{"a batch beyond the last", func(t *testing.T, m *transfer) string {
			return faulty(m.ask(t, http.MethodGet, "/batch?partNumbers=1-4", nil), "partNumbers")
		}},
		{"a batch without end", func(t *testing.T, m *transfer) string {
			return faulty(m.ask(t, http.MethodGet, "/batch?partNumbers=1-9223372036854775807", nil), "partNumbers")
		}},
		{"another's key in the query", func(t *testing.T, m *transfer) string {
			return faulty(m.ask(t, http.MethodGet, "/1?key="+other.Key, nil), "key")
		}},

		{"the number of another part", simply(setQuery("partNumber", "2"))},
		{"the number behind the last", simply(setQuery("partNumber", "4"))},
		{"another upload's id", changed(func(t *testing.T, _ *transfer, s *storageRequest) {
			setQuery("uploadId", c.open(t, uploadtoken.Multipart, other.UploadID).UploadID)(s)
		})},
		{"another upload's key", changed(func(_ *testing.T, m *transfer, s *storageRequest) {
			s.url = strings.Replace(s.url, m.Key, other.Key, 1)
		})},
		{"the signature of another part", changed(func(t *testing.T, m *transfer, s *storageRequest) {
			setQuery("partNumber", "2")(s)
			setQuery("x-oss-signature", signatureOf(m.partURL(t, 3)))(s)
		})},
		{"a byte more", changed(func(_ *testing.T, _ *transfer, s *storageRequest) { s.body = append(bytes.Clone(s.body), 0) })},
		{"a byte less", changed(func(_ *testing.T, _ *transfer, s *storageRequest) { s.body = s.body[1:] })},
		{"no length", changed(func(_ *testing.T, _ *transfer, s *storageRequest) { s.chunked = true })},
		{"a Content-Type", simply(setHeader("Content-Type", "text/html"))},
		{"an MD5", simply(setHeader("Content-MD5", md5Base64(contents[0])))},
		{"a copy source", simply(setHeader("x-oss-copy-source", "/ossupload-local/uploads/somebody/x"))},
		{"metadata", simply(setHeader("x-oss-meta-x", "y"))},
		{"its completion at OSS itself", simply(setMethod(http.MethodPost))},
		{"its abortion at OSS itself", simply(setMethod(http.MethodDelete))},
		{"a list of parts at OSS itself", simply(setMethod(http.MethodGet))},
		{"a PUT of the object itself", simply(func(s *storageRequest) { setQuery("uploadId", "")(s); setQuery("partNumber", "")(s) })},
		{"a longer life", simply(setQuery("x-oss-expires", "604800"))},

		{"completion without a part", func(t *testing.T, m *transfer) string {
			m.send(t, 1, contents[:2]...)
			m.complete(t, nil).mismatch(t, "complete", "3 missing")
			return ""
		}},
		{"completion with another upload's parts", func(t *testing.T, m *transfer) string {
			m.complete(t, otherParts).mismatch(t, "complete", "1 missing", "2 missing", "3 missing")
			return ""
		}},
		{"completion with a wrong ETag", listed(func(p []sentPart) []sentPart { p[1].ETag = strings.Repeat("0", 32); return p }, "2 etag_mismatch")},
		{"completion with a part twice", listed(func(p []sentPart) []sentPart { return append(p, p[2]) }, "3 duplicate")},
		{"completion in another order", listed(func(p []sentPart) []sentPart { p[0], p[1] = p[1], p[0]; return p }, "1 out_of_order")},
		{"completion with a part left out", listed(func(p []sentPart) []sentPart { return p[:2] }, "3 not_listed")},
		{"completion with a part behind the last", listed(func(p []sentPart) []sentPart { return append(p, sentPart{4, p[0].ETag}) }, "4 missing")},
		{"completion with a part that was swapped since", func(t *testing.T, m *transfer) string {
			parts := m.send(t, 1, contents...)
			m.send(t, 2, filler(len(contents[1]), 99))
			m.complete(t, parts).mismatch(t, "complete", "2 etag_mismatch")
			return ""
		}},
		{"completion with another checksum", func(t *testing.T, m *transfer) string {
			m.send(t, 1, contents...)
			m.ask(t, http.MethodPost, "/complete", map[string]any{"checksum": map[string]string{"crc64": "1"}}).checksum(t, "1", crcOf(whole))
			return ""
		}},
		{"confirmation before completion", func(t *testing.T, m *transfer) string { return denied(c.confirmToken(t, m.UploadID), "not_found") }},
		{"completion by another's token", func(t *testing.T, m *transfer) string {
			at := *m
			at.caller = c.caller(t, "somebody", nil)
			return denied(at.complete(t, nil), "invalid_token")
		}},
	} {
		m := c.begin(t, wish)
		rows = append(rows, attack{row.name, func(t *testing.T) string {
			breach := row.try(t, m)
			if _, ok := c.stored(t, m.Key); ok {
				breach = "an object was made"
			}
			return breach
		}, func(t *testing.T) string { return passed(m.complete(t, m.send(t, 1, contents...))) }})
	}
	return append(rows,
		attack{"abortion after completion", func(t *testing.T) string {
			m := c.begin(t, wish)
			m.complete(t, m.send(t, 1, contents...)).receipt(t, "complete", m.Key, whole)
			breach := denied(m.ask(t, http.MethodDelete, "", nil), "already_completed")
			c.wantStored(t, m.Key, whole)
			return breach
		}, func(t *testing.T) string { return passed(c.begin(t, wish).ask(t, http.MethodDelete, "", nil)) }},
		attack{"a part after completion", func(t *testing.T) string {
			m := c.begin(t, wish)
			m.complete(t, m.send(t, 1, contents...)).receipt(t, "complete", m.Key, whole)
			breach := deniedByOSS(m.offer(t, 1, filler(len(contents[0]), 98)), "NoSuchUpload")
			c.wantStored(t, m.Key, whole)
			return breach
		}, func(t *testing.T) string { return passed(c.begin(t, wish).offer(t, 1, contents[0])) }},
	)
}

func signatureOf(signed string) string {
	_, rest, _ := strings.Cut(signed, "x-oss-signature=")
	signature, _, _ := strings.Cut(rest, "&")
	return signature
}

// headersOf is what an object was stored with: its type, and its metadata with its
// grant.
func (r *rig) headersOf(t *testing.T, key string) map[string]string {
	t.Helper()
	stored, _, _ := storedIn(t, r.developer, r.Ready.Bucket, key)
	header := map[string]string{"Content-Type": stored.Get("Content-Type")}
	for name := range stored {
		if name := strings.ToLower(name); strings.HasPrefix(name, "x-oss-meta-") {
			header[name] = stored.Get(name)
		}
	}
	return header
}

// swapAttacks replace bytes after they were checked. Who can is the bucket's
// owner, or the holder of a URL whose object is gone. The event of the first
// bytes must never stand for the second.
func swapAttacks(_ *testing.T, c *campaign) []attack {
	reconfirmed := func(t *testing.T, u grantedPut, old string, codes ...string) string {
		for what, a := range map[string]reply{"token": c.confirmToken(t, u.token), "key": c.confirmKey(t, u.key)} {
			var got client.Receipt
			switch {
			case len(codes) > 0:
				if breach := denied(a, codes...); breach != "" {
					return "by " + what + " " + breach
				}
			case a.Status != http.StatusOK || jsonOf(a, &got) != nil || got.EventID == "" || got.EventID == old:
				return fmt.Sprintf("by %s: answered %v, want a receipt of another id than %s", what, a, old)
			}
		}
		return ""
	}
	upload := func(t *testing.T) (grantedPut, string) {
		u := c.grantPut(t, nil)
		return u, u.put(t).receipt(t, "PUT", u.key, u.content).EventID
	}
	control := func(t *testing.T) string {
		u, id := upload(t)
		for what, a := range map[string]reply{"token": c.confirmToken(t, u.token), "key": c.confirmKey(t, u.key)} {
			if got := a.receipt(t, "confirmed by "+what, u.key, u.content).EventID; got != id {
				return fmt.Sprintf("the same bytes have the id %s, and then %s", id, got)
			}
		}
		return ""
	}
	return []attack{
		{"other bytes in place of the first", func(t *testing.T) string {
			u, id := upload(t)
			c.store(t, u.key, u.header, bytes.ToUpper(u.content))
			return reconfirmed(t, u, id)
		}, control},
		{"other bytes after the first were deleted", func(t *testing.T) string {
			u, id := upload(t)
			c.erase(t, u.key)
			c.store(t, u.key, u.header, bytes.ToUpper(u.content))
			return reconfirmed(t, u, id)
		}, control},
		{"other bytes by the same URL after the first were deleted", func(t *testing.T) string {
			u, id := upload(t)
			c.erase(t, u.key)
			other := u
			other.content = bytes.ToUpper(u.content)
			if got := other.put(t).receipt(t, "PUT", u.key, other.content).EventID; got == id {
				return "the event of the first bytes stands for the second"
			}
			return reconfirmed(t, u, id)
		}, control},
		{"more bytes in place of the first", func(t *testing.T) string {
			u, id := upload(t)
			c.store(t, u.key, u.header, append(u.content, '!'))
			return reconfirmed(t, u, id, "object_mismatch")
		}, control},
		{"another type in place of the first", func(t *testing.T) string {
			u, id := upload(t)
			header := maps.Clone(u.header)
			header["Content-Type"] = "text/html"
			c.store(t, u.key, header, u.content)
			return reconfirmed(t, u, id, "object_mismatch")
		}, control},
		{"another encoding in place of the first", func(t *testing.T) string {
			u, id := upload(t)
			header := maps.Clone(u.header)
			header["Content-Encoding"] = "gzip"
			c.store(t, u.key, header, u.content)
			return reconfirmed(t, u, id, "object_mismatch")
		}, control},
		{"nothing in place of the first", func(t *testing.T) string {
			u, id := upload(t)
			c.erase(t, u.key)
			return reconfirmed(t, u, id, "not_found")
		}, control},
		{"a symlink to another's in place of the first", func(t *testing.T) string {
			u, id := upload(t)
			other, _ := upload(t)
			c.link(t, u.key, other.key, u.header)
			return reconfirmed(t, u, id, "object_mismatch")
		}, control},
		{"the first callback for the second bytes", func(t *testing.T) string {
			u, m := c.stage(t, nil, nil)
			if failure := passed(c.deliver(t, m)); failure != "" {
				return failure
			}
			c.store(t, u.key, u.header, bytes.ToUpper(u.content))
			return c.unbelieved(t, m, "object")
		}, c.honestCallback},
		{"the second bytes after completion", func(t *testing.T) string {
			m := c.begin(t, nil)
			m.send(t, 1, []byte("the first bytes"))
			first := m.complete(t, nil).receipt(t, "complete", m.Key, []byte("the first bytes"))
			// With all that the first were stored with, their grant among it.
			c.store(t, m.Key, c.headersOf(t, m.Key), []byte("the other bytes"))
			var got client.Receipt
			if a := m.complete(t, nil); a.Status != http.StatusOK || jsonOf(a, &got) != nil || got.EventID == first.EventID {
				return fmt.Sprintf("answered %v, want a receipt of another id", a)
			}
			return ""
		}, control},
	}
}
