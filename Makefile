# Everything a developer or CI does. Each target installs what it lacks first, says so, and does it once.
#
# Variables:
#   ARGS              more arguments for `make demo`, or a filter for `make test` and `make prove`
#   CARGO_TARGET_DIR  where cargo builds, as everywhere
#   HISTORIES         how many histories `make prove` simulates
#   MINUTES           how long `make soak` runs
#   SLUICE_TOOLS      where tools are installed (default: .tools); clones may share one

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help

export SLUICE_TOOLS := $(abspath $(or $(SLUICE_TOOLS),.tools))

ARGS ?=
HISTORIES ?= 100000
MINUTES ?= 10
# CI builds what Cargo.lock says, or fails.
LOCKED := $(if $(CI),--locked)
NEXTEST_PROFILE := $(if $(CI),ci,default)
SETUP := scripts/setup
# All of the workspace, that its features are those of the tests, and nothing is compiled twice.
BUILD_BINARIES := cargo build $(LOCKED) --workspace --bins
PYTHON_TOOLS := $(SLUICE_TOOLS)/venv/bin
WITH_TOOLS := SLUICE_TEST_TOOLS="$(PYTHON_TOOLS)" PATH="$(SLUICE_TOOLS)/bin:$$PATH"
NEXTEST := $(WITH_TOOLS) cargo nextest run $(LOCKED) --workspace
SOAK := cargo test $(LOCKED) --release -p sluice-redshift --test simulation -- --ignored --exact soak --nocapture

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Load real files end to end on this machine: incoming/ to SQL tables and on to processed/
	@$(SETUP) postgresql
	$(BUILD_BINARIES)
	"$$(scripts/target-dir)/debug/sluice" demo --examples examples $(ARGS)

.PHONY: test
test: ## Run every test but the campaigns, of which it has a sample; end-to-end tests drive the real binaries
	@$(SETUP) postgresql python sam nextest
	$(BUILD_BINARIES)
	$(if $(ARGS),,$(WITH_TOOLS) scripts/check-tests)
	cargo test $(LOCKED) --quiet --workspace --doc
	$(NEXTEST) --profile $(NEXTEST_PROFILE) $(ARGS)

.PHONY: prove
prove: ## Run the campaigns: planted bugs, all crash points, very many files and histories, functions as they are deployed
	@$(SETUP) postgresql python sam nextest
	$(BUILD_BINARIES)
	$(NEXTEST) --profile prove $(ARGS)
	$(if $(ARGS),,SLUICE_SIMULATION_HISTORIES="$(HISTORIES)" $(SOAK))
	$(if $(ARGS),,scripts/check-functions)

.PHONY: functions
functions: ## Build the functions as `sam build` does, and check that Lambda can start them (a part of `make prove`)
	@$(SETUP) sam
	scripts/check-functions

.PHONY: soak
soak: ## Simulate histories of the protocol for MINUTES (10), and tell what they went through
	SLUICE_SIMULATION_MINUTES="$(MINUTES)" $(SOAK)

.PHONY: planted
planted: ## Plant bugs into a copy of the core, one at a time, and see the simulation catch each (a part of `make prove`)
	cargo test $(LOCKED) -p sluice-redshift --test planted -- --nocapture

.PHONY: bench
bench: ## Measure what the functions need, and write docs/BENCHMARKS.md; ARGS names parts, which are printed only
	@$(SETUP) postgresql python sam
	scripts/check-functions
	SLUICE_TEST_TOOLS="$(PYTHON_TOOLS)" cargo bench $(LOCKED) --profile dev --workspace --bench functions -- $(ARGS)

.PHONY: check
check: ## Check format, lints, documentation, dependencies, licences, spelling, examples and the template
	@$(SETUP) python sam checkov deny machete
	scripts/check-text
	scripts/check-examples
	scripts/check-template
	"$(PYTHON_TOOLS)/typos"
	cargo fmt --all --check
	scripts/check-dependencies
	scripts/check-circles
	"$(SLUICE_TOOLS)/bin/cargo-machete" --skip-target-dir
	"$(SLUICE_TOOLS)/bin/cargo-deny" $(LOCKED) --log-level error check bans licenses sources
	cargo clippy $(LOCKED) --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc $(LOCKED) --workspace --no-deps --document-private-items

.PHONY: audit
audit: ## Check the dependencies against the RustSec advisories (fetches their database)
	@$(SETUP) deny
	"$(SLUICE_TOOLS)/bin/cargo-deny" --log-level error check advisories

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: setup
setup: ## Install all that the other targets need
	@$(SETUP) postgresql python sam checkov deny machete nextest

.PHONY: clean-tools
clean-tools: ## Remove what setup put into .tools
	rm -rf "$(SLUICE_TOOLS)"
