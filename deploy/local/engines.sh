#!/usr/bin/env bash
# Starts and stops Postgres, Redis, Kafka and Elasticsearch for this checkout, on loopback, without Docker.
#
#   engines.sh [--test] up | down | status | reset
#
# up writes the engines' addresses to engines.env in the local directory. An engine whose address is set already
# (TURNOUT_POSTGRES_URL and so on) is somebody else's and is left alone. --test means the engines of the tests.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$HERE/install.sh"
for engine in postgres redis kafka elastic; do source "$HERE/$engine.sh"; done

TEST=
if [ "${1:-}" = --test ]; then TEST=--test; shift; fi
ENGINES=(postgres redis kafka elastic)
READY_WITHIN=240 # seconds; Elasticsearch has taken 60 while the tests were being compiled on the same two cores

run_in() { (cd "$1" && shift && "${AS[@]}" "$@"); }
own() { [ ${#AS[@]} -eq 0 ] || chown -R turnout:turnout "$1"; }

# spawn NAME COMMAND... starts a process that outlives this script and does not see its terminal's Ctrl-C (a session of
# its own), and records its pid. Descriptor 9 is the lock of `up`.
spawn() {
  local name=$1
  shift
  (cd "$DATA" && exec setsid "${AS[@]}" "$@" >>"$DATA/log/$name.log" 2>&1 </dev/null 9>&-) &
  record "$name" $!
}

up() {
  local name started
  exec 9>"$LOCAL/lock"
  flock -w 300 9 || die "another 'engines.sh up' holds $LOCAL/lock"
  engine_user
  data_dir
  room
  PENDING=()
  for name in "${OURS[@]}"; do
    if alive "$name"; then
      read_port "$name"
      "${name}_ready" || true # finishes what an `up` that was interrupted left out
    else
      choose_port "$name"
      PENDING+=("$name")
    fi
  done
  if [ ${#PENDING[@]} -gt 0 ]; then
    started=$(now_ms)
    for name in "${PENDING[@]}"; do
      : >"$DATA/log/$name.log"
      "${name}_start" || explain "$name"
    done
    wait_ready "$started" "${PENDING[@]}"
  fi
  write_env
}

# wait_ready STARTED NAME... waits until all of them answer, and reports each when it does.
wait_ready() {
  local started=$1 name waiting tries=0
  shift
  while [ $# -gt 0 ]; do
    waiting=()
    for name; do
      if "${name}_ready"; then
        say "  $(printf '%-44s' "$name on port $(port "$name")") $(since "$started")"
      elif failed "$name" || [ $(($(now_ms) - started)) -gt $((READY_WITHIN * 1000)) ]; then
        explain "$name"
      else
        waiting+=("$name")
      fi
    done
    set -- "${waiting[@]}"
    tries=$((tries + 1))
    [ $# -eq 0 ] || sleep 0.2
  done
}

# failed tells that waiting for an engine is in vain: it ended, or it refuses our password.
failed() {
  grep -qi 'password authentication failed' "$DATA/log/$1.log" && return 0
  ! alive "$1" && { [ "$1" != elastic ] || { ! alive elastic-starter && ! elastic_adopt; }; }
}

# explain NAME ends the script with the cause that the engine's log shows, and how to mend it. What this `up` started is
# stopped again: all or nothing.
explain() {
  local log=$DATA/log/$1.log cause
  [ "$1" != elastic ] || cat "$DATA/elastic/log/turnout-local.log" >>"$log" 2>/dev/null || true
  if grep -qiE 'no space left|disk quota' "$log"; then
    cause="the disk of $DATA is full: free some space, or set TURNOUT_LOCAL_DIR to a directory on another disk"
  elif grep -qiE 'address already in use|failed to bind|could not bind' "$log"; then
    cause="a port is in use by another program: set TURNOUT_LOCAL_$(setting "$1") to a free one"
  elif grep -qi 'password authentication failed' "$log"; then
    cause="the password in $DATA/postgres.password is not the one the data was made with: put it back, or 'make reset' to start afresh"
  elif grep -qiE 'insufficient memory|cannot allocate memory|outofmemoryerror:' "$log"; then
    cause="not enough memory: the engines need about 1.5 GB free"
  elif grep -qi 'permission denied' "$log"; then
    cause="$(grep -i 'permission denied' "$log" | tail -1)"
  else
    tail -n 12 "$log" >&2
    cause="see $log"
  fi
  local name
  for name in "${PENDING[@]}"; do "${name}_stop" & done
  wait
  die "$1 did not start: $cause"
}

# room refuses to start on a disk so full that an engine would break in the middle.
room() {
  local free
  free=$(df -Pk "$DATA" | awk 'NR==2 {print int($4/1024)}')
  [ "$free" -ge 1024 ] ||
    die "only $free MB are free for $DATA and the engines need 1024: free some, or set TURNOUT_LOCAL_DIR to a directory on another disk"
}

port() { local v=PORT_$1; echo "${!v}"; }
setting() { case $1 in controller) echo KAFKA_CONTROLLER_PORT ;; *) echo "${1^^}_PORT" ;; esac; }

# choose_port NAME makes sure that nobody else listens on the engine's port; the tests take the next free one instead.
choose_port() {
  local which v
  for which in "$1" $([ "$1" != kafka ] || echo controller); do
    v=PORT_$which
    while port_taken "${!v}"; do
      [ "$FREE_PORTS" = yes ] ||
        die "port ${!v} for $which is in use by another program: set TURNOUT_LOCAL_$(setting "$which") (in .env) to a free port, or stop that program"
      printf -v "$v" '%d' $((${!v} + 10))
    done
    echo "${!v}" >"$DATA/run/$which.port"
  done
}

# read_port NAME takes over the port of an engine that is up already.
read_port() {
  local v=PORT_$1 running
  running=$(cat "$DATA/run/$1.port")
  [ "$running" = "${!v}" ] || [ "$FREE_PORTS" = yes ] ||
    die "$1 runs on port $running, and TURNOUT_LOCAL_$(setting "$1") says ${!v}: 'make down' first"
  printf -v "$v" '%s' "$running"
}

write_env() {
  local env=$LOCAL/engines.env name
  (
    umask 077
    {
      echo "# Where the engines are; written by deploy/local/engines.sh up."
      for name in POSTGRES_URL KAFKA_BROKERS ELASTIC_URL REDIS_URL; do
        name=TURNOUT_$name
        [ -z "${!name:-}" ] || echo "# yours: $name"
      done
      echo "TURNOUT_POSTGRES_URL=${TURNOUT_POSTGRES_URL:-postgres://turnout:$(cat "$DATA/postgres.password" 2>/dev/null)@127.0.0.1:$PORT_postgres/turnout?sslmode=disable}"
      echo "TURNOUT_KAFKA_BROKERS=${TURNOUT_KAFKA_BROKERS:-127.0.0.1:$PORT_kafka}"
      echo "TURNOUT_ELASTIC_URL=${TURNOUT_ELASTIC_URL:-http://127.0.0.1:$PORT_elastic}"
      echo "TURNOUT_REDIS_URL=${TURNOUT_REDIS_URL:-redis://127.0.0.1:$PORT_redis/0}"
    } >"$env.new"
    mv "$env.new" "$env"
  )
}

# down stops all four at once: the slowest takes about 3 s.
down() {
  engine_user
  data_dir quiet
  local name running=()
  for name in "${ENGINES[@]}"; do
    if alive "$name"; then running+=("$name"); fi
    "${name}_stop" &
  done
  wait
  [ ${#running[@]} -eq 0 ] || say "  stopped: ${running[*]}"
}

status() {
  engine_user
  data_dir quiet
  local name state
  for name in "${ENGINES[@]}"; do
    if alive "$name"; then
      state="up, pid $(pid_of "$name"), port $(cat "$DATA/run/$name.port"), $(memory "$(pid_of "$name")") MB"
    else
      state=down
    fi
    ours "$name" || state="yours (its address is set)"
    printf '%-10s %s\n' "$name" "$state"
  done
}

# reset forgets the engines' data, nothing else.
reset() {
  down
  rm -rf "${DATA:?}" "$LOCAL/engines.env"
  say "  forgotten: $DATA"
}

# shellcheck disable=SC2086 # no word at all without --test
settings $TEST
case ${1:-} in
  up) install_engines && up ;;
  down) down ;;
  status) status ;;
  reset) reset ;;
  *) die "usage: engines.sh [--test] up | down | status | reset" ;;
esac
