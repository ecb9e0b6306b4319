package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"ossupload/scripts/internal/client"
	"ossupload/shared/uploadtoken"
)

const uploadPage = "README.md#operate"

// uploadChecks upload a few bytes by every method, as a caller does. What they
// store stays: nobody but an operator deletes uploads.
var uploadChecks = []check{
	{
		id: "upload.put", looks: "an upload by PUT is stored, and OSS's callback brings the receipt", run: uploadBy(uploadtoken.Put, ""), writes: true,
		after: []string{"functions.presign"}, mend: "CallbackFailed: look for the reason in the log of ossupload-callback; AccessDenied: see role.write", page: uploadPage,
	},
	{
		id: "upload.form", looks: "the same by a form", run: uploadBy(uploadtoken.Form, "form"), writes: true,
		after: []string{"functions.presign"}, mend: "CallbackFailed: look for the reason in the log of ossupload-callback; AccessDenied: see role.write", page: uploadPage,
	},
	{
		id: "upload.url", looks: "the same by a URL without headers", run: uploadBy(uploadtoken.URL, "url"), writes: true,
		after: []string{"functions.presign"}, mend: "CallbackFailed: look for the reason in the log of ossupload-callback; AccessDenied: see role.write", page: uploadPage,
	},
	{
		id: "upload.multipart", looks: "a multipart upload is stored and completed", run: uploadMultipart, writes: true,
		after: []string{"functions.presign"}, mend: "look for the request id in the log of ossupload-complete", page: uploadPage,
	},
	{
		id: "upload.confirm", looks: "an upload can be confirmed again, with its token or its key", run: confirmUploads, writes: true,
		after: []string{"functions.presign"}, mend: "look for the request id in the log of ossupload-complete", page: uploadPage,
	},
	{
		id: "upload.download", looks: "what was uploaded can be downloaded, and is the same", run: downloadUpload, writes: true,
		after: []string{"functions.presign"}, mend: "see role.read, and OSS_DOWNLOAD_ENDPOINT", page: uploadPage,
	},
	{
		id: "upload.event", looks: "the application was told of these uploads", run: checkUploadEvents, writes: true,
		after: []string{"functions.presign"}, mend: "see webhook.reach and webhook.signature; what was not taken waits in the queue", page: webhookPage,
	},
}

var content = []byte("This is a test of ossupload. It may be deleted.\n")

// uploadBy uploads by a method of /presign. The receipt must come from OSS, and so
// from the callback: it is not asked for.
func uploadBy(method uploadtoken.Method, as string) func(context.Context, *patient) verdict {
	return func(ctx context.Context, p *patient) verdict {
		if !slices.Contains(p.Settings.Policy.Methods, method) {
			return skipped("UPLOAD_METHODS does not list %s", method)
		}
		c := p.caller()
		in := client.PresignRequest{Filename: "doctor", ContentType: p.contentType(), As: as, Size: new(int64(len(content)))}
		if method == uploadtoken.URL {
			in.ContentType = "" // it would be a header
		}
		g, err := c.Presign(ctx, in)
		if err != nil {
			return failed("%v", plain(err))
		}
		headers, source := g.Headers, client.Bytes(content)
		if g.Fields != nil {
			if headers, source, err = g.Form(in.Filename, source); err != nil {
				return failed("%v", err)
			}
		}
		a, err := c.Send(ctx, g.Method, g.URL, headers, source)
		if err == nil {
			err = a.Into(nil)
		}
		if err != nil {
			return failed("%s: %v", g.Key, plain(err))
		}
		receipt, err := client.ParseReceipt(a.Body)
		if err != nil {
			return failed("%s is stored, but %v", g.Key, err)
		}
		return p.keep(receipt, g.Key, g.UploadToken)
	}
}

// stored is an upload that was answered with its receipt.
type stored struct {
	client.Receipt
	token string // of the upload; "" where the object's key will do
}

// keep holds a receipt against what was sent.
func (p *patient) keep(r client.Receipt, key, token string) verdict {
	if err := r.Check(key, int64(len(content)), ""); err != nil {
		return failed("%s: %v", key, err)
	}
	p.uploads = append(p.uploads, stored{r, token})
	return passed("it leaves %s, announced as %s", key, r.EventID)
}

func uploadMultipart(ctx context.Context, p *patient) verdict {
	if !slices.Contains(p.Settings.Policy.Methods, uploadtoken.MultipartPart) {
		return skipped("UPLOAD_METHODS does not list multipart")
	}
	c := p.caller()
	m, err := c.CreateMultipart(ctx, client.CreateRequest{Filename: "doctor", Type: p.contentType(), Size: new(int64(len(content)))})
	if err != nil {
		return failed("%v", plain(err))
	}
	sign := func(ctx context.Context, number int, _ bool) (string, error) {
		u, err := c.PartURL(ctx, m.UploadID, number)
		return u.URL, err
	}
	part, _, err := c.SendPart(ctx, 1, 1, sign, client.Bytes(content))
	if err != nil {
		return failed("%s: %v; its parts stay until they are aborted", m.Key, plain(err))
	}
	r, err := c.Complete(ctx, m.UploadID, client.CompleteRequest{Parts: []client.Part{part}})
	if err != nil {
		return failed("%s: %v; its parts stay until they are aborted", m.Key, plain(err))
	}
	return p.keep(r, m.Key, "")
}

func confirmUploads(ctx context.Context, p *patient) verdict {
	for _, u := range p.uploads {
		again, err := p.confirm(ctx, u)
		switch {
		case err != nil:
			return failed("%s: %v", u.Key, plain(err))
		case again.EventID != u.EventID:
			return failed("%s has the event %s, and then %s", u.Key, u.EventID, again.EventID)
		}
	}
	if len(p.uploads) == 0 {
		return skipped("nothing was uploaded")
	}
	return passed("each has one event")
}

func (p *patient) confirm(ctx context.Context, u stored) (client.Receipt, error) {
	if u.token == "" {
		return p.caller().ConfirmKey(ctx, u.Key)
	}
	return p.caller().Confirm(ctx, u.token)
}

func downloadUpload(ctx context.Context, p *patient) verdict {
	if len(p.uploads) == 0 {
		return skipped("nothing was uploaded")
	}
	u, err := p.caller().Download(ctx, client.DownloadRequest{Key: p.uploads[0].Key})
	if err != nil {
		return failed("%v", plain(err))
	}
	got, err := p.caller().Fetch(ctx, u)
	switch {
	case err != nil:
		return failed("%v", plain(err))
	case !bytes.Equal(got, content):
		return failed("%s is stored with other bytes than were sent", p.uploads[0].Key)
	}
	return passed("%d bytes, the same", len(got))
}

func checkUploadEvents(_ context.Context, p *patient) verdict {
	var late []string
	for _, r := range p.uploads {
		if !r.Delivered {
			late = append(late, r.EventID)
		}
	}
	switch {
	case len(p.uploads) == 0:
		return skipped("nothing was uploaded")
	case p.Settings.Webhook.URL == "":
		return skipped("WEBHOOK_URL is not set: events are lines of the log")
	case len(late) > 0:
		return failed("%d of %d were not taken at once: %s", len(late), len(p.uploads), fmt.Sprint(late))
	}
	return passed("it took all %d", len(p.uploads))
}
