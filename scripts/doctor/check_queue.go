package main

import (
	"context"
	"fmt"
	"iter"
	"time"

	"ossupload/shared/outbox"
)

const queuePage = "README.md#operate"

// queueChecks look at what waits to be delivered.
var queueChecks = []check{
	{
		id: "queue.depth", looks: "few events wait to be delivered", run: checkQueueDepth, after: []string{"oss.access"},
		mend: "look at webhook.reach, and at the log of ossupload-repair, whose timer delivers them", page: queuePage,
	},
	{
		id: "queue.sealed", looks: "what waits opens with UPLOAD_TOKEN_SECRETS", run: checkQueueSealed, after: []string{"queue.depth"},
		mend: "keep a secret in the list while something waits that it has sealed", page: queuePage,
	},
	{
		id: "queue.timer", looks: "what is due is tried: the timer of ossupload-repair runs", run: checkQueueTimer, after: []string{"queue.depth"},
		mend: "look at the timer \"deliver\" of ossupload-repair, and at its log", page: queuePage,
	},
	{
		id: "queue.age", looks: "no event has waited for long", run: checkQueueAge, after: []string{"queue.depth"},
		mend: "look at what your receiver answers: go run ./scripts/deliver test", page: queuePage,
	},
	{
		id: "queue.dead", looks: "no event was given up", run: checkQueueDead, after: []string{"oss.access"},
		mend: "when the receiver takes events again: go run ./scripts/deliver revive -all", page: queuePage,
	},
}

const (
	queueReads = 300 // entries at most: each is a call
	queueWarns = 100
	lateFails  = 15 * time.Minute // after it was due
	ageFails   = 2 * time.Hour    // since it was queued
)

// listing reads the beginning of a list of the queue.
func listing(list iter.Seq2[outbox.Listed, error]) ([]outbox.Listed, error) {
	var all []outbox.Listed
	for l, err := range list {
		if err != nil {
			return nil, err
		}
		if all = append(all, l); len(all) == queueReads {
			break
		}
	}
	return all, nil
}

func count(n int) string {
	if n >= queueReads {
		return fmt.Sprintf("%d or more", n)
	}
	return fmt.Sprint(n)
}

func checkQueueDepth(ctx context.Context, p *patient) verdict {
	waiting, err := listing(p.Queue.Pending(ctx))
	p.waiting = waiting
	switch {
	case err != nil:
		return failed("it cannot be read: %v", err)
	case len(waiting) >= queueReads:
		return failed("%s wait", count(len(waiting)))
	case len(waiting) > queueWarns:
		return warned("%d wait", len(waiting))
	}
	return passed("%d wait", len(waiting))
}

func checkQueueSealed(_ context.Context, p *patient) verdict {
	for _, l := range p.waiting {
		if l.Entry == nil {
			return failed("%s does not open: %v", l.Name, l.Err)
		}
	}
	return passed("all of it opens")
}

func checkQueueTimer(_ context.Context, p *patient) verdict {
	for _, l := range p.waiting {
		if late := p.now().Sub(l.Due); l.Entry != nil && !l.Due.IsZero() && late > lateFails {
			return failed("%s was due %v ago", l.Name, late.Round(time.Minute))
		}
	}
	return passed("nothing is overdue")
}

func checkQueueAge(_ context.Context, p *patient) verdict {
	for _, l := range p.waiting {
		if l.Entry == nil {
			continue
		}
		if age := p.now().Sub(l.Entry.Queued); age > ageFails {
			return failed("%s has waited for %v", l.Name, age.Round(time.Minute))
		}
	}
	return passed("none has waited for over %v", ageFails)
}

func checkQueueDead(ctx context.Context, p *patient) verdict {
	dead, err := listing(p.Queue.Dead(ctx))
	switch {
	case err != nil:
		return failed("the dead cannot be read: %v", err)
	case len(dead) > 0:
		return failed("%s dead, the first since %s", count(len(dead)), dead[0].Since.UTC().Format(time.RFC3339))
	}
	return passed("none is dead")
}
