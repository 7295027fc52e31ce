#!/usr/bin/env bash
# Prints the path of the pinned golangci-lint, after building it once with this Go (a minute on two cores). A linter built
# with an older Go refuses the code of a newer one, so the Go version is part of the path.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

GOLANGCI_LINT=v2.15.0

settings
bin=$CACHE/golangci-lint-$GOLANGCI_LINT-$(go env GOVERSION)
if [ ! -x "$bin/golangci-lint" ]; then
  mkdir -p "$CACHE"
  scratch=$(mktemp -d "$CACHE/tool.XXXXXX")
  # From another directory: the tool's modules are no business of our go.mod.
  cd "$scratch"
  fetching "golangci-lint $GOLANGCI_LINT" env CGO_ENABLED=0 GOFLAGS=-trimpath GOBIN="$scratch" \
    go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$GOLANGCI_LINT" ||
    { rm -rf "$scratch"; die "golangci-lint could not be built: see above"; }
  mkdir -p "$bin"
  mv "$scratch/golangci-lint" "$bin/"
  rm -rf "$scratch"
fi
echo "$bin/golangci-lint"
