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

# send ARGUMENT... leaves the body of an answer in $answer and its status in
# $status: 000 if none came.
send() {
  : >"$answer"
  status=$(curl -sS -o "$answer" -w '%{http_code}' "$@") || true
}

# has FIELD is whether the answer is a success. 200 alone is none: a function
# that failed may be answered with it, too.
has() { [ "$status" = 200 ] && [ -n "$(jq -r ".$1 // empty" "$answer" 2>/dev/null)" ]; }

# refused is whether to ask again would change nothing.
refused() { case $status in 409 | 429) false ;; 4??) ;; *) false ;; esac }

# said is the answer of a function as it is, which is JSON on one line. Of OSS's
# XML, which has the signature in it, it is what helps.
said() { echo "$status $(grep -oE '^\{.*|<(Code|Message|EC|RequestId)>[^<]+' "$answer" | tr '\n' ' ')"; }

fail() {
  echo "$1" >&2
  exit 1
}

# ask ROUTE FIELD BODY asks until the answer has the field, within reason. The
# token goes in as a file: every user of the machine sees arguments.
ask() {
  local pause
  for pause in 1 2 4 8 0; do
    send --max-time 30 -H 'Content-Type: application/json' \
      -H @<(printf 'Authorization: Bearer %s' "$OSSUPLOAD_TOKEN") --data-binary @- "$OSSUPLOAD_ENDPOINT$1" <<<"$3"
    has "$2" && return
    ! refused || break
    sleep "$pause"
  done
  false
}

# Without a contentType the extension of the name decides.
wish=$(jq -n --arg filename "${file##*/}" --argjson size "$(wc -c <"$file")" '{$filename, $size}')
ask /presign url "$wish" || fail "asking for a URL: $(said)"
grant=$(<"$answer")

for pause in 1 2 0; do
  # -T streams the file and declares its length, which is signed; a pipe would be
  # sent chunked and refused. --data-binary would read all of it into memory. The
  # URL and the headers, of which none may be left out or changed, reach curl as
  # a configuration, for they are secrets too.
  send --globoff --connect-timeout 10 --speed-time 60 --speed-limit 1 -T "$file" \
    -K <(jq -r '"url = \(.url | tojson)", (.headers | to_entries[] | "header = \("\(.key): \(.value)" | tojson)")' <<<"$grant")
  ! has eventId || break
  why="uploading: $(said)"
  ! refused || pause=0

  # It may be stored all the same: 203 says that it is and that the application
  # was not told, 409 that an earlier try was, and an answer may be lost.
  # /confirm knows, tells the application and has the receipt.
  ! ask /confirm eventId "$(jq '{uploadToken}' <<<"$grant")" || break
  [ "$status" = 404 ] || fail "asking whether it is stored: $(said)"
  [ "$pause" != 0 ] || fail "$why" # nothing is stored
  sleep "$pause"
done
cat "$answer"
