package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

type outcome int

const (
	unbuildable outcome = iota
	killed
	survived
)

// trial tries the mutations of one package.
type trial struct {
	options
	pkg       target
	scratch   string
	unmutated time.Duration // how long the tests take when nothing is wrong
}

type result struct {
	mutation
	outcome
}

// errBuild says that the compiler refused.
var errBuild = errors.New("not built")

// baseline runs the tests as they are: twice, because the first run may pay for
// what later ones find in a cache.
func (t *trial) baseline(ctx context.Context) error {
	dir, err := os.MkdirTemp(t.scratch, "baseline-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := t.build(ctx, dir); err != nil {
		return err
	}
	for range 2 {
		begin := time.Now()
		if out, err := t.test(ctx, dir, t.timeout); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		t.unmutated = time.Since(begin)
	}
	return nil
}

// all tries as many mutations as were asked for, and more in the place of those
// that do not build. Which ones does not depend on which job is done first.
func (t *trial) all(ctx context.Context) ([]result, error) {
	order := rand.New(rand.NewPCG(t.seed, 0)).Perm(len(t.pkg.mutations))
	if t.count == 0 {
		t.count = len(order)
	}
	var results []result
	for missing := t.count; missing > 0 && len(results) < len(order); {
		next := order[len(results):min(len(results)+missing, len(order))]
		batch := make([]result, len(next))
		jobs, ctx := errgroup.WithContext(ctx)
		jobs.SetLimit(t.jobs)
		for i, index := range next {
			jobs.Go(func() error {
				m := t.pkg.mutations[index]
				became, err := t.try(ctx, m)
				batch[i] = result{m, became}
				return err
			})
		}
		if err := jobs.Wait(); err != nil {
			return nil, err
		}
		for _, r := range batch {
			if r.outcome != unbuildable {
				missing--
			}
		}
		results = append(results, batch...)
	}
	return results, nil
}

// try runs the tests on the package with one mutation.
func (t *trial) try(ctx context.Context, m mutation) (outcome, error) {
	dir, err := os.MkdirTemp(t.scratch, "mutant-")
	if err != nil {
		return unbuildable, err
	}
	defer os.RemoveAll(dir)
	overlay, err := m.write(dir)
	if err != nil {
		return unbuildable, err
	}
	if err := t.build(ctx, dir, "-overlay", overlay); errors.Is(err, errBuild) {
		return unbuildable, nil
	} else if err != nil {
		return unbuildable, err
	}
	// Far more than the tests need, and no more than they may have: what is still
	// running then waits for something that the mutation took away.
	out, err := t.test(ctx, dir, min(t.timeout, 10*time.Second+10*t.unmutated))
	var status *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return unbuildable, ctx.Err()
	case err == nil:
		return survived, nil
	case !errors.As(err, &status) || status.ExitCode() == 126 || status.ExitCode() == 127: // as the shell tells it
		return unbuildable, fmt.Errorf("running the tests: %w\n%s", err, out)
	}
	return killed, nil
}

// write puts the changed file into dir, and beside it the overlay that has the
// go command read it in place of the one in the tree.
func (m mutation) write(dir string) (overlay string, err error) {
	mutant, overlay := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {m.file.path: mutant}})
	if err != nil {
		return "", err
	}
	return overlay, errors.Join(os.WriteFile(mutant, m.mutated(), 0o600), os.WriteFile(overlay, replace, 0o600))
}

func (t *trial) build(ctx context.Context, dir string, flags ...string) error {
	args := append([]string{"test", "-c", "-vet=off", "-p=1", "-ldflags=-s -w", "-o", filepath.Join(dir, "test")}, flags...)
	out, err := output(ctx, t.pkg.dir, "go", append(args, t.pkg.path)...)
	var status *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &status):
		return fmt.Errorf("%w:\n%s", errBuild, out)
	case err != nil:
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "test")); err != nil {
		return errors.New("it has no tests")
	}
	return nil
}

func (t *trial) test(ctx context.Context, dir string, limit time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit+5*time.Second)
	defer cancel()
	// A mutation can make a program allocate for ever: 8 GiB of addresses is room
	// enough for any test. Not every system can limit them.
	const bounded = `ulimit -v 8388608 2>/dev/null; exec "$0" "$@"`
	return output(ctx, t.pkg.dir, "sh", "-c", bounded, filepath.Join(dir, "test"), "-test.failfast", "-test.paniconexit0",
		"-test.short="+strconv.FormatBool(t.short), "-test.timeout="+limit.String())
}

// output runs a command in a package's folder, where tests expect to be.
func output(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second // should something that it started hold its output open
	return cmd.CombinedOutput()
}
