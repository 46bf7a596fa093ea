# Everything that is done with this repository. `make` lists it.

export SQLX_OFFLINE ?= true
TARGET := $(or $(CARGO_TARGET_DIR),target)

.DEFAULT_GOAL := help
.PHONY: help demo test chaos fuzz check bench sqlx sqlx-check lint fmt fmt-check doc deny services test-tools

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: services ## Sync simulated users from nothing to rows (ARGS="--exit --users 5 --dir DIR")
	cargo build --release --locked --bins
	$(TARGET)/release/polar-sync demo $(ARGS)

test: services test-tools ## Install what is missing and run the whole suite
	scripts/run-tests $(ARGS)

chaos: services ## Kill, freeze and spoil everything at random (MINUTES=5 SEED=n)
	CHAOS_MINUTES=$(MINUTES) CHAOS_SEED=$(SEED) cargo test --locked --test chaos -- --ignored --nocapture

fuzz: ## Fuzz the parsers, each for a minute (SECONDS=60 ARGS="wire gpx")
	scripts/fuzz $(or $(SECONDS),60) $(ARGS)

check: fmt-check lint doc deny sqlx-check test ## All that must hold before a change is merged

bench: services ## Measure; prints a table and writes bench.json
	TMPDIR=$${TMPDIR:-/var/tmp} cargo bench --locked --bench '*' -- $(ARGS)

sqlx: services ## Write the offline data of the SQL statements anew, after one changed
	scripts/sqlx-data write

sqlx-check: services ## Check that the offline data is that of the statements
	scripts/sqlx-data check

lint: ## Clippy on everything, warnings are errors
	cargo clippy --locked --all-targets -- -D warnings

fmt: ## Format the code
	cargo fmt

fmt-check:
	cargo fmt --check

doc: ## Build the documentation, warnings are errors
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --locked --no-deps --document-private-items

deny: ## Check dependencies: bans, licenses, sources, advisories
	scripts/deny

services: ## Install PostgreSQL and Redis where they are missing
	scripts/install-services

test-tools: ## Install Chromium and schemathesis, for tests, where they are missing
	scripts/install-test-tools $(TARGET)/schemathesis
