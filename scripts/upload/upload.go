package main

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
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

// placeVar is the name under which the application learns where a file lay in a
// folder.
const placeVar = "path"

// at adds where a file lay in a folder, if it lay in one.
func (w wish) at(place string) wish {
	if place == "" {
		return w
	}
	w.vars = maps.Clone(w.vars)
	if w.vars == nil {
		w.vars = make(map[string]string)
	}
	w.vars[placeVar] = place
	return w
}

// uploader uploads to one endpoint.
type uploader struct {
	client        *client.Client
	states        states
	wish          wish
	multipartFrom int64 // bytes
	slots         slots
	screen        *screen
	stdin         input
}

// input is standard input, and what the command line says of it.
type input struct {
	io.Reader
	name string // what the server is told
	size int64  // -1 if it is not known
}

// upload is the upload of one file, or of standard input, which has no file.
type upload struct {
	client   *client.Client
	states   states
	wish     wish
	slots    slots
	file     *file
	filename string // what the server is told
	progress *progress
}

// slots bounds how many bodies are on their way at once, of all files together.
type slots chan struct{}

// take waits for a slot, which done gives back.
func (s slots) take(ctx context.Context) (done func(), err error) {
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// maxSinglePut is the largest object of one PUT ("Limits", OSS help centre).
const maxSinglePut = 5 << 30

// upload uploads an item and returns its receipt as one line of JSON.
func (u *uploader) upload(ctx context.Context, i item) (receipt json.RawMessage, err error) {
	if i.err != nil {
		return nil, i.err
	}
	one := &upload{client: u.client, states: u.states, wish: u.wish.at(i.place), slots: u.slots}
	// The client is common to all files, what it tells the user is not.
	own := *u.client
	own.Retry.Failed = one.retrying
	one.client = &own
	if i.stdin {
		one.filename = u.stdin.name
		one.progress = u.screen.begin(u.stdin.name, u.stdin.size)
		defer func() { one.progress.finish(err == nil) }()
		return one.stream(ctx, u.stdin, u.stdin.size)
	}

	if one.file, err = openFile(i.name); err != nil {
		return nil, err
	}
	defer one.file.Close()
	one.filename = filepath.Base(one.file.path)
	one.progress = u.screen.begin(i.name, one.file.size)
	defer func() { one.progress.finish(err == nil) }()
	if size := one.file.size; size > maxSinglePut || size > 0 && size >= u.multipartFrom {
		return one.multipart(ctx)
	}
	return one.put(ctx)
}

// retrying tells the user of a try that failed and will be repeated, or that has
// stored the file all the same.
func (u *upload) retrying(f client.Failure) {
	switch {
	case f.Again:
		u.progress.note("%s: %v; trying again in %v", f.What, f.Err, f.Pause.Round(10*time.Millisecond))
	case client.IsStatus(f.Err, http.StatusNonAuthoritativeInfo):
		u.progress.note("%s: %v; it is stored, asking for its receipt", f.What, f.Err)
	}
}

// parting is how long something may take that is still done for an upload that
// has failed or was interrupted.
const parting = 5 * time.Second
