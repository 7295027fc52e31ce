#!/usr/bin/env bash
# What must hold before a test is worth running: format, go vet, golangci-lint.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

unformatted=$(find . -name '.?*' -prune -o -name '*.go' -print0 | xargs -0 gofmt -l)
[ -z "$unformatted" ] || die "not formatted (gofmt -w mends it): ${unformatted//$'\n'/ }"
say "  gofmt: clean"
started=$(now_ms)
[ -d "$(go env GOCACHE)/00" ] || say "  the first go vet on this machine compiles every library: 2 to 4 minutes on two cores"
go vet ./...
say "  go vet: clean ($(since "$started"))"
lint=$("$HERE/tools.sh")
started=$(now_ms)
# Two at once want two gigabytes: the second waits for the first.
"$lint" run --allow-serial-runners ./...
say "  golangci-lint: clean ($(since "$started"))"
