#!/usr/bin/env bash
# The least that is a worker: one step at a time, each done before its claim expires after five minutes.
server=${1:-http://localhost:3000}
post() { curl -sSf --retry 9 --retry-connrefused -H 'content-type: application/json' -d "$2" "$server/v1$1"; }

worker=$(post /workers '{"name": "minimal", "uses": ["shout"]}' | jq -r .id)
trap 'curl -s -X DELETE "$server/v1/workers/$worker"' EXIT
while claims=$(post /claims "{\"worker_id\": \"$worker\", \"ttl\": \"5m\", \"wait\": \"20s\"}"); do
  claim=$(jq -r '.data[0].id // .command' <<<"$claims")
  case $claim in run) continue ;; drain | stop) break ;; esac
  output=$(jq -c '.data[0].with | {text: .text | ascii_upcase}' <<<"$claims") &&
    post "/claims/$claim/complete" "{\"output\": $output}" ||
    post "/claims/$claim/fail" '{"error": {"message": "no text to shout"}, "retryable": false}'
done
