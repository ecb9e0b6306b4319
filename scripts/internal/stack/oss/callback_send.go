package oss

import (
	"bytes"
	"context"
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	_ "image/gif"  // imageInfo
	_ "image/jpeg" // imageInfo
	_ "image/png"  // imageInfo
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// callbackTimeout bounds one attempt, connecting included.
	callbackTimeout = 5 * time.Second

	// maxCallbackAnswer is the smaller of the two limits that are
	// documented.
	maxCallbackAnswer = 1 << 20

	ecCallbackTimeout = "0007-00000202"
)

// callbackClient speaks to callback servers: IPv4 only, no proxy, a new
// connection each time, no redirects.
func callbackClient() *http.Client {
	dialer := &net.Dialer{}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				return dialer.DialContext(ctx, "tcp4", address)
			},
			DisableKeepAlives:  true, // sends Connection: close
			DisableCompression: true, // sends no Accept-Encoding
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func publicKeyPEM(key *rsa.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// callbackReply is what a callback server answered.
type callbackReply struct {
	contentType string
	body        []byte
}

// callbackFailure is why there is no such reply, in the words of OSS.
type callbackFailure struct{ message, ec string }

func (f *callbackFailure) Error() string { return f.message }

// sendCallback tells the application about a stored object and hands its
// reply to the uploader. When that fails the object stays stored, nothing is
// tried again, and the uploader gets 203 with CallbackFailed.
func (c *call) sendCallback(cb *callback, o *object) error {
	body := cb.render(c.callbackVariables(o), c.s.cfg.Assume)
	var reply *callbackReply
	var failure *callbackFailure
	switch fault := c.s.cfg.Fault("callback", "Callback"); fault {
	case fault500, fault503:
		failure = statusFailure(fault)
	case faultTimeout:
		failure = timeoutFailure(cb.urls[0].Host)
	case faultReset:
		failure = connectFailure()
	case faultStoredThenReset:
		c.tryCallback(cb, body)
		failure = connectFailure()
	default:
		reply, failure = c.tryCallback(cb, body)
	}
	if failure != nil {
		c.s.cfg.Log.Warn("oss stand-in: callback failed", "requestId", c.requestID, "reason", failure.message)
		ec := failure.ec
		// unconfirmed (callback.timeout-ec): that the two belong together.
		if ec == ecCallbackTimeout && c.assumes("callback.timeout-ec", "none") {
			ec = ""
		}
		return errorf(http.StatusNonAuthoritativeInfo, codeCallbackFailed, ec, failure.message)
	}
	return c.writeBody(http.StatusOK, reply.contentType, reply.body)
}

// tryCallback tries the URLs in order until one succeeds.
func (c *call) tryCallback(cb *callback, body []byte) (*callbackReply, *callbackFailure) {
	var failure *callbackFailure
	for _, u := range cb.urls {
		reply, err := c.postCallback(cb, u, body)
		if err == nil {
			return reply, nil
		}
		if !errors.As(err, &failure) {
			c.s.cfg.Log.Error("oss stand-in: callback not sent", "requestId", c.requestID, "err", err.Error())
			failure = connectFailure()
		}
	}
	return nil, failure
}

// postCallback makes one attempt. The uploader may go away meanwhile: the
// object is stored, so the callback is sent regardless.
func (c *call) postCallback(cb *callback, u *url.URL, body []byte) (*callbackReply, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), callbackTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	signature, err := signCallback(c.s.cfg.CallbackKey, u, body)
	if err != nil {
		return nil, err
	}
	if cb.host != "" {
		request.Host = cb.host
	}
	// The names are spelt as OSS spells them, which Set would not.
	header := request.Header
	for name, value := range cb.headers {
		header[name] = []string{value}
	}
	header["Content-Type"] = []string{cb.bodyType}
	header["Content-MD5"] = []string{md5Of(body)}
	header["Date"] = []string{c.s.cfg.Now().UTC().Format(http.TimeFormat)}
	header["User-Agent"] = []string{"aliyun-oss-callback"}
	header["Authorization"] = []string{signature}
	header["x-oss-pub-key-url"] = []string{base64.StdEncoding.EncodeToString([]byte(c.s.cfg.CallbackKeyURL))}
	header["x-oss-signature-version"] = []string{"1.0"}
	header["x-oss-tag"] = []string{"CALLBACK"}
	header["x-oss-bucket"] = []string{c.target.bucket}
	header["x-oss-request-id"] = []string{c.requestID}
	header["x-oss-requester"] = []string{accountID}
	header["x-oss-owner"] = []string{accountID}
	header["x-oss-additional-headers"] = []string{strings.Join(sortedNames(cb.headers), ";")}
	header["eagleeye-rpcid"] = []string{"0.1"}

	response, err := c.s.httpClient.Do(request)
	if err != nil {
		return nil, answerFailure(err, u.Host)
	}
	defer response.Body.Close()
	return c.readCallbackReply(response, u.Host)
}

// signCallback signs
//
//	percent-decoded path + "?query" as it is + "\n" + body
//
// with RSA-MD5, PKCS #1 v1.5. There is no "?" without a query.
func signCallback(key *rsa.PrivateKey, u *url.URL, body []byte) (string, error) {
	path := u.Path
	if path == "" {
		path = "/"
	}
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	digest := md5.Sum(append([]byte(path+"\n"), body...))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.MD5, digest[:])
	if err != nil {
		return "", fmt.Errorf("signing a callback: %w", err)
	}
	return base64.StdEncoding.EncodeToString(signature), nil
}

// readCallbackReply accepts exactly 200, a Content-Length, and a JSON object or XML
// of at most 1 MiB.
//
// unconfirmed (callback.answer-length): what OSS says of an answer without Content-Length, and whether
// JSON that is not an object passes.
func (c *call) readCallbackReply(response *http.Response, host string) (*callbackReply, error) {
	if response.StatusCode != http.StatusOK {
		return nil, statusFailure(strconv.Itoa(response.StatusCode))
	}
	if response.ContentLength > maxCallbackAnswer {
		return nil, &callbackFailure{message: "Error Status : 400.User server return too long content-length value"}
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxCallbackAnswer))
	if err != nil {
		return nil, answerFailure(err, host)
	}
	contentType := response.Header.Get("Content-Type")
	strict := c.assumes("callback.answer-length", "fails")
	valid := json.Valid
	if strict {
		valid = wellFormedObject
	}
	if mediaType, _, _ := strings.Cut(contentType, ";"); strings.TrimSpace(mediaType) == "application/xml" {
		valid = wellFormedXML
	}
	if strict && response.ContentLength < 0 || !valid(body) {
		return nil, &callbackFailure{"Response body is not valid json format.", "0007-00000205"}
	}
	return &callbackReply{contentType: contentType, body: body}, nil
}

func wellFormedObject(body []byte) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal(body, &object) == nil && object != nil
}

func wellFormedXML(body []byte) bool {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	elements := 0
	for {
		token, err := decoder.Token()
		if err != nil {
			return err == io.EOF && elements > 0
		}
		if _, ok := token.(xml.StartElement); ok {
			elements++
		}
	}
}

func statusFailure(status string) *callbackFailure {
	return &callbackFailure{"Error status : " + status + ".", "0007-00000203"}
}

func connectFailure() *callbackFailure {
	return &callbackFailure{message: "Error status : -1.OSS can not connect to your callbackUrl, please check it."}
}

// timeoutFailure carries the EC that is documented as "cost too long time".
func timeoutFailure(host string) *callbackFailure {
	return &callbackFailure{
		fmt.Sprintf("Error status : -1 %s reply timeout, cost:5000ms, timeout:5000ms (err -4, errno115)", host), ecCallbackTimeout,
	}
}

func answerFailure(err error, host string) *callbackFailure {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return timeoutFailure(host)
	}
	return connectFailure()
}

// callbackVariables are the values of the system variables for one upload.
func (c *call) callbackVariables(o *object) map[string]string {
	values := map[string]string{
		"bucket":     c.target.bucket,
		"object":     o.Key,
		"etag":       o.ETag,
		"size":       strconv.FormatInt(o.Size, 10),
		"mimeType":   o.Headers["Content-Type"],
		"crc64":      strconv.FormatUint(o.CRC, 10),
		"contentMd5": o.MD5,
		"clientIp":   c.clientIP(),
		"reqId":      c.requestID,
		"operation":  c.operation,
	}
	if _, f, err := c.s.store.open(c.target.bucket, o.Key, o.VersionID); err == nil {
		defer f.Close()
		if config, format, err := image.DecodeConfig(f); err == nil {
			values["imageInfo.height"] = strconv.Itoa(config.Height)
			values["imageInfo.width"] = strconv.Itoa(config.Width)
			values["imageInfo.format"] = format
		}
	}
	return values
}

func (c *call) clientIP() string {
	ip, _, _ := net.SplitHostPort(c.r.RemoteAddr)
	return ip
}

func sortedNames(headers map[string]string) []string {
	var names []string
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
