# shellcheck shell=bash
# Redis 7 from the system's packages. Sourced by engines.sh.

redis_start() {
  command -v redis-server >/dev/null ||
    die "Redis 7 is missing: apt-get install redis-server, or set TURNOUT_REDIS_URL to one of yours"
  mkdir -p "$DATA/redis"
  own "$DATA/redis"
  # noeviction: a counter that vanished would be read as "unknown"; a full Redis must say so instead.
  # databases: the tests take one each.
  spawn redis redis-server --bind 127.0.0.1 --port "$PORT_redis" --dir "$DATA/redis" \
    --appendonly yes --maxmemory-policy noeviction --databases 1024 --daemonize no
}

redis_ready() {
  local answer=
  { exec 3<>"/dev/tcp/127.0.0.1/$PORT_redis"; } 2>/dev/null || return 1
  printf 'PING\r\n' >&3
  read -r -t 2 answer <&3 || true
  exec 3>&-
  [ "${answer%$'\r'}" = +PONG ]
}

redis_stop() { end redis TERM; }
