package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"
	"text/tabwriter"
	"time"

	"ossupload/shared/outbox"
)

// queue is what is asked of the outbox: outbox.Queue.
type queue interface {
	Pending(ctx context.Context) iter.Seq2[outbox.Listed, error]
	Dead(ctx context.Context) iter.Seq2[outbox.Listed, error]
	Revive(ctx context.Context, name string) (outbox.Entry, error)
}

// operator looks into the outbox, and revives.
type operator struct {
	queue queue
	max   int // entries of each list
	out   io.Writer
}

func (o operator) do(ctx context.Context, c command) error {
	switch c.verb {
	case "show":
		return o.show(ctx, c.names[0])
	case "revive":
		return o.revive(ctx, c.names)
	}
	return o.list(ctx)
}

// list prints a line for each entry, the earliest first:
//
//	STATE    DUE                   ID       TYPE              ATTEMPTS  FIRST QUEUED          KEY
//	pending  2026-11-21T10:00:00Z  evt_3e…  upload.completed  2         2026-11-21T09:51:00Z  uploads/alice/2026/11/….png
//	dead     -                     evt_72…  upload.completed  91        2026-11-18T08:00:00Z  uploads/alice/2026/11/….mp4
func (o operator) list(ctx context.Context) error {
	pending, err := o.first(o.queue.Pending(ctx))
	if err != nil {
		return err
	}
	dead, err := o.first(o.queue.Dead(ctx))
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "STATE\tDUE\tID\tTYPE\tATTEMPTS\tFIRST QUEUED\tKEY")
	for _, l := range pending {
		fmt.Fprintln(table, "pending\t"+timeText(l.Due)+"\t"+fields(l))
	}
	for _, l := range dead {
		fmt.Fprintln(table, "dead\t-\t"+fields(l))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing the list: %w", err)
	}
	return o.sum(len(pending), len(dead))
}

// first reads the first of a list, as many as are wanted.
func (o operator) first(list iter.Seq2[outbox.Listed, error]) ([]outbox.Listed, error) {
	var first []outbox.Listed
	for l, err := range list {
		if err != nil {
			return nil, err
		}
		if first = append(first, l); len(first) == o.max {
			break
		}
	}
	return first, nil
}

// sum says how many there are, and what the lists may have left out.
func (o operator) sum(pending, dead int) error {
	text := fmt.Sprintf("%d pending, %d dead", pending, dead)
	if pending == o.max || dead == o.max {
		text += fmt.Sprintf("; of each at most %d are read, see -max", o.max)
	}
	_, err := fmt.Fprintln(o.out, text)
	return err
}

// fields are what is known of an entry.
func fields(l outbox.Listed) string {
	if l.Entry == nil {
		return fmt.Sprintf("%s\t(unreadable)\t-\t%s\t%v", name(l), timeText(l.Since), l.Err)
	}
	kind := l.Entry.Type
	if kind == "" {
		kind = string(l.Entry.Kind)
	}
	return fmt.Sprintf("%s\t%s\t%d\t%s\t%s", name(l), kind, l.Entry.Attempt, timeText(l.Entry.Queued), l.Entry.Key)
}

// name is what an entry is called here: its id or, if it does not open, the last
// part of its object's name.
func name(l outbox.Listed) string {
	if l.Entry == nil {
		return path.Base(l.Name)
	}
	return l.Entry.ID
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// show prints the exact body of an event.
func (o operator) show(ctx context.Context, wanted string) error {
	for _, list := range []iter.Seq2[outbox.Listed, error]{o.queue.Dead(ctx), o.queue.Pending(ctx)} {
		listed, err := o.first(list)
		if err != nil {
			return err
		}
		for _, l := range listed {
			if name(l) == wanted || l.Name == wanted {
				return o.print(l)
			}
		}
	}
	return fmt.Errorf("showing %q: there is no such event among the first %d of each list", wanted, o.max)
}

func (o operator) print(l outbox.Listed) error {
	switch {
	case l.Entry == nil:
		return fmt.Errorf("showing %q: %w", name(l), l.Err)
	case len(l.Entry.Body) == 0:
		return fmt.Errorf("showing %q: it is no event yet: the object %s is to be looked at", name(l), l.Entry.Key)
	}
	_, err := fmt.Fprintf(o.out, "%s\n", l.Entry.Body)
	return err
}

// revive queues dead entries again, all of them if there are no names. One that
// fails keeps none of the others from it.
func (o operator) revive(ctx context.Context, names []string) error {
	if len(names) == 0 {
		dead, err := o.first(o.queue.Dead(ctx))
		if err != nil {
			return err
		}
		for _, l := range dead {
			names = append(names, l.Name)
		}
		if len(names) == o.max {
			fmt.Fprintf(o.out, "only the first %d are revived, see -max\n", o.max)
		}
	}
	var errs []error
	revived := 0
	for _, wanted := range names {
		// The dead lie under their ids.
		e, err := o.queue.Revive(ctx, "_dead/"+strings.TrimPrefix(wanted, "_dead/"))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		revived++
		fmt.Fprintf(o.out, "%s is due now\n", e.ID)
	}
	fmt.Fprintf(o.out, "%d revived, %d failed\n", revived, len(errs))
	return errors.Join(errs...)
}
