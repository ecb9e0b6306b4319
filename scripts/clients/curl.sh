#!/usr/bin/env bash
# Uploads FILE and prints the receipt.
#
#   OSSUPLOAD_ENDPOINT=https://upload.example.com OSSUPLOAD_TOKEN=… curl.sh FILE
#
# Needs curl 7.55 or later and jq.
set -euo pipefail
file=$1
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# post ROUTE sends stdin, leaves the body in $answer and prints the status.
# The token goes in as a file: every user of the machine sees arguments.
post() {
  curl -sS --max-time 30 -o "$answer" -w '%{http_code}' \
    -H 'Content-Type: application/json' -H @<(printf 'Authorization: Bearer %s' "$OSSUPLOAD_TOKEN") \
    --data-binary @- "$OSSUPLOAD_ENDPOINT$1"
}

# expect_200 WHAT STATUS ends the script with the code of the answer, which is
# JSON from the functions and XML from OSS.
expect_200() {
  [ "$2" = 200 ] && return
  code=$(sed -nE 's/.*("code": *"|<Code>)([A-Za-z_]+).*/\2/p' "$answer")
  printf '%s: %s %s\n' "$1" "$2" "$code" >&2
  exit 1
}

# Without a contentType the extension of the name decides.
status=$(jq -n --arg filename "${file##*/}" --argjson size "$(wc -c <"$file")" '{$filename, $size}' | post /presign)
expect_200 'asking for a URL' "$status"
grant=$(<"$answer")

# -T streams the file and declares its length, which is signed; a pipe would be
# sent chunked and refused. --data-binary would read all of it into memory. The
# URL and the headers, of which none may be left out or changed, reach curl as
# a configuration, for they are secrets too.
status=$(curl -sS --globoff --connect-timeout 10 --speed-time 60 --speed-limit 1 \
  -o "$answer" -w '%{http_code}' -T "$file" \
  -K <(jq -r '"url = \(.url | tojson)", (.headers | to_entries[] | "header = \("\(.key): \(.value)" | tojson)")' <<<"$grant"))

# 203 is not success: the object is stored, but the application was not told.
# /confirm tells it and has the receipt; it may be asked again and again.
if [ "$status" = 203 ]; then
  for pause in 1 2 4 8 16 0; do
    status=$(jq '{uploadToken}' <<<"$grant" | post /confirm) || status=000
    case $status in
    000 | 5??) sleep "$pause" ;;
    *) break ;;
    esac
  done
fi
expect_200 'uploading' "$status"
cat "$answer"
