#!/usr/bin/env bash
# Everything that has to hold before a change lands, on a laptop as in CI.
#
#   scripts/check.sh                 all of it
#   CHECK_FAST=1 scripts/check.sh    without the downloaded tools, fuzzing and
#                                    the race detector
#
# What cannot be checked on this machine is skipped with a reason.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2
govulncheck=golang.org/x/vuln/cmd/govulncheck@v1.9.0
vulnerabilities=https://vuln.go.dev/index/db.json

# The commit is not stamped into binaries: that fails where git distrusts the
# owner of the tree. GODEBUG could relax what the tests rely on being strict.
export GOFLAGS="${GOFLAGS:+$GOFLAGS }-buildvcs=false"
unset GODEBUG

run() {
  printf '+ %s\n' "$*"
  "$@"
}
skip() {
  printf -- '- skipped %s: %s\n' "$1" "$2"
}

printf '+ gofmt -l\n'
unformatted=$(find . -name '*.go' -not -path '*/testdata/*' -not -path './dist/*' -print0 | xargs -0 gofmt -l)
if [ -n "$unformatted" ]; then
  printf 'not formatted:\n%s\n' "$unformatted" >&2
  exit 1
fi

run go mod tidy -diff
run go vet ./...
# That was all of it, so that no test needs vetting again.
export GOFLAGS="$GOFLAGS -vet=off"

if [ -n "${CHECK_FAST:-}" ]; then
  skip "other systems" "CHECK_FAST is set"
  skip "staticcheck and govulncheck" "CHECK_FAST is set"
else
  # What is written for one system alone. go run ./scripts/release builds for all six.
  # Nothing of it runs: what it imports need not be optimised.
  run env CGO_ENABLED=0 GOOS=windows go vet '-gcflags=all=-N -l' ./scripts/upload ./scripts/local
  run env CGO_ENABLED=0 GOOS=darwin go vet '-gcflags=all=-N -l' ./scripts/upload
  run go run "$staticcheck" ./...
  if curl --fail --silent --max-time 5 --output /dev/null "$vulnerabilities"; then
    run go run "$govulncheck" ./...
  else
    skip govulncheck "$vulnerabilities is not reachable"
  fi
fi

if command -v shellcheck >/dev/null; then
  run shellcheck scripts/*.sh scripts/clients/*.sh scripts/deploy/*.sh .ci/run
else
  skip shellcheck "it is not installed"
fi

run scripts/build.sh

if [ -n "${CHECK_FAST:-}" ]; then
  skip fuzzing "CHECK_FAST is set"
else
  run env FUZZ_TIME="${FUZZ_TIME:-1s}" scripts/fuzz.sh
fi

if ! command -v s >/dev/null; then
  skip "deploying to a stand-in" "Serverless Devs is not installed (npm install -g @serverless-devs/s)"
fi

# Twenty packages drive the functions, each its own build of them, or what was built
# above where it runs here.
if [ "$(go env GOOS)/$(go env GOARCH)" = linux/amd64 ]; then
  OSSUPLOAD_FUNCTIONS=$(mktemp -d)
  export OSSUPLOAD_FUNCTIONS
  trap 'rm -rf "$OSSUPLOAD_FUNCTIONS"' EXIT
  for name in presign callback complete; do
    cp "${DIST:-dist}/$name/main" "$OSSUPLOAD_FUNCTIONS/$name"
  done
fi

# The tests come last, so that the end of the output tells the outcome. Recipes,
# receivers and browsers print which of them ran, and why the others did not; of
# the rest, what failed or was skipped. What a test said that failed stands once
# more below its outcome, for a table or many tests may lie between.
# Recipes and browsers wait more than they compute, so that a third package fits
# beside two. What takes longest begins first.
printf '+ go test -v -p 3 -timeout 25m ./scripts/e2e ./...\n'
go test -v -p 3 -timeout 25m ./scripts/e2e ./... | awk '
  /^=== / { test = $3; next }
  /^PASS$/ || /"level"/ { next }
  /^ *--- PASS/ && !/Recipes|Receivers|Browser/ { next }
  { print }
  /^ *--- FAIL/ { printf "%s", said[$3]; next }
  /^(ok|FAIL)[ \t]/ { split("", said) } # the next package
  /^    / && !/^ *--- / { said[test] = said[test] $0 "\n" }'
if [ -n "${CHECK_FAST:-}" ]; then
  skip "go test -race" "CHECK_FAST is set"
elif [ "$(go env CGO_ENABLED)" != 1 ]; then
  skip "go test -race" "it needs a C compiler"
else
  # The packages that start goroutines. The short run leaves out what is end to end;
  # of that, the detector sees the stack, which runs in the process of its tests, and
  # not the programs that are driven there: so it gets what has many requests at once.
  # The probes wait most, and so begin first.
  run go test -race -short ./scripts/internal/probe ./functions/... ./shared/... ./scripts/internal/{client,probe,stack}/... ./scripts/{conformance,load,mutate,upload}
  run go test -race -timeout 20m ./scripts/internal/stack ./scripts/local
  run go test -race -timeout 20m ./scripts/e2e -brief -run '^Test(EveryWay|Attacks|FaultTable|Multipart.*|Trigger.*|Session.*|Uploads.*)$'
fi
