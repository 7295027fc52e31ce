# shellcheck shell=bash
# What the scripts here share: how they talk, which settings hold, as whom the engines run. Sourced, never run.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
HERE=$ROOT/deploy/local

# git refuses a checkout that belongs to somebody else (root in CI), and then `go build` cannot stamp the commit.
git -C "$ROOT" rev-parse HEAD >/dev/null 2>&1 || export GOFLAGS="${GOFLAGS:-} -buildvcs=false"

# say prints one line of progress; die ends the script with one line that says what is wrong and how to mend it.
say() { printf '%s\n' "$*" >&2; }
die() { printf 'turnout: %s\n' "$*" >&2; exit 1; }
now_ms() { date +%s%3N; }

# since MS prints the time since MS (from now_ms) as seconds with one decimal.
since() {
  local ms=$(($(now_ms) - $1))
  printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100))
}

# TIMES, when set, is a file that collects from when to when something was fetched: fetching may go on in two scripts at
# once, and the ready line reports network time apart. fetched_from MS notes a span that began at MS; network_time adds up
# the spans without counting what overlaps twice, in seconds.
fetched_from() { [ -z "${TIMES:-}" ] || echo "$1 $(now_ms)" >>"$TIMES"; }
network_time() {
  sort -n "$TIMES" | awk '$1 > end {sum += $2 - $1; end = $2; next} $2 > end {sum += $2 - end; end = $2} END {printf "%.1f", sum/1000}'
}

# fetching WHAT COMMAND... is a step that waits for the network.
fetching() {
  local started
  started=$(now_ms)
  step "$@" || return 1
  fetched_from "$started"
}

# step WHAT COMMAND... runs COMMAND with its output in a log file, and prints WHAT with the time it took. One that takes long
# says every BEAT seconds where it is. The log's end is shown when it fails.
BEAT=10
step() {
  local what=$1 started log beat ok=yes
  shift
  started=$(now_ms)
  log=$(mktemp)
  heartbeat "$what" "$started" "$log" &
  beat=$!
  disown "$beat" # or bash reports its end
  "$@" >"$log" 2>&1 </dev/null || ok=no
  kill "$beat" 2>/dev/null || true
  if [ $ok = yes ]; then
    say "  $(printf '%-44s' "$what") $(since "$started")"
    rm -f "$log"
  else
    say "  $(printf '%-44s' "$what") failed after $(since "$started"):"
    tail -n 15 "$log" >&2
    rm -f "$log"
    return 1
  fi
}

# heartbeat WHAT STARTED LOG prints how long WHAT takes so far and the last line of its log, until it is killed.
heartbeat() {
  # A pipe behind this script must not wait for a sleep; and a script that was killed is past talking.
  while sleep "$BEAT" >/dev/null 2>&1 </dev/null && kill -0 $$ 2>/dev/null; do
    say "  $1: $(since "$2") so far … $(tail -n 1 "$3" 2>/dev/null | cut -c1-70)"
  done
}

# load_env FILE exports the NAME=value lines of FILE that are not set yet: the environment goes before the file.
load_env() {
  [ -r "$1" ] || return 0
  local line name value
  while IFS= read -r line || [ -n "$line" ]; do
    [[ $line =~ ^[[:space:]]*(export[[:space:]]+)?([A-Z_][A-Z0-9_]*)=(.*)$ ]] || continue
    name=${BASH_REMATCH[2]} value=${BASH_REMATCH[3]}
    if [[ $value =~ ^\'(.*)\'[[:space:]]*$ ]]; then
      value=${BASH_REMATCH[1]//\'\\\'\'/\'}                 # a quote within, as the shell writes it
    elif [[ $value =~ ^\"(.*)\"[[:space:]]*$ ]]; then
      value=${BASH_REMATCH[1]}
    else
      value=${value%%[[:space:]]#*}                        # a comment behind the value
      value=${value%"${value##*[![:space:]]}"}             # blanks at its end
    fi
    [ -n "${!name+set}" ] || export "$name=$value"
  done <"$1"
}

# settings [--test] fixes the ports, the directories and which engines are ours. The tests have engines, ports and data of
# their own and look at neither .env nor TURNOUT_POSTGRES_URL and the like, so that they cannot touch real data.
settings() {
  if [ "${1:-}" = --test ]; then
    local engine
    for engine in POSTGRES_URL KAFKA_BROKERS ELASTIC_URL REDIS_URL; do
      unset "TURNOUT_$engine"
      local theirs=TURNOUT_TEST_$engine
      [ -z "${!theirs:-}" ] || export "TURNOUT_$engine=${!theirs}"
    done
    LOCAL=${TURNOUT_TEST_LOCAL_DIR:-.local/test}
    PORT_postgres=25532 PORT_kafka=29192 PORT_controller=29193 PORT_elastic=29300 PORT_redis=26479
    FREE_PORTS=yes # a port that is taken is no error: engines.env tells the tests which one it became
  else
    load_env "$ROOT/.env"
    LOCAL=${TURNOUT_LOCAL_DIR:-.local}
    OFFSET=${TURNOUT_LOCAL_PORT_OFFSET:-0}
    PORT_postgres=${TURNOUT_LOCAL_POSTGRES_PORT:-$((25432 + OFFSET))}
    PORT_kafka=${TURNOUT_LOCAL_KAFKA_PORT:-$((29092 + OFFSET))}
    PORT_controller=${TURNOUT_LOCAL_KAFKA_CONTROLLER_PORT:-$((29093 + OFFSET))}
    PORT_elastic=${TURNOUT_LOCAL_ELASTIC_PORT:-$((29200 + OFFSET))}
    PORT_redis=${TURNOUT_LOCAL_REDIS_PORT:-$((26379 + OFFSET))}
    FREE_PORTS=no
  fi
  case $LOCAL in /*) ;; *) LOCAL=$ROOT/$LOCAL ;; esac
  mkdir -p "$LOCAL"

  forget_own_addresses
  OURS=()
  [ -n "${TURNOUT_POSTGRES_URL:-}" ] || OURS+=(postgres)
  [ -n "${TURNOUT_REDIS_URL:-}" ] || OURS+=(redis)
  [ -n "${TURNOUT_KAFKA_BROKERS:-}" ] || OURS+=(kafka)
  [ -n "${TURNOUT_ELASTIC_URL:-}" ] || OURS+=(elastic)

  # Fetched engines and tools are kept outside of the checkout, so that a second clone fetches nothing.
  if [ "$(id -u)" = 0 ]; then
    CACHE=${TURNOUT_CACHE_DIR:-/var/cache/turnout} # root's home is closed to the user that runs the engines
  else
    CACHE=${TURNOUT_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/turnout}
  fi
}

# forget_own_addresses unsets an engine's address that is the one `up` wrote itself: it may come back through the
# environment (`. .local/env`), and then does not mean an engine of the user's.
forget_own_addresses() {
  local name value
  [ -r "$LOCAL/engines.env" ] || return 0
  while IFS='=' read -r name value; do
    case $name in \#* | '') continue ;; esac
    if [ "${!name:-}" = "$value" ] && ! grep -q "^# yours: $name$" "$LOCAL/engines.env"; then unset "$name"; fi
  done <"$LOCAL/engines.env"
}

ours() { [[ " ${OURS[*]} " == *" $1 "* ]]; }

# engine_user sets AS, the words in front of an engine's command. Postgres and Elasticsearch refuse root, so root runs all
# four as the system user `turnout`; everybody else runs them as himself.
engine_user() {
  AS=()
  [ "$(id -u)" = 0 ] || return 0
  id turnout >/dev/null 2>&1 ||
    useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin turnout ||
    die "cannot make the system user 'turnout' that runs the engines (they refuse root): run as an ordinary user instead"
  AS=(setpriv --reuid=turnout --regid=turnout --clear-groups --)
}

# data_dir sets DATA, where the engines keep their files: $LOCAL/engines, or a directory below /var/lib/turnout when the
# engines' user cannot get into the checkout (one below /root, say).
data_dir() {
  DATA=$LOCAL/engines
  mkdir -p "$DATA"
  if ! "${AS[@]}" test -x "$DATA"; then
    DATA=/var/lib/turnout/$(cksum <<<"$LOCAL" | cut -d' ' -f1)
    mkdir -p "$DATA"
    [ "${1:-}" = quiet ] || say "  user turnout cannot enter $LOCAL, so the engines' data goes to $DATA"
  fi
  mkdir -p "$DATA/run" "$DATA/log"
  [ ${#AS[@]} -eq 0 ] || chown turnout:turnout "$DATA" "$DATA/run" "$DATA/log"
}

# alive NAME tells whether the process of run/NAME.pid still runs. The file holds the pid and the time it started in clock
# ticks (proc(5), field 22), because a pid alone may long belong to somebody else: only own processes are ever ended.
alive() {
  local pid started
  { read -r pid started <"$DATA/run/$1.pid"; } 2>/dev/null || return 1
  [ "$(started_at "$pid")" = "$started" ]
}
# A process that ended but was not collected yet (a zombie; some containers' first process collects none) has no start.
started_at() { sed -n '/) Z /!s/.*) //p' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
pid_of() { cut -d' ' -f1 "$DATA/run/$1.pid"; }
record() { echo "$2 $(started_at "$2")" >"$DATA/run/$1.pid"; }

# end NAME SIGNAL asks a process to end, waits up to 60 s, and only then kills it.
end() {
  alive "$1" || { rm -f "$DATA/run/$1.pid"; return 0; }
  local pid
  pid=$(pid_of "$1")
  kill "-$2" "$pid" 2>/dev/null || true
  for _ in $(seq 600); do
    alive "$1" || break
    sleep 0.1
  done
  if alive "$1"; then
    say "  $1 did not stop within 60 s and is killed"
    kill -KILL "$pid" 2>/dev/null || true
  fi
  rm -f "$DATA/run/$1.pid"
}

# memory PID prints the megabytes that a process and its children hold. Proportional (proc_pid_smaps(5)), because Postgres'
# processes share most of theirs; resident where the kernel does not say.
memory() {
  local pid kb sum=0
  for pid in $1 $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
    kb=$(awk '/^Pss:/ {print $2}' "/proc/$pid/smaps_rollup" 2>/dev/null) || kb=
    [ -n "$kb" ] || kb=$(awk '/^VmRSS:/ {print $2}' "/proc/$pid/status" 2>/dev/null) || kb=
    sum=$((sum + ${kb:-0}))
  done
  echo $((sum / 1024))
}

# port_taken PORT: somebody listens there on loopback.
port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# http_status HOST:PORT PATH prints the status code, or nothing. It spares a fresh machine curl.
http_status() {
  local host=${1%:*} port=${1##*:} status=
  { exec 3<>"/dev/tcp/${host:-127.0.0.1}/$port"; } 2>/dev/null || return 0
  printf 'GET %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$2" "$1" >&3 2>/dev/null || true
  read -r -t 5 _ status _ <&3 2>/dev/null || true
  exec 3>&-
  printf '%s' "$status"
}
