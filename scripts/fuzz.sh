#!/usr/bin/env bash
# Runs the fuzz targets that guard what strangers can send, each for FUZZ_TIME.
#
#   scripts/fuzz.sh                 30 s each
#   FUZZ_TIME=10m scripts/fuzz.sh
#
# Whatever a target finds is kept below its package's testdata/fuzz and runs
# with every go test from then on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

targets=(
  shared/fchttp:FuzzInvoke
  shared/fchttp:FuzzCORSOrigin
  shared/rawjson:FuzzRead
  shared/rawjson:FuzzAppendQuote
  shared/rawjson:FuzzAppendMap
  shared/redact:FuzzRedact
  shared/route:FuzzBody
  shared/storage:FuzzPartsPage
  shared/osscallback:FuzzVerify
  shared/osscallback:FuzzParseNotice
  shared/uploadtoken:FuzzOpen
  shared/issuer:FuzzAppendJSON
  shared/uploadtoken:FuzzClaims
  shared/confirm:FuzzEncode
  shared/grant:FuzzSubjectsShareNoPrefix
  shared/process:FuzzCheck
  shared/callerauth:FuzzAuthorization
  shared/callerauth:FuzzObject
  shared/signing:FuzzPresignEqualsSDK
  shared/signing:FuzzPolicy
  functions/complete:FuzzParsePartNumbers
  functions/complete:FuzzJoinedCRC
  functions/presign:FuzzDispositionName
  scripts/internal/stack/oss:FuzzSDKSignature
  scripts/replay:FuzzRebuild
  scripts/internal/explain:FuzzExplain
)
# fuzz runs one target and prints how it ended.
fuzz() {
  local out
  if out=$(go test -run '^$' -fuzz "^$2\$" -fuzztime "${FUZZ_TIME:-30s}" "$1" 2>&1); then
    tail -n 3 <<<"$out"
    return 0
  fi
  printf '%s\n' "$out"
  # Go may take the end of the time itself for a failure; a
  # real one has written its input down.
  grep -q 'context deadline exceeded' <<<"$out" && ! grep -q 'Failing input written' <<<"$out"
}

for target in "${targets[@]}"; do
  package=./${target%%:*}
  name=${target##*:}
  printf '+ go test -fuzz %s %s\n' "$name" "$package"
  fuzz "$package" "$name"
done
