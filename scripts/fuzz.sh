#!/usr/bin/env bash
# Runs the fuzz targets, each for FUZZ_TIME: those that guard what strangers can
# send, and those that hold our own encoders and signatures against the official
# ones. In the end it prints how often each was executed: none if its corpus took all
# the time.
#
#   scripts/fuzz.sh                 30 s each
#   FUZZ_TIME=10m scripts/fuzz.sh FuzzPresignEqualsSDK FuzzOpen
#
# Whatever a target finds is kept below its package's testdata/fuzz and runs
# with every go test from then on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# All that there are, as "package:name".
targets=$(grep -rE --include='*_test.go' '^func Fuzz' functions shared scripts |
  sed -E 's|/[^/]+_test\.go:func (Fuzz[^(]*).*|:\1|' | sort)

# chosen prints the targets that are named, or all.
chosen() {
  local name
  if (($# == 0)); then
    printf '%s\n' "$targets"
    return
  fi
  for name; do
    if ! grep ":$name\$" <<<"$targets"; then
      printf 'fuzz.sh: there is no target %s\n' "$name" >&2
      return 1
    fi
  done
}

executions=()

# fuzz runs one target and prints how it ended.
fuzz() {
  local out failed=
  out=$(go test -run '^$' -fuzz "^$2\$" -fuzztime "${FUZZ_TIME:-30s}" "$1" 2>&1) || failed=yes
  local count
  count=$(sed -n 's/.* execs: \([0-9]*\) .*/\1/p' <<<"$out" | tail -n 1)
  executions+=("$(printf '%12s  %s %s' "${count:-none}" "$2" "$1")")
  if [[ -z $failed ]]; then
    tail -n 3 <<<"$out"
    return 0
  fi
  # Go may take the end of the time itself for a failure; a real one has written
  # its input down. What reads the output must not count it either.
  if grep -q 'context deadline exceeded' <<<"$out" && ! grep -q 'Failing input written' <<<"$out"; then
    printf 'the time ended within a run\n'
    return 0
  fi
  printf '%s\n' "$out"
  return 1
}

report() { printf '\nexecutions:\n' && printf '%s\n' "${executions[@]}"; }

list=$(chosen "$@")
trap report EXIT
while read -r target; do
  package=./${target%%:*}
  name=${target##*:}
  printf '+ go test -fuzz %s %s\n' "$name" "$package"
  fuzz "$package" "$name" </dev/null
done <<<"$list"
