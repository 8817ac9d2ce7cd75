# Leads the session and process group of one shell step:
#
#   sh watcher.sh FOLDER COMMAND [ARGUMENT...]
#
# Descriptor 3 is a socket to the server, which the command does not get. The line "stop" on it asks for TERM
# to everything; its end means that the server is gone: everything is killed and FOLDER (unless empty) is
# removed. When the command has ended, its exit status goes up the socket, and what it left behind in the
# group is killed, this watcher last. A step that ends by itself needs builtins only, which costs about a
# millisecond.

folder=$1
shift
# The shell's own remarks ("Killed") are not the step's output.
exec 4>&2 2>/dev/null

# Sends signal $1 to the processes of this session but the watcher and pid $2; fails when there were none.
# Needed beside the process group because `timeout` and `set -m` make groups of their own.
signal_session() {
  signal=$1 self=$2 none=1
  for stat in /proc/[0-9]*/stat; do
    read -r line <"$stat" || continue
    pid=${line%% *}
    # After the name in parentheses, which may hold anything: state, parent, group, session.
    set -- ${line##*) }
    [ "$4" = "$$" ] && [ "$1" != Z ] && [ "$pid" != "$$" ] && [ "$pid" != "$self" ] || continue
    kill -s "$signal" "$pid" && none=0
  done
  return "$none"
}

# Again until a pass finds nothing, since a process may fork while the list is read.
kill_session() {
  for pass in 1 2 3 4 5; do signal_session KILL "$1" || break; done
}

listen() {
  # Deaf to the signals that it sends to its own group.
  trap '' HUP INT QUIT TERM USR1 USR2
  read -r self rest </proc/self/stat
  if read -r word <&3; then
    kill -s TERM 0
    signal_session TERM "$self"
    read -r word <&3
  fi
  # The server hung up: another server may run this step again at once, so nobody gets a grace period. The
  # watcher goes first, since it would end this listener as soon as the command has ended.
  kill -s KILL "$$"
  kill -s TERM 0
  kill_session "$self"
  [ -z "$folder" ] || command -p rm -rf -- "$folder"
  kill -s KILL 0
}

listen </dev/null >/dev/null 4>&- &
listener=$!

# Handlers, not '': an ignored signal would stay ignored in the command.
stopped=
trap 'stopped=1' TERM
trap : HUP INT QUIT USR1 USR2
# In the foreground, because then a signal cannot cut the wait short and the status is the command's.
(exec "$@" 2>&4 3>&- 4>&-)
status=$?

trap '' HUP INT PIPE QUIT TERM USR1 USR2
kill -s KILL "$listener"
wait "$listener"
[ -z "$stopped" ] || kill_session "$$"
# Nobody is there to read it: then nobody removes the folder either.
echo "$status" >&3 || [ -z "$folder" ] || command -p rm -rf -- "$folder"
kill -s KILL 0
