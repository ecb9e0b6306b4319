package storage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"ossupload/shared/storage"
)

var listedAt = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// listing answers with these keys, encoded as OSS does when it is asked to.
func listing(w io.Writer, more bool, keys ...string) {
	fmt.Fprintf(w, "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>%v</IsTruncated>", more)
	for i, key := range keys {
		fmt.Fprintf(w, `<Contents><Key>%s</Key><ETag>"E%d"</ETag><LastModified>2026-11-20T10:00:00.000Z</LastModified><Size>%d</Size></Contents>`, url.QueryEscape(key), i+1, 10*i+1)
	}
	io.WriteString(w, "</ListBucketResult>")
}

func TestList(t *testing.T) {
	var query url.Values
	c, got := serve(t, func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.Query()
		listing(w, true, "u/a b", "u/夏&<")
	})
	page, err := c.List(t.Context(), "u/", "u/a", 2)
	want := storage.Page{More: true, Objects: []storage.Listed{{Key: "u/a b", ETag: "E1", Size: 1, LastModified: listedAt}, {Key: "u/夏&<", ETag: "E2", Size: 11, LastModified: listedAt}}}
	if err != nil || !reflect.DeepEqual(page, want) {
		t.Errorf("List = %+v, %v, want %+v", page, err, want)
	}
	for name, want := range map[string]string{"list-type": "2", "prefix": "u/", "start-after": "u/a", "max-keys": "2", "encoding-type": "url"} {
		if query.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, query.Get(name), want)
		}
	}
	if len(*got) != 1 {
		t.Errorf("requests = %q, want one", *got)
	}
	if _, err := c.List(t.Context(), "", "", 2); err != nil || query.Has("prefix") || query.Has("start-after") {
		t.Errorf("List of everything = %v, with the query %v", err, query)
	}
}

// Whoever follows pages must come to an end, whatever the server says.
func TestListRefusesPagesThatDoNotGoForward(t *testing.T) {
	for name, page := range map[string]struct {
		more bool
		keys []string
	}{
		"nothing, and more":      {true, nil},
		"the same key again":     {true, []string{"u/a"}},
		"an earlier key":         {false, []string{"u/0"}},
		"keys out of order":      {false, []string{"u/c", "u/b"}},
		"a key twice":            {false, []string{"u/c", "u/c"}},
		"keys beside the prefix": {false, []string{"v/a"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { listing(w, page.more, page.keys...) })
			if got, err := c.List(t.Context(), "u/", "u/a", 10); !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("List = %+v, %v, want ErrUnavailable", got, err)
			}
		})
	}
}

func TestListUploads(t *testing.T) {
	var query url.Values
	answer := []string{"u/a b", "2", "u/a b", "1", "u/夏", "3"} // ids of one key in any order
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.Query()
		io.WriteString(w, "<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>")
		for i := 0; i < len(answer); i += 2 {
			fmt.Fprintf(w, "<Upload><Key>%s</Key><UploadId>%s</UploadId><Initiated>2026-11-20T10:00:00.000Z</Initiated></Upload>", url.QueryEscape(answer[i]), answer[i+1])
		}
		io.WriteString(w, "</ListMultipartUploadsResult>")
	})
	page, err := c.ListUploads(t.Context(), "u/", storage.Unfinished{Key: "u/a b", ID: "0"}, 3)
	want := storage.UnfinishedPage{More: true, Uploads: []storage.Unfinished{{Key: "u/a b", ID: "2", Initiated: listedAt}, {Key: "u/a b", ID: "1", Initiated: listedAt}, {Key: "u/夏", ID: "3", Initiated: listedAt}}}
	if err != nil || !reflect.DeepEqual(page, want) {
		t.Errorf("ListUploads = %+v, %v, want %+v", page, err, want)
	}
	for name, want := range map[string]string{"prefix": "u/", "key-marker": "u/a b", "upload-id-marker": "0", "max-uploads": "3"} {
		if query.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, query.Get(name), want)
		}
	}
	for name, bad := range map[string][]string{
		"nothing, and more":      nil,
		"the same upload again":  {"u/a b", "0"},
		"an earlier key":         {"u/0", "1"},
		"keys beside the prefix": {"v/a", "1"},
	} {
		answer = bad
		if got, err := c.ListUploads(t.Context(), "u/", storage.Unfinished{Key: "u/a b", ID: "0"}, 3); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("%s: ListUploads = %+v, %v, want ErrUnavailable", name, got, err)
		}
	}
}

func TestGet(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "0123456789") })
	if content, err := c.Get(t.Context(), "k", 10); err != nil || string(content) != "0123456789" {
		t.Errorf("Get = %q, %v, want all of it", content, err)
	}
	if content, err := c.Get(t.Context(), "k", 9); !errors.Is(err, storage.ErrTooLarge) || content != nil {
		t.Errorf("Get of more than expected = %q, %v, want ErrTooLarge", content, err)
	}
}

func TestPut(t *testing.T) {
	var header http.Header
	var body string
	c, got := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		header, body = r.Header, string(b)
	})
	for _, content := range []string{"", "content"} {
		*got = nil
		if err := c.Put(t.Context(), "u/a b", []byte(content)); err != nil || body != content {
			t.Errorf("Put(%q) = %v, stored %q", content, err, body)
		}
		if len(*got) != 1 || (*got)[0] != "PUT /examplebucket/u/a%20b" {
			t.Errorf("requests = %q", *got)
		}
		if header.Get("Content-Type") != "application/octet-stream" || header.Get("x-oss-storage-class") != "Standard" {
			t.Errorf("headers = %v", header)
		}
	}
}

func TestReasonsOfObjects(t *testing.T) {
	calls := map[string]func(context.Context, *storage.Client) error{
		"List": func(ctx context.Context, c *storage.Client) error { _, err := c.List(ctx, "", "", 1); return err },
		"ListUploads": func(ctx context.Context, c *storage.Client) error {
			_, err := c.ListUploads(ctx, "", storage.Unfinished{}, 1)
			return err
		},
		"Get":    func(ctx context.Context, c *storage.Client) error { _, err := c.Get(ctx, "k", 1); return err },
		"Put":    func(ctx context.Context, c *storage.Client) error { return c.Put(ctx, "k", []byte("content")) },
		"Delete": func(ctx context.Context, c *storage.Client) error { return c.Delete(ctx, "k") },
	}
	for name, call := range calls {
		for _, tt := range []struct {
			status int
			code   string
			want   error
			tries  int
		}{
			{403, "AccessDenied", storage.ErrDenied, 1},
			{404, "NoSuchBucket", storage.ErrUnavailable, 1},
			{500, "InternalError", storage.ErrUnavailable, 2},
			{503, "ServiceUnavailable", storage.ErrThrottled, 2},
		} {
			t.Run(fmt.Sprint(name, " answered ", tt.status), func(t *testing.T) {
				t.Parallel() // the SDK waits before it tries again
				c, got := serve(t, func(w http.ResponseWriter, r *http.Request) { fail(w, r, tt.status, tt.code) })
				err := call(t.Context(), c)
				tries := tt.tries
				if name == "Get" && tt.want == storage.ErrDenied {
					tries++ // a list, which may say that it is not there
				}
				if !errors.Is(err, tt.want) || len(*got) != tries {
					t.Errorf("error = %v after %d tries, want %v after %d", err, len(*got), tt.want, tries)
				}
				if text := fmt.Sprint(err); strings.Contains(text, token) || strings.Contains(text, secret) {
					t.Errorf("error %q holds a secret", text)
				}
			})
		}
		t.Run(name+" has a deadline", func(t *testing.T) {
			t.Parallel() // it waits for the deadline
			c, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body) // only then net/http notices that the client has left
				<-r.Context().Done()
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := call(ctx, c); !errors.Is(err, storage.ErrTimeout) {
				t.Errorf("error = %v, want ErrTimeout", err)
			}
		})
	}
	t.Run("an object that is not there", func(t *testing.T) {
		c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { fail(w, r, 404, "NoSuchKey") })
		if err := calls["Get"](t.Context(), c); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Get = %v, want ErrNotFound", err)
		}
	})
}
