#!/usr/bin/env bash
# `make test`: lint, then every test with the race detector, on real engines. It starts the tests' own engines if they are
# not up, with empty stores, and stops again what it started; `make test-engines` keeps them up between runs.
# The last lines are those of `go test`.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$HERE/install.sh"
cd "$ROOT"
settings --test

# The race detector is C; the dashboards' and alerts' expressions are tried on a real Prometheus.
missing=()
command -v "${CC:-gcc}" >/dev/null || missing+=(gcc libc6-dev)
command -v prometheus >/dev/null && command -v promtool >/dev/null || missing+=(prometheus)
packages "${missing[@]}"

engines=
if ! "$HERE/engines.sh" --test status | grep -q ' up,'; then
  trap '"$HERE/engines.sh" --test down >/dev/null 2>&1 || true' EXIT
  "$HERE/engines.sh" --test reset >/dev/null 2>&1
fi
# Beside the linter: fetching and starting engines mostly waits.
log=$(mktemp)
"$HERE/engines.sh" --test up >"$log" 2>&1 &
engines=$!
say "lint"
"$HERE/lint.sh"
say "engines"
ok=yes
wait "$engines" || ok=no
cat "$log" >&2
rm -f "$log"
[ $ok = yes ] || exit 1

say "test"
# -count=1: a cached pass says nothing about engines that run now.
log=$(mktemp)
if ! go test -race -count=1 -timeout 14m ./... | tee "$log"; then
  # A failed test comes with everything its roles logged: what it said itself stands at the end once more.
  say "failed"
  grep -E '^[[:space:]]*--- FAIL|^[[:space:]]+[a-z_]+\.go:[0-9]+: |^panic: |^WARNING: DATA RACE|^FAIL' "$log" | cut -c1-600 | tail -n 100
  rm -f "$log"
  exit 1
fi
rm -f "$log"
