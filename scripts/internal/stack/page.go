package stack

import (
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"

	"ossupload/scripts/clients/browser"
	"ossupload/scripts/internal/explain"
)

// pageFiles are the page at / and what it loads. Together with the browser
// client they are all of it: there is no build step, and no other host.
//
//go:embed page/*.html page/*.js page/*.css page/*.svg
var pageFiles embed.FS

const (
	pagePath    = "/_local/page/"
	sessionPath = "/_local/session"

	// uppyFile is a module that page.js can load, so that the page can upload with
	// Uppy too.
	uppyFile = "uppy.js"

	// explainRules is the module of the rules by which explain.js explains errors.
	explainRules = "explain-rules.js"
)

// servePage answers GET / and GET /_local/page/…
func (s *Stack) servePage(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, pagePath)
	if r.URL.Path == "/" {
		if !s.ownHost(r) {
			// localhost, most often. Uploads belong to one origin, and so does
			// the caller's token.
			http.Redirect(w, r, s.Ready.Gateway+"/", http.StatusTemporaryRedirect)
			return
		}
		name = "index.html"
	}
	content, err := s.readPageFile(name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Type", contentTypeOf(name))
	header.Set("Content-Security-Policy", s.pagePolicy())
	header.Set("Cache-Control", "no-cache")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	w.Write(content)
}

// readPageFile returns one of the files that the page is made of.
func (s *Stack) readPageFile(name string) ([]byte, error) {
	if name == explainRules {
		return append([]byte("export default "), explain.Rules...), nil
	}
	if name == uppyFile {
		if s.uppyDir == "" {
			return nil, fs.ErrNotExist
		}
		return os.ReadFile(filepath.Join(s.uppyDir, uppyFile))
	}
	content, err := browser.Modules.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return pageFiles.ReadFile("page/" + name)
	}
	return content, err
}

// contentTypeOf does not depend on the tables of this machine for what a
// browser is strict about.
func contentTypeOf(name string) string {
	if path.Ext(name) == ".js" {
		return "text/javascript; charset=utf-8"
	}
	return mime.TypeByExtension(path.Ext(name))
}

// pagePolicy lets the page load what is served here, and talk to this address
// and to OSS.
func (s *Stack) pagePolicy() string {
	return "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' " + s.Ready.OSS +
		"; img-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// session is what the page needs to upload as the caller of the ready line.
type session struct {
	Endpoint string `json:"endpoint"`
	Token    string `json:"token"`
	Header   string `json:"tokenHeader,omitempty"` // Authorization if empty
	Bucket   string `json:"bucket"`
	Region   string `json:"region"`
	Uppy     bool   `json:"uppy"` // whether uppy.js can be loaded

	// What the functions allow, as their settings say it, so that the page can tell
	// it where something is refused.
	Types   string `json:"types"`
	MaxSize string `json:"maxSize"` // bytes
	Methods string `json:"methods"`
}

// serveSession hands the caller's token to the page, and to no other. A foreign
// page cannot read the answer, since no CORS header allows it, and is refused
// by what the browser says of it; a page whose host name was made to point here
// (DNS rebinding) passes for the same site, but sends its own name as Host.
func (s *Stack) serveSession(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	site := r.Header.Get("Sec-Fetch-Site")
	if !s.ownHost(r) || site != "" && site != "same-origin" {
		http.Error(w, "only the page at "+s.Ready.Gateway+"/ may ask", http.StatusForbidden)
		return
	}
	_, err := s.readPageFile(uppyFile)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	// The only possible error is that the client has left.
	_ = json.NewEncoder(w).Encode(session{
		Endpoint: s.Ready.Gateway,
		Token:    s.Ready.CallerToken,
		Header:   s.Ready.TokenHeader,
		Bucket:   s.Ready.Bucket,
		Region:   s.Ready.Region,
		Uppy:     err == nil,
		Types:    s.Settings.Get("UPLOAD_CONTENT_TYPES"),
		MaxSize:  s.Settings.Get("UPLOAD_MAX_SIZE"),
		Methods:  s.Settings.Get("UPLOAD_METHODS"),
	})
}

// ownHost reports whether r was sent to the address that this gateway listens
// on, by that very name. Browsers leave port 80 out.
func (s *Stack) ownHost(r *http.Request) bool {
	own := strings.TrimPrefix(s.Ready.Gateway, "http://")
	return strings.TrimSuffix(r.Host, ":80") == strings.TrimSuffix(own, ":80")
}
