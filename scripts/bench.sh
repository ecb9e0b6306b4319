#!/usr/bin/env bash
# Prints what the functions cost: benchmarks beside their peer (the official SDK
# presigns the same URLs in the same run), and the sizes of the binaries.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

go test -run '^$' -bench . -benchmem ./shared/signing ./shared/uploadtoken "$@"
scripts/build.sh
