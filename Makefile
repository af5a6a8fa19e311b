# `make run` shows the main job on real parts; `make test` tests it; `make check` is what CI runs.
# `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: run
run: setup ## the main job, locally: uploads plugins and real config files, shows what Redis holds
	@cargo build --workspace --bins
	@cargo run --quiet --package redis-sync-tests --bin main-job

.PHONY: test
test: setup ## unit tests and end-to-end tests
	cargo build --workspace --bins
	cargo test --workspace

.PHONY: test-moto
test-moto: setup target/moto/.installed ## end-to-end with moto's S3, SQS, SNS and EventBridge, which it installs (Python)
	cargo build --workspace --bins
	cargo test --package redis-sync-tests --test moto

target/moto/.installed:
	python3 -m venv target/moto
	target/moto/bin/pip install --quiet --disable-pip-version-check 'moto[server]==5.2.*'
	@touch $@

.PHONY: fuzz
fuzz: setup ## fuzzes the event classifier for ten minutes; installs cargo-fuzz and a nightly toolchain
	@command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	cargo +nightly fuzz run classify -- -max_total_time=600 -max_len=8192
.PHONY: soak
soak: setup ## what tests shorten, in full: 200 kills, then random histories until it is stopped
	cargo build --workspace --bins
	cargo test --package redis-sync-tests --test e2e -- --ignored --nocapture killed_200_times
	cargo test --package redis-sync-tests --test e2e -- --ignored --nocapture convergence::soak

.PHONY: check
check: setup ## formatting, clippy, docs, tests: what CI runs
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --document-private-items
	$(MAKE) test

.PHONY: bench
bench: setup ## one object through the sandbox beside the same code native
	cargo bench --package redis-sync-tests

.PHONY: setup
setup: target/.tools ## installs what is missing: the toolchain, the WebAssembly target, redis-server

target/.tools: Makefile rust-toolchain.toml
	@command -v rustup >/dev/null || { echo "Rust is missing: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"; exit 1; }
	@rustup which cargo >/dev/null 2>&1 || rustup toolchain install
	@rustup target list --installed | grep -qx wasm32-wasip1 || rustup target add wasm32-wasip1
	@command -v cc >/dev/null || $(MAKE) --no-print-directory install PACKAGE=build-essential
	@command -v redis-server >/dev/null || command -v valkey-server >/dev/null || $(MAKE) --no-print-directory install PACKAGE=redis-server
	@mkdir -p target && touch $@

.PHONY: install
install:
	@command -v apt-get >/dev/null || { echo "$(PACKAGE) is missing: install it with your package manager"; exit 1; }
	@sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); echo "installing $(PACKAGE)"; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq $(PACKAGE) >/dev/null
