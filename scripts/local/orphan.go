package main

import (
	"context"
	"os"
	"time"
)

// whileParentLives returns a context that ends with ctx, or when the program
// that started this one is gone. That is "go run", as a rule: it does
// not pass SIGTERM on, and whoever stops it means to stop the stack. On systems
// that give orphans no new parent, such as Windows, only ctx counts.
func whileParentLives(ctx context.Context) context.Context {
	parent := os.Getppid()
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for os.Getppid() == parent {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx
}
