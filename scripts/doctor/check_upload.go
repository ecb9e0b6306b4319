package main

import (
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
		id: "upload.confirm", looks: "an upload can be confirmed again, by its key", run: confirmUploads, writes: true,
		after: []string{"functions.presign"}, mend: "look for the request id in the log of ossupload-complete", page: uploadPage,
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
			return failed("%s", told(err))
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
			return failed("%s: %s", g.Key, told(err))
		}
		receipt, err := client.ParseReceipt(a.Body)
		if err != nil {
			return failed("%s is stored, but %v", g.Key, err)
		}
		return p.keep(receipt, g.Key)
	}
}

// keep holds a receipt against what was sent.
func (p *patient) keep(r client.Receipt, key string) verdict {
	if err := r.Check(key, int64(len(content)), ""); err != nil {
		return failed("%s: %v", key, err)
	}
	p.receipts = append(p.receipts, r)
	return passed("it leaves %s, announced as %s", key, r.EventID)
}

func uploadMultipart(ctx context.Context, p *patient) verdict {
	if !slices.Contains(p.Settings.Policy.Methods, uploadtoken.MultipartPart) {
		return skipped("UPLOAD_METHODS does not list multipart")
	}
	c := p.caller()
	m, err := c.CreateMultipart(ctx, client.CreateRequest{Filename: "doctor", Type: p.contentType(), Size: new(int64(len(content)))})
	if err != nil {
		return failed("%s", told(err))
	}
	sign := func(ctx context.Context, number int, _ bool) (string, error) {
		u, err := c.PartURL(ctx, m.UploadID, number)
		return u.URL, err
	}
	part, _, err := c.SendPart(ctx, 1, 1, sign, client.Bytes(content))
	if err != nil {
		return failed("%s: %s; its parts stay until they are aborted", m.Key, told(err))
	}
	r, err := c.Complete(ctx, m.UploadID, client.CompleteRequest{Parts: []client.Part{part}})
	if err != nil {
		return failed("%s: %s; its parts stay until they are aborted", m.Key, told(err))
	}
	return p.keep(r, m.Key)
}

func confirmUploads(ctx context.Context, p *patient) verdict {
	confirmed := 0
	for _, r := range p.receipts {
		again, err := p.caller().ConfirmKey(ctx, r.Key)
		if r.Key == "" || client.IsStatus(err, 403, 404) {
			continue // of a URL without a grant, the key alone says nothing
		}
		if err != nil {
			return failed("%s: %s", r.Key, told(err))
		}
		if again.EventID != r.EventID {
			return failed("%s has the event %s, and then %s", r.Key, r.EventID, again.EventID)
		}
		confirmed++
	}
	if confirmed == 0 {
		return skipped("nothing was uploaded")
	}
	return passed("%d have one event each", confirmed)
}

func checkUploadEvents(_ context.Context, p *patient) verdict {
	var late []string
	for _, r := range p.receipts {
		if !r.Delivered {
			late = append(late, r.EventID)
		}
	}
	switch {
	case len(p.receipts) == 0:
		return skipped("nothing was uploaded")
	case p.Settings.Webhook.URL == "":
		return skipped("WEBHOOK_URL is not set: events are lines of the log")
	case len(late) > 0:
		return failed("%d of %d were not taken at once: %s", len(late), len(p.receipts), fmt.Sprint(late))
	}
	return passed("it took all %d", len(p.receipts))
}
