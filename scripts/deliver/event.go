package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"ossupload/scripts/internal/testevent"
)

var errNotTaken = errors.New("the receiver did not take the event: it must answer 2xx")

// sendTest sends a test event and prints what the receiver answered.
func sendTest(ctx context.Context, sender testevent.Sender, out io.Writer) error {
	answer, err := sender.Send(ctx, func(id, host string) {
		fmt.Fprintf(out, "sending %s, of the type %s, to %s\n", id, testevent.Type, host)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "the receiver answered %s after %v: %q\n", answer.Text, answer.Took.Round(time.Millisecond), answer.Body)
	if !answer.Taken() {
		return errNotTaken
	}
	return nil
}
