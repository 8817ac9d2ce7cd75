#!/usr/bin/env bash
# A Holdfast worker in bash, curl and jq: worker.sh [SERVER [NAME]]. TTL=10s: how long its claims hold unextended.
# An action is a function do-NAME: `with` on stdin, output on stdout, both JSON; log on stderr; 65: do not try again.
set -um # -m: what runs in the background leads a process group, and ends with all that it started
server=${1:-${HOLDFAST_SERVER:-http://localhost:3000}} name=${2:-bash@$HOSTNAME} state=run poll=
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT && cd "$dir" || exit 1 # subshells just made have it too, hence kill -9

do-word-count() { jq '{words: [.text | scan("\\S+")] | length, step: env.STEP, worker: env.WORKER}' || return 65; }
do-shout() { jq '{text: .text | ascii_upcase}' || return 65; }
do-nap() { sleep "$(jq .seconds)" && echo 'slept well' >&2 && jq -n '{step: env.STEP, worker: env.WORKER}'; }

api() { # api PATH DATA [TYPE]: asks until the server answers, by $status and $reply; fails when it refuses
  for ((tries = 1; ; tries++)); do
    reply=$(curl -s -m 40 -H "content-type: ${3:-application/json}" -w '\n%{http_code}' --data-binary "$2" \
      "$server/v1$1") || reply=$'\n000'
    status=${reply##*$'\n'} reply=${reply%%$'\n'*}
    case $status in 2??) return 0 ;; 000 | 429 | 5??) ;; *) echo "refused: $status $reply" >&2; return 1 ;; esac
    { [ "$state" = run ] && kill -0 $$ 2>/dev/null; } || [ "$tries" -lt 5 ] || return 1
    sleep "$((RANDOM % 2)).$((RANDOM % 10))" # away or busy; not all workers at the same moment
  done
}
register() {
  about=$(declare -F | sed -n 's/^declare -f do-//p' | jq -Rn --arg name "$name" '{$name, uses: [inputs]}')
  api /workers "$about" && worker=$(jq -r .id <<<"$reply") && echo "registered as $worker" || exit 1
}
send_log() { [ ! -s log ] || api "/claims/$id/log?offset=0" @log text/plain; } # what the server has, it drops
keep() { # keep WORK: extends the claim while the work runs; ends the work when nobody waits for it any more
  while sleep "$beat" && kill -0 $$ && [ ! -s code ]; do
    send_log
    api "/claims/$id/extend" '{}' && [ "$(jq -r .action <<<"$reply")" = continue ] && continue
    echo "$step: stopped" && kill -- "-$1" && return
  done
}
run() {
  local work keeper code; rm -rf ./*
  (export STEP="$step" WORKER="$name"; "do-$uses" <<<"$with" >output 2>log; echo $? >code) & work=$!
  keep "$work" & keeper=$!
  while [ ! -s code ] && kill -0 "$work"; do wait "$work"; done 2>/dev/null
  { kill -9 -- "-$keeper"; wait "$keeper"; read -r code <code; } 2>/dev/null || return # no code: it was stopped
  send_log; echo "{\"output\": $([ -s output ] && cat output || echo null)}" >body
  if [ "$code" != 0 ] || { ! api "/claims/$id/complete" @body 2>>log && [ "$status" != 409 ]; }; then
    tail -n 1 log | tr -d '\n' |
      jq -Rs "{error: {message: (\"exit code $code: \" + .[:1000])}, retryable: ($code != 65)}" >body
    api "/claims/$id/fail" @body
  fi
  echo "$step: $status $reply"
}
trap 'state=drain' TERM INT # ends a `wait`, and lets the step at hand end
register
while [ "$state" = run ]; do
  ask='{"worker_id": "'$worker'", "request_id": "'$RANDOM-$RANDOM-$RANDOM'", "wait": "20s", "ttl": "'${TTL:-30s}'"}'
  { api /claims "$ask"; echo "$reply" >claims; } & poll=$!
  [ "$state" = run ] && wait "$poll" 2>/dev/null; [ "$state" = run ] || break
  { read -r command; read -r id; read -r uses; read -r step; read -r beat; read -r with; } < <(jq -r '.command //
    .code, (.data[0] // empty | .id, .uses, .step, .expires_in_ms / 3000, (.with | tojson))' claims)
  case $command in run) [ -z "$id" ] || run ;; worker_not_found) register ;; *) state=$command ;; esac
done
{ kill -9 -- "-$poll"; wait "$poll"; } 2>/dev/null; echo "leaving: $state"
curl -s -m 5 -X DELETE "$server/v1/workers/$worker" >/dev/null # gives back what it holds
