# "make help" explains the targets. "make test" needs nothing but Go.

GO       ?= go
FUZZTIME ?= 10s
BENCH    ?= .
DEMO     ?=
MUTANTS  ?=
REV      ?= HEAD
TARGETS  ?=
WITHOUT  ?=
EXAMPLES ?=

STATICCHECK = $(GO) tool -modfile=internal/tools/go.mod staticcheck

.DEFAULT_GOAL := help
.PHONY: sdk help build demo test purego race bench fuzz lint cover wasm interop interop-rust faults netns mutants examples module size clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build all programs into bin/
	@mkdir -p bin
	$(GO) build -trimpath -o bin/ ./cmd/...

demo: ## Fetch and send 1 MB through a whole mixnet in one process (DEMO=--profile=fast hurries)
	@mkdir -p bin
	@echo "compiling cmd/localnet; the first time that takes a minute"
	@$(GO) build -o bin/localnet ./cmd/localnet
	@bin/localnet demo $(DEMO)

test: ## Run all tests; needs only Go
	$(GO) test ./...

purego: ## Run the tests of what has assembly without it, and with what older CPUs have
	$(GO) test -tags purego ./internal/vec8/... ./mixnet/sphinx ./mixnet/surb ./mixnet/message ./mixnet/mixnode
	GODEBUG=cpu.avx512f=off $(GO) test -count=1 ./mixnet/sphinx ./mixnet/surb ./mixnet/message
	GODEBUG=cpu.avx2=off $(GO) test -count=1 ./mixnet/sphinx ./mixnet/surb ./mixnet/message
	GOOS=linux GOARCH=arm64 $(GO) vet ./internal/vec8/... ./mixnet/sphinx

race: ## Run all tests under the race detector; needs a C compiler too
	@cc=$$($(GO) env CC); command -v $${cc%% *} >/dev/null || { \
		echo "make race: the race detector needs a C compiler, and there is no $$cc here." >&2; \
		echo "Install gcc or clang, or set CC. 'make test' runs the same tests without it." >&2; \
		exit 1; }
	CGO_ENABLED=1 $(GO) test -race -timeout 20m ./...

bench: ## Measure the figures that have goals into docs/benchmarks.md and .json (BENCH=regexp: a few, into the terminal only)
	@mkdir -p docs
	$(GO) run ./internal/bench/run -run '$(BENCH)' $(if $(filter .,$(BENCH)),-json docs/benchmarks.json -md docs/benchmarks.md)

fuzz: ## Fuzz every target for FUZZTIME each (10s)
	./internal/tools/fuzz.sh $(FUZZTIME)

lint: ## Check format, go vet (also for the browser) and staticcheck
	@bad=$$($$($(GO) env GOROOT)/bin/gofmt -l .); \
	if [ -n "$$bad" ]; then echo "not in gofmt's form:"; echo "$$bad"; exit 1; fi
	$(GO) vet -tags faults,netns ./...
	GOOS=js GOARCH=wasm $(GO) vet ./cmd/nym-wasm
	GOOS=js GOARCH=wasm $(GO) vet -tags streams ./cmd/nym-wasm
	GOOS=js GOARCH=wasm $(GO) vet -tags messages ./cmd/nym-wasm
	$(STATICCHECK) ./...

cover: ## Measure test coverage into cover.out
	$(GO) test -coverpkg=./... -coverprofile=cover.out ./...
	$(GO) tool cover -func=cover.out | tail -n 1
	@echo "$(GO) tool cover -html=cover.out shows it line by line"

wasm: ## Build what runs in a browser
	GOOS=js GOARCH=wasm $(GO) build ./mixnet/client ./endpoint
	GOOS=js GOARCH=wasm $(GO) build -o /dev/null -tags messages ./cmd/nym-wasm
	GOOS=js GOARCH=wasm $(GO) build -o /dev/null -tags streams ./cmd/nym-wasm

sdk: ## Build and test the npm package for pages and Node; needs Node 20 with npm, and Chromium for its pages
	@command -v npm >/dev/null || { echo "make sdk: needs Node.js 20 or later with npm." >&2; exit 1; }
	cd sdk && npm ci --no-fund --no-audit --loglevel=error && GO='$(GO)' ./build.sh && npm run -s types && GO='$(GO)' npm test

.PHONY: wasm-test
wasm-test: ## Run the vectors of formats and primitives as pages run them, in Node
	@command -v node >/dev/null || { echo "make wasm-test: needs Node.js 20 or later." >&2; exit 1; }
	GOOS=js GOARCH=wasm $(GO) test -exec "$$($(GO) env GOROOT)/lib/wasm/go_js_wasm_exec" -run Vectors \
		./internal/x25519 ./internal/vec8 ./internal/gcmsiv ./mixnet/sphinx ./mixnet/message ./mixnet/surb ./mixnet/fragment \
		./mixnet/session/protocol ./mixnet/wire ./proxy/protocol

interop: ## Run the clients that Nym publishes against our network, and beside our pages; needs Node, npm and Chromium
	@command -v npm >/dev/null || { echo "make interop: needs Node.js 20 or later with npm." >&2; exit 1; }
	GO='$(GO)' sdk/build.sh
	cd interop && npm ci --no-fund --no-audit --loglevel=error && $(GO) test -mod=mod -count=1 -timeout 15m ./...

interop-rust: ## The same with clients of Nym's Rust crates; needs Rust, and an hour to build them first
	@command -v cargo >/dev/null || { echo "make interop-rust: needs Rust 1.87 or later with cargo, and a C compiler." >&2; exit 1; }
	cd interop/rust-sdk && cargo build
	cd interop/rust-socks && cargo build
	cd interop && $(GO) test -mod=mod -tags rust -count=1 -timeout 15m -run Rust ./...

.PHONY: virtual
virtual: ## Measure the figures of docs/benchmarks-virtual.md, in virtual time (four minutes)
	$(GO) test -count=1 -timeout 20m -v -run 'TestStream' ./localnet -figures

faults: ## Kill programs at random moments under traffic, fifty times and more; needs root for a small tmpfs
	$(GO) test -tags faults -count=1 -timeout 15m -v -run Faults ./internal/fleet
	$(GO) test -count=5 -run 'Kill|Dies|Restart|Loss|DeadMix' ./mixnet/boltstore ./mixnet/client ./localnet

netns: ## Run a network on three hosts, each a network namespace; needs root, iproute2 and curl
	$(GO) test -tags netns -count=1 -timeout 10m -v -run Netns ./internal/fleet

mutants: ## Break a line for every hardening rule and see its tests fail (MUTANTS=H30: some); ten minutes
	$(GO) run ./internal/mutants/run -run '$(MUTANTS)'

examples: ## Run every example with its counterparts; needs Python 3, Node 20, curl, Chromium and monerod (WITHOUT=node: leave out what needs it; EXAMPLES=notes: only that)
	$(GO) run ./examples/run -without '$(WITHOUT)' -only '$(EXAMPLES)'

.PHONY: broadcast-real
broadcast-real: ## Have transactions broadcast by real nodes of Bitcoin, Ethereum and Monero; needs Node 20 with npm, and Debian's package monero
	@command -v npm >/dev/null || { echo "make broadcast-real: needs Node.js 20 or later with npm." >&2; exit 1; }
	@command -v monerod >/dev/null || { echo "make broadcast-real: needs monerod and monero-wallet-rpc (apt install monero)." >&2; exit 1; }
	cd examples/broadcast && npm ci --no-fund --no-audit --loglevel=error && $(GO) test -mod=mod -count=1 -timeout 25m -v ./...

.PHONY: dist dist-check
dist: ## Make a release of a commit into dist/: programs for all platforms, archives, checksums (REV=v1.2.3 TARGETS=linux/amd64,...)
	rm -rf dist
	$(GO) run ./internal/release/run -rev '$(REV)' -targets '$(TARGETS)'

dist-check: ## Build twice, in other folders and with another cache, and compare
	$(GO) run ./internal/release/run -check -targets '$(or $(TARGETS),linux/amd64,windows/amd64)' -programs ./cmd/mixnode

.PHONY: packages packages-check image deploy-check
packages: dist ## Make Debian and RPM packages too, for each Linux of the release (TARGETS=linux/amd64: only one)
	GO='$(GO)' ./packaging/build.sh

image: dist ## Make the container image too, as an OCI archive, for each Linux of the release
	cd deploy && $(GO) run -mod=readonly ./image/run ../dist
	$(GO) run ./internal/release/run -sums

deploy-check: ## Check compose.yaml and the Helm chart, and run the network of compose.yaml from the image of "make image"; needs root, iproute2 and curl
	cd deploy && $(GO) vet -tags engine ./... && $(GO) test -mod=readonly -tags engine -count=1 -v ./...
	cd deploy/helm && $(GO) vet ./... && $(GO) test -mod=readonly -count=1 ./...

packages-check: ## Install, upgrade, use and purge them in a Debian of its own; needs root, debootstrap and rpm
	GO='$(GO)' ./packaging/check.sh

module: ## Give the module another path, for publishing it (PATH=example.org/you/nym-socks5)
	@./internal/tools/module.sh '$(PATH)'

size: ## Count lines of Go, and bytes of the programs in bin/ and of those for pages, which have budgets (after make sdk)
	@find . -name '*.go' ! -name '*_test.go' -exec cat {} + | wc -l | xargs echo "lines of Go:"
	@find . -name '*_test.go' -exec cat {} + | wc -l | xargs echo "lines of tests:"
	@if [ -d bin ]; then ls -l bin | awk 'NR > 1 { printf "%s: %.1f MB\n", $$NF, $$5 / 1e6 }'; fi
	@if [ -f sdk/dist/nym.wasm ]; then node sdk/size.mjs; fi

clean: ## Remove what make built
	rm -rf bin dist cover.out
