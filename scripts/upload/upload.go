package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"time"

	"ossupload/scripts/internal/client"
)

// wish is what the user asks of every object.
type wish struct {
	contentType string            // empty: the extension of the name decides
	vars        map[string]string // for the application
	metadata    map[string]string // of the object
	partSize    int64             // 0: the server decides
}

// uploader uploads files to one endpoint, one after the other.
type uploader struct {
	client        *client.Client
	states        states
	wish          wish
	multipartFrom int64 // bytes
	progress      func(name string, size int64) *progress
}

// upload is the upload of one file.
type upload struct {
	client   *client.Client
	states   states
	wish     wish
	file     *file
	filename string // what the server is told
	progress *progress
}

// maxSinglePut is the largest object of one PUT ("Limits", OSS help centre).
const maxSinglePut = 5 << 30

// upload uploads the file and returns its receipt as one line of JSON.
func (u *uploader) upload(ctx context.Context, name string) (json.RawMessage, error) {
	opened, err := openFile(name)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	one := &upload{
		client: u.client, states: u.states, wish: u.wish,
		file: opened, filename: filepath.Base(opened.path),
		progress: u.progress(name, opened.size),
	}
	// The client is common to all files, what it tells the user is not.
	own := *u.client
	own.Retry.Failed = one.retrying
	one.client = &own

	send := one.put
	if size := opened.size; size > maxSinglePut || size > 0 && size >= u.multipartFrom {
		send = one.multipart
	}
	receipt, err := send(ctx)
	one.progress.finish(err == nil)
	return receipt, err
}

// retrying tells the user of a try that failed and will be repeated.
func (u *upload) retrying(f client.Failure) {
	if f.Again {
		u.progress.note("%s: %v; trying again in %v", f.What, f.Err, f.Pause.Round(10*time.Millisecond))
	}
}

// parting is how long something may take that is still done for an upload that
// has failed or was interrupted.
const parting = 5 * time.Second
