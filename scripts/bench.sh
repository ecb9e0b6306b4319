#!/usr/bin/env bash
# Prints how fast the functions are beside what they have to reach, each beside
# its peer: see scripts/bench/README.md. -h lists the flags.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

exec go run -buildvcs=false ./scripts/bench "$@"
