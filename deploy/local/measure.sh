#!/usr/bin/env bash
# `make measure-start`: how long a first and a second start take, and what everything holds in memory afterwards, as a
# table for docs/measurements.md. It works in a copy of the committed tree with data and ports of its own (offset
# TURNOUT_LOCAL_PORT_OFFSET, 400 by default), so it disturbs no other run; only the fetched engines are shared. With
# --fetch it fetches those anew as well, and the Go modules, so that the network's share shows.
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

cpu=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -1)
echo
echo "Commit $(git -C "$ROOT" rev-parse --short=12 HEAD), $(nproc) cores ($cpu), $(awk '/MemTotal/ {print int($2/1024/1024)}' /proc/meminfo) GB, load $(cut -d' ' -f1 /proc/loadavg), $(date -u +%F)."
echo
echo "| measure | value |"
echo "|---|---|"
echo "| first start to the ready line | $cold s |"
echo "| of which network | $network s |"
echo "| second start to the ready line | $warm s |"
echo "| memory of engines and roles, demo data loaded | $megabytes MB |"
