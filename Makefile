# Everything one types here. The work is in deploy/local/*.sh; .env.example lists the settings.
MAKEFLAGS += --no-print-directory
LOCAL := deploy/local

.PHONY: help run up down reset status test lint build bench bench-go measure er schemathesis test-engines test-engines-down

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 21

run: ## all of Turnout in the foreground, with demo data; Ctrl-C stops it
	@$(LOCAL)/run.sh run

up: ## the same in the background
	@$(LOCAL)/run.sh up

down: ## stop what `up` or `run` started; the data stays
	@$(LOCAL)/run.sh down

reset: ## stop, and forget the data
	@$(LOCAL)/run.sh reset

status: ## what runs, where, and how much memory it holds
	@$(LOCAL)/run.sh status

test: ## format, vet, lint and every test, on real engines
	@$(LOCAL)/test.sh

lint: ## format, vet and lint only
	@$(LOCAL)/lint.sh

build: ## bin/turnout
	go build -o bin/turnout ./cmd/turnout

bench: ## measure against baselines in the same run (SCENARIO=hot; all without a name), JSON under loadtest/results
	@$(LOCAL)/engines.sh --test up >/dev/null && go run ./loadtest -scenario "$(or $(SCENARIO),all)" $(ARGS)

bench-go: ## the benchmarks of the rules and codecs
	go test -run '^$$' -bench . -benchmem ./...

measure: ## starts, memory, loading and the flow, into docs/measurements.md (ARGS=--fetch: fetch all anew)
	@$(LOCAL)/measure.sh $(ARGS)

er: ## draw docs/er.md from the migrated schema
	@go test -count=1 -run TestTheSchemaIsDrawnAsItIs ./cmd/turnout -update

schemathesis: ## fuzz a running Turnout (TURNOUT_URL, else this checkout's) by docs/openapi (ARGS=...)
	@$(LOCAL)/schemathesis.sh

test-engines: ## start the tests' engines and leave them up
	@$(LOCAL)/engines.sh --test up

test-engines-down: ## stop the tests' engines
	@$(LOCAL)/engines.sh --test down
