package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/stack"
	"ossupload/scripts/internal/stack/fc"
)

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// keyDocument is a key pair and its public half as a key server has it.
func keyDocument(t *testing.T) (*rsa.PrivateKey, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// keyURLAttacks name another URL for the public key than the one allowed. Those
// that could lead to a stranger are signed with the stranger's key, and the
// others with OSS's: each would be believed if its URL were.
func keyURLAttacks(t *testing.T, c *campaign) []attack {
	const published = "http://gosspublic.alicdn.com/callback_pub_key_v1.pem"
	strange, document := keyDocument(t)
	stranger := newTrap(t, document)
	redirecting := httptest.NewServer(http.RedirectHandler(c.Ready.OSS+stack.CallbackKeyPath, http.StatusFound))
	t.Cleanup(redirecting.Close)
	allowed := c.Ready.OSS + stack.CallbackKeyPath
	_, port, _ := strings.Cut(strings.TrimPrefix(c.Ready.OSS, "http://"), ":")
	_, theirs, _ := strings.Cut(strings.TrimPrefix(stranger.url, "http://"), ":")
	here, there := "127.0.0.1:"+port, "127.0.0.1:"+theirs

	_, honest := c.stage(t, nil, nil)
	named := func(key *rsa.PrivateKey, encoded ...string) message {
		m := c.signed(t, key, "application/x-www-form-urlencoded", honest.body)
		m.header["X-Oss-Pub-Key-Url"] = encoded
		return m
	}
	control := func(t *testing.T) string { return passed(c.deliver(t, named(c.CallbackKey, base64Of(allowed)))) }
	var rows []attack
	add := func(name string, key *rsa.PrivateKey, encoded ...string) {
		m := named(key, encoded...)
		rows = append(rows, attack{name, func(t *testing.T) string {
			before := stranger.connections.Load()
			if breach := c.unbelieved(t, m, "key_url"); breach != "" {
				return breach
			}
			if n := stranger.connections.Load() - before; n > 0 {
				return fmt.Sprintf("%d connections were made to a stranger's key server", n)
			}
			return ""
		}, control})
	}
	for name, to := range map[string]string{
		"a stranger's URL":                       "http://" + there + stack.CallbackKeyPath,
		"the allowed host as user":               "http://" + here + "@" + there + stack.CallbackKeyPath,
		"the allowed host as user and password":  "http://127.0.0.1:" + port + "@" + there + stack.CallbackKeyPath,
		"the published host as user":             "http://gosspublic.alicdn.com@" + there + "/callback_pub_key_v1.pem",
		"a stranger's port":                      strings.Replace(allowed, port, theirs, 1),
		"two ports":                              "http://127.0.0.1:" + theirs + ":" + port + stack.CallbackKeyPath,
		"the allowed URL as path":                stranger.url + "/" + allowed,
		"the allowed URL as query":               stranger.url + "/?" + allowed,
		"the allowed URL as fragment":            stranger.url + "/#" + allowed,
		"the allowed URL before a line feed":     allowed + "\n" + stranger.url,
		"the allowed URL behind a line feed":     stranger.url + "\n" + allowed,
		"the allowed URL and a comma":            allowed + "," + stranger.url,
		"the allowed URL and a semicolon":        stranger.url + ";" + allowed,
		"a backslash for the host's end":         "http://" + there + `\@` + here + stack.CallbackKeyPath,
		"a name that resolves to a stranger":     "http://localhost:" + theirs + stack.CallbackKeyPath,
		"the name as prefix of another":          "http://127.0.0.1.example.com:" + theirs + stack.CallbackKeyPath,
		"the published host as prefix":           "http://gosspublic.alicdn.com.example.com/callback_pub_key_v1.pem",
		"the published host as suffix":           "http://xgosspublic.alicdn.com/callback_pub_key_v1.pem",
		"the published host with a trailing dot": "http://gosspublic.alicdn.com./callback_pub_key_v1.pem",
		"the published host in Cyrillic letters": "http://gоsspublic.alicdn.com/callback_pub_key_v1.pem",
		"the published host in punycode":         "http://xn--gsspublic-9bh.alicdn.com/callback_pub_key_v1.pem",
		"the published host in fullwidth dots":   "http://gosspublic。alicdn。com/callback_pub_key_v1.pem",
		"the address as one number":              "http://2130706433:" + theirs + stack.CallbackKeyPath,
		"the address in hex":                     "http://0x7f.1:" + theirs + stack.CallbackKeyPath,
		"the address in octal":                   "http://0177.0.0.1:" + theirs + stack.CallbackKeyPath,
		"the address shortened":                  "http://127.1:" + theirs + stack.CallbackKeyPath,
		"loopback of IPv6":                       "http://[::1]:" + theirs + stack.CallbackKeyPath,
		"loopback as IPv4 in IPv6":               "http://[::ffff:127.0.0.1]:" + theirs + stack.CallbackKeyPath,
		"loopback as IPv4 in IPv6, in hex":       "http://[::ffff:7f00:1]:" + theirs + stack.CallbackKeyPath,
		"the wildcard address":                   "http://0.0.0.0:" + theirs + stack.CallbackKeyPath,
		"IPv6 with a zone":                       "http://[fe80::1%25lo]:" + theirs + stack.CallbackKeyPath,
		"a redirect to the allowed URL":          redirecting.URL + stack.CallbackKeyPath,
		"the metadata service":                   "http://100.100.100.200/latest/meta-data/ram/security-credentials/",
		"the metadata service of others":         "http://169.254.169.254/latest/meta-data/",
		"another bucket's object":                c.Ready.OSS + "/" + c.Ready.Bucket + "/uploads/demo/key.pem",
	} {
		add(name, strange, base64Of(to))
	}
	for name, to := range map[string]string{
		"userinfo":                           "http://x@" + here + stack.CallbackKeyPath,
		"empty userinfo":                     "http://@" + here + stack.CallbackKeyPath,
		"a password":                         "http://x:y@" + here + stack.CallbackKeyPath,
		"a port with a zero before it":       "http://127.0.0.1:0" + port + stack.CallbackKeyPath,
		"no port":                            "http://127.0.0.1" + stack.CallbackKeyPath,
		"an empty port":                      "http://127.0.0.1:" + stack.CallbackKeyPath,
		"a suffix":                           allowed + "x",
		"a slash as suffix":                  allowed + "/",
		"a prefix":                           "x" + allowed,
		"space before it":                    " " + allowed,
		"space behind it":                    allowed + " ",
		"a line feed behind it":              allowed + "\n",
		"a zero byte behind it":              allowed + "\x00",
		"a trailing dot of the host":         "http://127.0.0.1.:" + port + stack.CallbackKeyPath,
		"the scheme in capitals":             strings.Replace(allowed, "http", "HTTP", 1),
		"the path in capitals":               "http://" + here + strings.ToUpper(stack.CallbackKeyPath),
		"TLS where none is":                  strings.Replace(allowed, "http:", "https:", 1),
		"no scheme":                          strings.TrimPrefix(allowed, "http:"),
		"no scheme and no slashes":           here + stack.CallbackKeyPath,
		"one slash":                          strings.Replace(allowed, "//", "/", 1),
		"three slashes":                      strings.Replace(allowed, "//", "///", 1),
		"a path that climbs":                 "http://" + here + "/x/.." + stack.CallbackKeyPath,
		"a path that stays":                  "http://" + here + "/." + stack.CallbackKeyPath,
		"a path that climbs behind":          allowed + "/..",
		"an encoded letter of the path":      strings.Replace(allowed, "_local", "%5flocal", 1),
		"an encoded slash":                   "http://" + here + strings.Replace(stack.CallbackKeyPath, "/", "%2f", 2),
		"a doubled slash of the path":        "http://" + here + "/" + stack.CallbackKeyPath,
		"a fragment":                         allowed + "#x",
		"an empty fragment":                  allowed + "#",
		"a query":                            allowed + "?x",
		"an empty query":                     allowed + "?",
		"a parameter of the path":            allowed + ";x=y",
		"4 KiB of query":                     allowed + "?" + strings.Repeat("x", 4<<10),
		"encoded twice":                      base64Of(allowed),
		"the published URL, not configured":  published,
		"the published URL over TLS":         strings.Replace(published, "http:", "https:", 1),
		"another file of the published host": "http://gosspublic.alicdn.com/callback_pub_key_v2.pem",
		"a file of the function":             "file:///etc/passwd",
		"a document in itself":               "data:application/x-pem-file," + document,
		"an FTP server":                      "ftp://" + here + stack.CallbackKeyPath,
		"a gopher server":                    "gopher://" + here + "/_GET%20/",
		"nothing":                            "",
	} {
		add("the allowed URL with "+name, c.CallbackKey, base64Of(to))
	}
	good := base64Of(allowed)
	add("no base64", c.CallbackKey, allowed)
	add("base64 without padding or with more", c.CallbackKey, strings.TrimRight(good, "=")+"====")
	add("base64 with space inside", c.CallbackKey, good[:8]+" "+good[8:])
	add("base64 with a tab before it", c.CallbackKey, "\t,"+good)
	add("base64 in quotes", c.CallbackKey, `"`+good+`"`)
	add("base64 percent-encoded", c.CallbackKey, strings.ReplaceAll(good, "=", "%3D")+"%3D")
	add("base64 in capitals", c.CallbackKey, strings.ToUpper(good))
	add("base64 of another alphabet", c.CallbackKey, base64.URLEncoding.EncodeToString([]byte(allowed+"?>?>")))
	add("two URLs in two headers", c.CallbackKey, good, base64Of(stranger.url))
	add("the same URL in two headers", c.CallbackKey, good, good)
	add("two URLs in one header", c.CallbackKey, good+","+good)
	return rows
}

// keyServerAttacks allow URLs by configuration whose servers do what a server
// in somebody else's hands could do. Each must end in bounded time, and none
// may lead to another key.
func keyServerAttacks(t *testing.T, c *campaign) []attack {
	key, document := keyDocument(t)
	strange, strangeDocument := keyDocument(t)
	stranger := newTrap(t, strangeDocument)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	leaving := make(chan struct{})
	served := func(w http.ResponseWriter, r *http.Request) {
		switch strings.TrimPrefix(r.URL.Path, "/") {
		case "good":
			w.Write([]byte(document))
		case "redirect":
			http.Redirect(w, r, stranger.url, http.StatusFound)
		case "loop":
			http.Redirect(w, r, "/loop", http.StatusMovedPermanently)
		case "error-with-key":
			w.WriteHeader(http.StatusInternalServerError)
			w.Write([]byte(strangeDocument))
		case "empty-with-key":
			w.WriteHeader(http.StatusNoContent)
		case "huge":
			w.Write([]byte(strangeDocument + strings.Repeat("\n", 1<<20)))
		case "page":
			w.Write([]byte("<html>" + strangeDocument + "</html>"))
		case "drip":
			for _, b := range []byte(strangeDocument) {
				w.Write([]byte{b})
				w.(http.Flusher).Flush()
				select {
				case <-leaving:
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
		case "half":
			w.Header().Set("Content-Length", "9999")
			w.Write([]byte(strangeDocument))
		case "certificate":
			w.Write([]byte(strings.ReplaceAll(strangeDocument, "PUBLIC KEY", "CERTIFICATE")))
		case "two":
			w.Write([]byte(document + strangeDocument))
		}
	}
	server := httptest.NewServer(http.HandlerFunc(served))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(leaving) })
	names := []string{"redirect", "loop", "error-with-key", "empty-with-key", "huge", "page", "drip", "half", "certificate", "two"}
	urls := []string{server.URL + "/good", "http://" + silent.Addr().String() + "/silent"}
	for _, name := range names {
		urls = append(urls, server.URL+"/"+name)
	}
	l := startCallback(t, "https://api.example.com/callback", map[string]string{"CALLBACK_KEY_URLS": strings.Join(urls, ",")})
	address := l.behind(t, fc.TriggerHTTP) + "/callback"
	const body = "bucket=b&object=o&etag=e&size=1&reqId=r"
	ask := func(t *testing.T, key *rsa.PrivateKey, keyURL string) reply {
		return l.request(t, http.MethodPost, address, http.Header{
			"Authorization": {signCallback(t, key, "/callback", body)}, "X-Oss-Pub-Key-Url": {base64Of(keyURL)},
		}, []byte(body))
	}
	control := func(t *testing.T) string {
		a := ask(t, key, server.URL+"/good")
		if breach := denied(a, "callback_rejected"); breach != "" {
			return breach
		}
		if got := l.reason(t, a); got != "body" {
			return "refused for " + got + ", want body: its signature is good"
		}
		return ""
	}
	var rows []attack
	for _, keyURL := range urls[1:] {
		rows = append(rows, attack{keyURL[strings.LastIndexByte(keyURL, '/')+1:], func(t *testing.T) string {
			const most = 3 * time.Second // OSS waits five
			// The answer does not wait for a fetch that has no limit: that would drip
			// for half a minute, or be silent for good.
			const mostOfFetch = 10 * time.Second
			began := time.Now()
			a := ask(t, strange, keyURL)
			took := time.Since(began)
			l.logged.want(t, 0, `"msg":"public key `, `"url":"`+keyURL+`"`)
			fetched := time.Since(began)
			switch {
			case took > most || fetched > mostOfFetch:
				return fmt.Sprintf("it took %v and its fetch %v, want at most %v and %v", took, fetched, most, mostOfFetch)
			case stranger.connections.Load() > 0:
				return "a redirect was followed to a stranger"
			case a.Status == http.StatusForbidden && l.reason(t, a) == "signature":
				return "" // a key was had, and it was not the stranger's
			}
			return denied(a, "storage_error")
		}, control})
	}
	return append(rows, attack{"silent, and asked again by forty", func(t *testing.T) string {
		// The failure is remembered: a silent server costs one timeout, not forty.
		began := time.Now()
		for range 40 {
			if breach := denied(ask(t, strange, urls[1]), "storage_error"); breach != "" {
				return breach
			}
		}
		if took := time.Since(began); took > 6*time.Second { // forty timeouts take forty
			return fmt.Sprintf("forty took %v", took)
		}
		return ""
	}, control})
}
