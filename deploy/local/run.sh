#!/usr/bin/env bash
# The whole of Turnout on this machine: engines, every role in one process, demo data.
#
#   run.sh run      in the foreground; Ctrl-C stops the roles and then the engines
#   run.sh up       the same in the background
#   run.sh down     stops what `up` or `run` started
#   run.sh reset    stops, and forgets the data
#   run.sh status   what runs, where, and how much memory it holds
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

BIN=$ROOT/bin/turnout
READY_WITHIN=120 # seconds from the roles' start to all of them ready
STARTED=$(now_ms)

# addresses gives every role its address; TURNOUT_LOCAL_PORT_OFFSET moves them all, so that two checkouts need one setting.
addresses() {
  local entry name port
  for entry in HTTP:8080 COMMAND:8081 QUERY:8082 NOTIFIER:8083 INBOX_SMTP:2525 \
    WEB_OPS:9080 COMMAND_OPS:9081 QUERY_OPS:9082 NOTIFIER_OPS:9083 PROJECTOR_OPS:9084 RELAY_OPS:9085; do
    name=TURNOUT_${entry%:*}_ADDR port=$((${entry#*:} + OFFSET))
    [ -n "${!name:-}" ] || export "$name=127.0.0.1:$port"
  done
  # Where one role finds another, unless that was set.
  for name in COMMAND QUERY NOTIFIER COMMAND_OPS QUERY_OPS NOTIFIER_OPS PROJECTOR_OPS RELAY_OPS; do
    local addr=TURNOUT_${name}_ADDR url=TURNOUT_${name}_URL
    [ -n "${!url:-}" ] || export "$url=http://${!addr}"
  done
  [ -n "${TURNOUT_SMTP_ADDR:-}" ] || export TURNOUT_SMTP_ADDR=$TURNOUT_INBOX_SMTP_ADDR
  [ -n "${TURNOUT_PUBLIC_URL:-}" ] || export TURNOUT_PUBLIC_URL=http://$TURNOUT_HTTP_ADDR
}
# defaults of a demo on one machine: mail is kept beside the data, and one client may be a crowd (turnout seed).
defaults() {
  [ -n "${TURNOUT_INBOX_DIR:-}" ] || export TURNOUT_INBOX_DIR=$LOCAL/inbox
  [ -n "${TURNOUT_LIMIT_LOOPBACK+set}" ] || export TURNOUT_LIMIT_LOOPBACK=off
  export GIN_MODE=${GIN_MODE:-release} # or it lists every route in the log
}
OPS_ADDRS=(WEB COMMAND QUERY NOTIFIER PROJECTOR RELAY)

# secrets makes the random ones of this checkout once. With other ones the stored ciphertext could not be read.
secrets() {
  local file=$LOCAL/secrets.env
  if [ ! -s "$file" ]; then
    (
      umask 077
      {
        echo "# Made once by make run. Without TURNOUT_SECRETS the personal data in this checkout's stores is unreadable."
        echo "TURNOUT_SECRETS=1:$(head -c 32 /dev/urandom | base64)"
        echo "TURNOUT_SERVICE_TOKEN=$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')"
        echo "TURNOUT_OPS_TOKEN=$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')"
      } >"$file"
    )
  fi
  # A checkout from before web push has none yet. 32 random bytes are a key of P-256 but for one in four billion; turnout
  # says so then.
  grep -q '^TURNOUT_VAPID_PRIVATE_KEY=' "$file" ||
    echo "TURNOUT_VAPID_PRIVATE_KEY=$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')" >>"$file"
  load_env "$file"
}

build() {
  command -v go >/dev/null || die "Go is missing: install Go 1.26 or newer (https://go.dev/dl) and put it on the PATH"
  cd "$ROOT"
  local started
  started=$(now_ms)
  # Asking first costs 0.1 s and keeps the network's share apart from the compiler's.
  if ! GOPROXY=off go list -deps ./cmd/turnout >/dev/null 2>&1; then
    fetching "Go modules" go mod download || die "the Go modules could not be fetched: see above"
  fi
  [ -d "$(go env GOCACHE)/00" ] || say "  the first build on this machine compiles every library: 2 to 4 minutes on two cores"
  step "build" go build -v -o "$BIN" ./cmd/turnout || die "the build failed: see above"
}

# ports_free refuses early and by name, instead of leaving it to a role's log.
ports_free() {
  local name addr
  for name in HTTP COMMAND QUERY NOTIFIER INBOX_SMTP "${OPS_ADDRS[@]/%/_OPS}"; do
    addr=TURNOUT_${name}_ADDR
    ! port_taken "${!addr##*:}" ||
      die "port ${!addr##*:} is in use by another program: set $addr to a free one, or TURNOUT_LOCAL_PORT_OFFSET=200 to move every port (in .env or the environment)"
  done
}

# start brings all of it up to the ready line.
start() {
  if alive turnout; then
    "$HERE/engines.sh" up || exit 1 # one that has died comes back; the roles find it by themselves
    say "Turnout runs already: http://$TURNOUT_HTTP_ADDR (make down stops it)"
    exit 0
  fi
  ports_free
  say "engines and build"
  TIMES=$(mktemp)
  export TIMES
  build &
  local building=$!
  "$HERE/engines.sh" up || { wait "$building" || true; stop; exit 1; }
  wait "$building" || { stop; exit 1; }
  load_env "$LOCAL/engines.env"
  remember
  say "roles"
  serve
  say ""
  say "  pages    http://$TURNOUT_HTTP_ADDR/"
  say "  API      http://$TURNOUT_HTTP_ADDR/v1/events"
  say "  inbox    http://$TURNOUT_HTTP_ADDR/inbox"
  say "  ops      http://$TURNOUT_HTTP_ADDR/ops (token: TURNOUT_OPS_TOKEN in ${LOCAL#"$ROOT/"}/env)"
  say "  API docs http://$TURNOUT_HTTP_ADDR/docs"
  say "  log      ${LOCAL#"$ROOT/"}/turnout.log"
  say "  tools    set -a; . ${LOCAL#"$ROOT/"}/env; set +a; bin/turnout lag --watch"
  say ""
  say "ready after $(since "$STARTED"), of which the network took $(network_time) s"
  rm -f "$TIMES"
}

# remember writes all settings of this run to one file, for tools that are started by hand: `set -a; . .local/env`.
remember() {
  (umask 077 && env | grep '^TURNOUT_' | sort | sed "s/'/'\\\\''/g; s/=\(.*\)/='\1'/" >"$LOCAL/env")
}

# serve starts every role in one process and waits until each says that it is ready.
serve() {
  local name addr waiting started
  started=$(now_ms)
  mv -f "$LOCAL/turnout.log" "$LOCAL/turnout.log.1" 2>/dev/null || true
  # A session of its own: Ctrl-C comes to this script only, which then stops the roles before the engines.
  setsid "$BIN" serve >"$LOCAL/turnout.log" 2>&1 </dev/null &
  record turnout $!
  rm -f "$DATA/run/turnout.down"
  while :; do
    alive turnout || { tail -n 5 "$LOCAL/turnout.log" >&2; stop; die "turnout serve ended: see above and ${LOCAL#"$ROOT/"}/turnout.log"; }
    waiting=
    for name in "${OPS_ADDRS[@]}"; do
      addr=TURNOUT_${name}_OPS_ADDR
      [ "$(http_status "${!addr}" /readyz)" = 200 ] || waiting="$waiting ${name,,}"
    done
    # The first search wakes Elasticsearch up; whoever opens the page then need not wait for that.
    if [ -z "$waiting" ]; then
      [ "$(http_status "$TURNOUT_HTTP_ADDR" '/v1/events?limit=1')" != 200 ] || break
      waiting=" the first search"
    fi
    if [ $(($(now_ms) - started)) -gt $((READY_WITHIN * 1000)) ]; then
      tail -n 5 "$LOCAL/turnout.log" >&2
      stop
      die "not ready within $READY_WITHIN s:$waiting; see ${LOCAL#"$ROOT/"}/turnout.log"
    fi
    sleep 0.1
  done
  say "  $(printf '%-44s' "schema, topics, indices, every role ready") $(since "$started")"
}

# demo loads the demo events through the API. It is idempotent, so a second run only finds them there.
demo() {
  [ "${TURNOUT_LOCAL_DEMO:-yes}" = yes ] || return 0
  if [ -e "$LOCAL/demo.done" ]; then
    say "demo data is there already"
    return 0
  fi
  say "demo data"
  if "$BIN" seed --demo --answers profile >&2; then
    touch "$LOCAL/demo.done"
  else
    say "  the demo data is not complete: see above; the next run goes on with it"
  fi
}

stop() {
  if alive turnout; then
    local started
    started=$(now_ms)
    touch "$DATA/run/turnout.down" # on purpose: for a `make run` in another terminal
    end turnout TERM
    say "  roles stopped after $(since "$started")"
  fi
  "$HERE/engines.sh" down
}

settings
engine_user
data_dir quiet
# What runs keeps the addresses that it was started with, also for a shell that does not know its port offset.
! alive turnout || load_env "$LOCAL/env"
addresses
defaults
secrets
case ${1:-} in
  run)
    trap 'trap "" INT TERM; say ""; say "stopping"; stop; exit 0' INT TERM HUP
    start
    demo
    say "Ctrl-C stops everything and keeps the data"
    while alive turnout; do sleep 1 & wait $! || true; done
    if [ -e "$DATA/run/turnout.down" ]; then
      say "stopped by make down"
      exit 0
    fi
    tail -n 5 "$LOCAL/turnout.log" >&2
    stop
    die "turnout serve ended by itself: see above"
    ;;
  up)
    start
    demo
    say "make down stops it and keeps the data"
    ;;
  down) stop ;;
  reset)
    stop
    "$HERE/engines.sh" reset
    rm -rf "$LOCAL/demo.done" "$LOCAL/inbox"
    ;;
  status)
    "$HERE/engines.sh" status
    if alive turnout; then
      echo "turnout    up, pid $(pid_of turnout), http://$TURNOUT_HTTP_ADDR, $(memory "$(pid_of turnout)") MB"
    else
      echo "turnout    down"
    fi
    ;;
  *) die "usage: run.sh run | up | down | reset | status" ;;
esac
