package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"ossupload/scripts/internal/stack/fc"
)

const (
	warmUp = 100 // invocations before those that count
	warmed = 200
)

// driver runs built functions over the runtime protocol.
type driver struct{ world *world }

// run starts a function and hands it to use.
func (d driver) run(ctx context.Context, t *tree, name string, use func(f *fc.Function) error) (err error) {
	given, err := t.given(name)
	if err != nil {
		return err
	}
	f, err := fc.Start(ctx, fc.FunctionConfig{
		Name: name, Binary: t.function(name), Env: append(d.world.settings(), given...), Credentials: credentials, Timeout: time.Minute, Region: "cn-hangzhou",
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Stop()) }()
	return use(f)
}

// ask wants 200 for an event: what is refused costs less.
func ask(ctx context.Context, f *fc.Function, event []byte) error {
	out, err := f.Invoke(ctx, event)
	if err == nil && !bytes.Contains(out, []byte(`"statusCode":200`)) {
		err = fmt.Errorf("the function answered %.300s, want 200", out)
	}
	return err
}

// cold is the CPU time from the exec of a function to its first answer.
func (d driver) cold(ctx context.Context, t *tree, name string) (reading, error) {
	event, err := d.world.event(name)
	if err != nil {
		return nil, err
	}
	var used time.Duration
	err = d.run(ctx, t, name, func(f *fc.Function) error {
		if err := ask(ctx, f, event); err != nil {
			return err
		}
		used, err = cpuOf(f.Pid())
		return err
	})
	return reading{"cpu-ns": float64(used)}, err
}

// warm is the CPU time of one invocation of a function that has had many.
func (d driver) warm(ctx context.Context, t *tree, name string) (reading, error) {
	event, err := d.world.event(name)
	if err != nil {
		return nil, err
	}
	var spent time.Duration
	err = d.run(ctx, t, name, func(f *fc.Function) error {
		var before time.Duration
		for i := range warmUp + warmed {
			if i == warmUp {
				if before, err = cpuOf(f.Pid()); err != nil {
					return err
				}
			}
			if err := ask(ctx, f, event); err != nil {
				return err
			}
		}
		after, err := cpuOf(f.Pid())
		spent = after - before
		return err
	})
	return reading{"cpu-ns": float64(spent) / warmed}, err
}

// memory is the peak of complete after it has signed as many parts as there can be
// in one answer.
func (d driver) memory(ctx context.Context, t *tree) (reading, error) {
	event, err := d.world.part("/batch", map[string]string{"partNumbers": "1-10000", "as": "template"})
	if err != nil {
		return nil, err
	}
	var peak int64
	err = d.run(ctx, t, "complete", func(f *fc.Function) error {
		if err := ask(ctx, f, event); err != nil {
			return err
		}
		peak, err = peakOf(f.Pid())
		return err
	})
	return reading{"bytes": float64(peak)}, err
}

// sizeOf is that of a built function.
func sizeOf(t *tree, name string) (reading, error) {
	info, err := os.Stat(t.function(name))
	if err != nil {
		return nil, fmt.Errorf("measuring a binary: %w", err)
	}
	return reading{"bytes": float64(info.Size())}, nil
}
