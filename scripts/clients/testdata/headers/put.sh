#!/usr/bin/env bash
# put.sh URL FILE HEADER... sends FILE by curl.
set -euo pipefail
url=$1 file=$2
shift 2
headers=()
for header; do headers+=(-H "$header"); done
exec curl -sS --globoff -X PUT -T "$file" "${headers[@]}" "$url"
