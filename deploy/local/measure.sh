#!/usr/bin/env bash
# `make measure`: how long a first and a second start take, what everything holds in memory, how fast answers load and how
# soon they show, into loadtest/results and docs/measurements.md. It works in a copy of the committed tree with data and
# ports of its own (offset TURNOUT_LOCAL_PORT_OFFSET, 400 by default), so it disturbs no other run; only the fetched engines
# are shared. With --fetch it fetches those anew as well, and the Go modules, so that the network's share shows.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

copy=$(mktemp -d /tmp/turnout-measure.XXXXXX)
chmod 755 "$copy"
trap '"$copy/deploy/local/run.sh" down >/dev/null 2>&1 || true; rm -rf "$copy"' EXIT
git -C "$ROOT" archive HEAD | tar -x -C "$copy"
export TURNOUT_LOCAL_PORT_OFFSET=${TURNOUT_LOCAL_PORT_OFFSET:-400} GOFLAGS="${GOFLAGS:-} -buildvcs=false"
if [ "${1:-}" = --fetch ]; then
  export TURNOUT_CACHE_DIR=$copy/cache GOMODCACHE=$copy/modules GOCACHE=$copy/build GOFLAGS="$GOFLAGS -modcacherw"
fi

# ready_line runs `up` and prints the two numbers of its ready line: seconds in all, seconds of network.
ready_line() {
  "$copy/deploy/local/run.sh" up 2>&1 | tee -a /dev/stderr |
    sed -n 's/^ready after \([0-9.]*\) s, of which the network took \([0-9.]*\) s.*/\1 \2/p'
}

read -r cold network <<<"$(ready_line)"
megabytes=$("$copy/deploy/local/run.sh" status | grep -oE '[0-9]+ MB' | awk '{sum += $1} END {print sum}')
"$copy/deploy/local/run.sh" down
read -r warm _ <<<"$(ready_line)"

out=$ROOT/loadtest/results
mkdir -p "$out"
origin=$(sed -n "s/^TURNOUT_PUBLIC_URL='\{0,1\}\([^']*\)'\{0,1\}$/\1/p" "$copy/.local/env")

# keep writes a result in the form of loadtest: its name, then figure|unit|value|samples for each row.
keep() {
  local name=$1 rows=() row figure unit value samples
  shift
  for row in "$@"; do
    IFS='|' read -r figure unit value samples <<<"$row"
    rows+=("{\"name\": \"$figure\", \"unit\": \"$unit\", \"median\": $value, \"low\": $value, \"high\": $value, \"n\": $samples}")
  done
  printf '{"scenario": "%s", "at": "%s", "commit": "%s", "load": "%s",\n "machine": {"cpu": "%s", "cores": %s, "memory": "%s", "kernel": "%s", "go": "%s"},\n "rows": [%s]}\n' \
    "$name" "$(date -u +%FT%TZ)" "$(git -C "$ROOT" rev-parse --short=12 HEAD)" "$(cut -d' ' -f1 /proc/loadavg)" \
    "$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -1)" "$(nproc)" "$(awk '/MemTotal/ {print $2 " kB"}' /proc/meminfo)" \
    "$(uname -r)" "$(go env GOVERSION)" "$(IFS=,; echo "${rows[*]}")" >"$out/$name.json"
}

keep start "first start to the ready line|s|$cold|1" "of which network|s|$network|1" "second start to the ready line|s|$warm|1" \
  "memory of engines and roles, demo data loaded|MB|$megabytes|1"

cd "$ROOT"
go build -o "$copy/loadtest-bin" ./loadtest
"$copy/loadtest-bin" -scenario seed -turnout "$copy/bin/turnout" -url "$origin" -out "$out"
"$copy/loadtest-bin" -scenario flow -url "$origin" -out "$out"
go run ./loadtest/report
