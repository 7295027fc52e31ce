#!/usr/bin/env bash
# What must hold before a test is worth running: format, go vet, golangci-lint.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

unformatted=$(find . -name '.?*' -prune -o -name '*.go' -print0 | xargs -0 gofmt -l)
[ -z "$unformatted" ] || die "not formatted (gofmt -w mends it): ${unformatted//$'\n'/ }"
say "  gofmt: clean"
started=$(now_ms)
go vet ./...
say "  go vet: clean ($(since "$started"))"
lint=$("$HERE/tools.sh")
started=$(now_ms)
# Two at once want two gigabytes: the second waits for the first.
"$lint" run --allow-serial-runners ./...
say "  golangci-lint: clean ($(since "$started"))"
