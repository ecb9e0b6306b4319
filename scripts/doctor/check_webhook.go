package main

import (
	"context"
	"net/http"
	"time"

	"ossupload/scripts/internal/client"
	"ossupload/scripts/internal/testevent"
	"ossupload/shared/settings"
)

const webhookPage = "README.md#what-a-receiver-must-do"

// webhookChecks send test events, which a receiver ignores as it does every type
// that it does not know.
var webhookChecks = []check{
	{
		id: "webhook.reach", looks: "the application's receiver answers a test event, with a certificate of its name", run: checkWebhookReach,
		mend: "let WEBHOOK_URL lead to your receiver, which answers by itself and without redirects", page: webhookPage,
	},
	{
		id: "webhook.signature", looks: "the receiver takes what is signed with WEBHOOK_SECRETS", run: checkWebhookSignature, after: []string{"webhook.reach", "clock"},
		mend: "give the receiver one of WEBHOOK_SECRETS, and have it verify the raw body", page: webhookPage,
	},
	{
		id: "webhook.forged", looks: "the receiver refuses what somebody else has signed", run: checkWebhookForged, after: []string{"webhook.signature"},
		mend: "have the receiver verify the signature before anything else: now anybody can tell it of uploads", page: webhookPage,
	},
}

// sendEvent sends a test event as settings say.
func (p *patient) sendEvent(ctx context.Context, w settings.Webhook) (testevent.Answer, error) {
	s := testevent.Sender{Webhook: w, Transport: p.transport, Now: p.now, Random: p.random}
	return s.Send(ctx, nil)
}

func checkWebhookReach(ctx context.Context, p *patient) verdict {
	w := p.Settings.Webhook
	if w.URL == "" {
		return skipped("WEBHOOK_URL is not set: events are lines of the log")
	}
	a, err := p.sendEvent(ctx, w)
	switch {
	case err != nil && certificateFault(err, nameOf(w.URL)) != "":
		return failed("%s: %s", hostOf(w.URL), certificateFault(err, nameOf(w.URL)))
	case err != nil:
		return failed("%s does not answer: %v", hostOf(w.URL), plain(err))
	case !a.Taken() && !refusedEvent(a.Status):
		return failed("%s answers %s", hostOf(w.URL), client.Clean(a.Text))
	}
	return passed("%s answers in %v", hostOf(w.URL), a.Took.Round(time.Millisecond))
}

// refusedEvent reports whether a status may be about the signature.
func refusedEvent(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusUnauthorized || status == http.StatusForbidden
}

func checkWebhookSignature(ctx context.Context, p *patient) verdict {
	a, err := p.sendEvent(ctx, p.Settings.Webhook)
	switch {
	case err != nil:
		return failed("%s does not answer any more: %v", hostOf(p.Settings.Webhook.URL), plain(err))
	case !a.Taken():
		return failed("%s answers %s", hostOf(p.Settings.Webhook.URL), client.Clean(a.Text))
	}
	return passed("it takes %s, a test", a.ID)
}

func checkWebhookForged(ctx context.Context, p *patient) verdict {
	forged := p.Settings.Webhook
	forged.Secrets = [][]byte{[]byte(p.unused(""))}
	a, err := p.sendEvent(ctx, forged)
	switch {
	case err != nil:
		return skipped("%s does not answer any more: %v", hostOf(forged.URL), plain(err))
	case a.Taken():
		return failed("it takes %s, which is signed with a secret that nobody has", a.ID)
	}
	return passed("it answers %s", client.Clean(a.Text))
}
