# shellcheck shell=bash
# Postgres 15 or newer from the system's packages. Sourced by engines.sh.

postgres_start() {
  local bin dir=$DATA/postgres
  bin=$(postgres_bin) || die "Postgres 15 is missing: apt-get install postgresql, or set TURNOUT_POSTGRES_URL to one of yours"
  if [ ! -s "$dir/PG_VERSION" ]; then
    # The password is made here and kept beside the data, so both live and go together.
    rm -rf "$dir"
    (umask 077 && head -c 18 /dev/urandom | base64 | tr '+/' 'ab' >"$DATA/postgres.password")
    own "$DATA/postgres.password"
    run_in "$DATA" "$bin/initdb" -D "$dir" -U turnout -A scram-sha-256 --pwfile="$DATA/postgres.password" \
      -E UTF8 --locale=C.UTF-8 >"$DATA/log/postgres.log" 2>&1 || return 1
  fi
  local version
  version=$("$bin/postgres" --version | grep -oE '[0-9]+' | head -1)
  [ "$(cat "$dir/PG_VERSION")" = "$version" ] ||
    die "$dir was made by Postgres $(cat "$dir/PG_VERSION"), this machine has $version: 'make reset' forgets the data"
  # After a kill -9 the old server's processes need a moment to notice, and until then Postgres refuses to start.
  for _ in $(seq 50); do
    [ -e "/proc/$(head -n 1 "$dir/postmaster.pid" 2>/dev/null || echo none)" ] || break
    sleep 0.1
  done
  # fsync stays on: what the write side acknowledged must survive a power cut, also in the demo.
  spawn postgres "$bin/postgres" -D "$dir" -p "$PORT_postgres" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories= -c max_connections=200 -c shared_buffers=128MB -c fsync=on \
    -c max_wal_size=1GB -c log_min_messages=warning
}

postgres_ready() {
  "$(postgres_bin)/pg_isready" -q -h 127.0.0.1 -p "$PORT_postgres" || return 1
  # psql runs \gexec from a script only, not from -c.
  echo "SELECT 'CREATE DATABASE turnout' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'turnout') \gexec" |
    PGPASSWORD=$(cat "$DATA/postgres.password") "$(postgres_bin)/psql" -qAt -v ON_ERROR_STOP=1 -h 127.0.0.1 \
      -p "$PORT_postgres" -U turnout -d postgres >>"$DATA/log/postgres.log" 2>&1
}

# A fast shutdown: sessions are ended, the data is flushed.
postgres_stop() { end postgres INT; }

# The newest of Debian's version folders, else what stands on the PATH; 15 or newer only.
postgres_bin() {
  local bin
  bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)
  [ -x "$bin/postgres" ] || bin=$(dirname "$(command -v postgres || true)")
  [ -x "$bin/postgres" ] && [ "$("$bin/postgres" --version | grep -oE '[0-9]+' | head -1)" -ge 15 ] && echo "$bin"
}
