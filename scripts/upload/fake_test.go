package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/client/clienttest"
)

// fake is a deployment to which the program uploads.
type fake struct {
	*clienttest.Deployment
	t *testing.T
}

// step is what the deployment does instead of its work.
type step = clienttest.Step

const fakePartSize = clienttest.PartSize

func newFake(t *testing.T, steps map[string][]step) *fake {
	return &fake{clienttest.New(t, steps), t}
}

// outcome is that of one run of the program.
type outcome struct {
	receipts, said string
	err            error
}

// testFile writes a file of size bytes that are not all the same.
func testFile(t *testing.T, size int) (path string, content []byte) {
	t.Helper()
	content = randomBytes(size)
	path = filepath.Join(t.TempDir(), "file.bin")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

// upload uploads a file as one run of the program does, but never waits.
func (f *fake) upload(ctx context.Context, path, stateDir string, change func(*uploader)) outcome {
	f.t.Helper()
	return f.uploadItem(ctx, item{name: path}, stateDir, change)
}

func (f *fake) uploadItem(ctx context.Context, i item, stateDir string, change func(*uploader)) outcome {
	f.t.Helper()
	var o outcome
	var said bytes.Buffer
	transport := client.NewTransport(4)
	defer transport.CloseIdleConnections()
	u := &uploader{
		client: &client.Client{
			Endpoint: f.URL, Token: clienttest.Token, HTTP: client.NewHTTP(transport), Timeout: 20 * time.Second, Parallel: 4,
			Retry: client.Retry{Tries: 4, First: time.Second, Most: 20 * time.Second, MostAsked: 5 * time.Minute,
				Jitter: func() float64 { return 0 }, Timer: new(clienttest.Pauses).Timer},
		},
		states:        states{stateDir},
		multipartFrom: 150 << 10,
		slots:         make(slots, 4),
		screen:        newScreen(&said, lines, nil, time.Now),
	}
	if change != nil {
		change(u)
	}
	receipt, err := u.upload(ctx, i)
	o.receipts, o.said, o.err = string(receipt), said.String(), err
	for _, secret := range []string{clienttest.Token, clienttest.Upload, clienttest.Signature} {
		if strings.Contains(o.said, secret) || err != nil && strings.Contains(err.Error(), secret) {
			f.t.Errorf("the output has a secret: %s%v", o.said, err)
		}
	}
	if err == nil && (strings.Contains(o.receipts, "\n") || !json.Valid(receipt)) {
		f.t.Errorf("the receipt is %q, want one line of JSON", o.receipts)
	}
	return o
}

// wantStored fails the test unless the upload has a receipt and the object is
// the file.
func (f *fake) wantStored(o outcome, content []byte) {
	f.t.Helper()
	if o.err != nil {
		f.t.Fatalf("upload() = %v, want a receipt\n%s", o.err, o.said)
	}
	if !bytes.Equal(f.Object(), content) {
		f.t.Error("other bytes are stored than the file has")
	}
}

// wantNothing fails the test unless the upload failed with an error, and said
// so, and there is no object.
func (f *fake) wantNothing(o outcome, say string, is error) {
	f.t.Helper()
	if o.err == nil || !strings.Contains(o.err.Error(), say) || is != nil && !errors.Is(o.err, is) {
		f.t.Errorf("upload() = %v, want an error with %q", o.err, say)
	}
	if f.Object() != nil {
		f.t.Error("an object is stored, want none")
	}
}

// stateFiles are what is kept in a folder.
func stateFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}
