package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// errAbsent is for what a commit does not have: a benchmark, a package or a
// function.
var errAbsent = errors.New("it does not exist there")

// result is one line of a benchmark's output.
type result struct {
	Name   string // below Benchmark, without the number of processors
	Values reading
}

var resultLine = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(\S.*)$`)

// parseBench reads what "go test -bench" prints. What are no results is passed
// over.
func parseBench(r io.Reader) ([]result, error) {
	var results []result
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		m := resultLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		fields := strings.Fields(m[2])
		values := reading{}
		for i := 0; i+1 < len(fields); i += 2 {
			n, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("reading the benchmark's line %q: %w", lines.Text(), err)
			}
			values[fields[i+1]] = n
		}
		results = append(results, result{m[1], values})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the benchmark's output: %w", err)
	}
	return results, nil
}

// testBinary is where the tests of a package are built to.
func testBinary(dir, pkg string) string {
	return filepath.Join(dir, strings.NewReplacer("./", "", "/", "_").Replace(pkg)+".test")
}

// buildTests builds the tests of a package once, so that no round waits for the
// compiler.
func (t *tree) buildTests(ctx context.Context, pkg string) error {
	if _, err := os.Stat(filepath.Join(t.root, pkg)); err != nil {
		return fmt.Errorf("package %s: %w", pkg, errAbsent)
	}
	if out, err := t.command(ctx, "go", "test", "-c", "-o", testBinary(t.built, pkg), pkg).CombinedOutput(); err != nil {
		return fmt.Errorf("building the tests of %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// bench runs benchmarks that were built, in a process of its own each time. The
// collector has to share the one processor, as in a function; more of them are for
// what is about many.
func (t *tree) bench(ctx context.Context, pkg, pattern string, long time.Duration, processors int) ([]result, error) {
	run := t.command(ctx, testBinary(t.built, pkg), "-test.run", "^$", "-test.bench", anchored(pattern), "-test.benchtime", long.String(), "-test.cpu", strconv.Itoa(processors))
	run.Dir = filepath.Join(t.root, pkg)
	run.Env = append(run.Environ(), "GOMAXPROCS="+strconv.Itoa(processors))
	out, err := run.Output()
	if err != nil {
		return nil, fmt.Errorf("running the benchmark %s of %s: %w\n%s", pattern, pkg, err, out)
	}
	results, err := parseBench(strings.NewReader(string(out)))
	if err == nil && len(results) == 0 {
		err = fmt.Errorf("benchmark %s of %s: %w", pattern, pkg, errAbsent)
	}
	return results, err
}

// anchored matches exactly the benchmark "Row/ours", in the form of -test.bench.
func anchored(name string) string {
	parts := strings.Split(name, "/")
	parts[0] = "Benchmark" + parts[0]
	for i, part := range parts {
		parts[i] = "^" + part + "$"
	}
	return strings.Join(parts, "/")
}
