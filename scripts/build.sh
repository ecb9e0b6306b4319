#!/usr/bin/env bash
# Builds functions for Function Compute's go1 runtime, each as an executable
# dist/<name>/main: static, because the runtime's C library is not documented,
# and reproducible, because the same tree should deploy the same bytes.
#
#   scripts/build.sh [presign] [callback] [complete]     all three by default
#
# OSSUPLOAD_VERSION is the version that the functions log, if it is set, and
# DIST the folder for them, if it is another than dist.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
dist=${DIST:-dist}
ldflags='-s -w'
# As stack.BuildTags, where it stands what they are for.
tags=nethttpomithttp2,validator_novalidatefn
if [ -n "${OSSUPLOAD_VERSION:-}" ]; then
  if [[ ! $OSSUPLOAD_VERSION =~ ^[0-9A-Za-z.+-]+$ ]]; then
    echo 'build.sh: OSSUPLOAD_VERSION has characters that no version has' >&2
    exit 2
  fi
  ldflags+=" -X ossupload/shared/version.release=$OSSUPLOAD_VERSION"
fi

if [ $# -eq 0 ]; then
  set -- presign callback complete
fi
for name in "$@"; do
  if [ ! -f "functions/$name/main.go" ]; then
    echo "build.sh: there is no function $name" >&2
    exit 2
  fi
  mkdir -p "$dist/$name"
  find "$dist/$name" -mindepth 1 ! -name main -delete
  # go1 runs on x86-64 only. The commit is left out of the binary: it would
  # make a rebuild differ, and the build fail where git distrusts the tree.
  CGO_ENABLED=0 GOOS=linux GOARCH=amd64 \
    go build -trimpath -buildvcs=false -tags="$tags" -ldflags="$ldflags" -o "$dist/.building.$$" "./functions/$name"
  chmod 0755 "$dist/.building.$$"
  # In one step: complete is deployed twice, and the other may be reading it.
  mv -f "$dist/.building.$$" "$dist/$name/main"
  printf '%s/%s/main: %d bytes\n' "$dist" "$name" "$(wc -c <"$dist/$name/main")"
done
