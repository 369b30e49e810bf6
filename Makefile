# What can be done here; `make` alone lists it. The words of tests/ are explained in docs/testing.md.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
PREFIX  ?= /usr/local
GO      ?= go
STATIC  := CGO_ENABLED=0 $(GO) build -trimpath
KEEPER  := cmd/tiffin/embedded/tiffin-keeper
BINARY  := bin/tiffin

# The rings that need the whole machine to themselves run one package at a time, after the others.
WHOLE := ./tests/...
UNITS  = $$($(GO) list ./... | grep -v '^tiffin/tests')
# A module of its own: the product's go.mod names none of the clients.
# They wait for each other, and for what is to go by itself, more than they compute.
CLIENTS = cd tests/clients && TIFFIN_BINARY=$(CURDIR)/$(BINARY) $(GO) test -parallel 4 -timeout 30m $(TESTFLAGS) ./...

TESTFLAGS ?=
FUZZTIME  ?= 20s
GOLANGCI_LINT_VERSION := v2.12.2

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

## Build

.PHONY: build
build: keeper ## build bin/tiffin, with the keeper inside
	@mkdir -p bin
	$(STATIC) -ldflags '-s -w -X main.version=$(VERSION)' -o $(BINARY) ./cmd/tiffin

.PHONY: keeper
keeper: ## build the keeper, which bin/tiffin embeds
	@$(STATIC) -ldflags '-s -w' -o $(KEEPER) ./cmd/tiffin-keeper

.PHONY: install
install: build ## install bin/tiffin below PREFIX (/usr/local)
	install -D -m 0755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/tiffin

.PHONY: docs
docs: ## make docs/cli.md from the commands, and docs/compose.md from the table of attributes
	UPDATE=1 $(GO) test -count 1 -run 'TestTheReferenceSays|TestTheDocsSay' ./cmd/tiffin ./project/attribute

.PHONY: demo
demo: build ## take samples/quickstart up, look at it, take it down
	@samples/quickstart/demo $(BINARY)

## Test

.PHONY: setup
setup: ## install the programs that the tests need (Debian, as root)
	@tests/setup

.PHONY: images
images: setup ## make the images and the registry that the tests pull from
	@$(GO) run ./tests/images/make

.PHONY: test
test: build images ## set up what is needed and run every test
	$(GO) test -timeout 15m $(TESTFLAGS) $(UNITS)
	TIFFIN_BINARY=$(CURDIR)/$(BINARY) $(GO) test -p 1 -timeout 30m $(TESTFLAGS) $(WHOLE)
	$(CLIENTS)

.PHONY: race
race: ## run the tests beside the code with the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout 20m $(TESTFLAGS) $(UNITS)

.PHONY: root
root: ## run the tests beside the code; one that lacks root or a program fails
	REQUIRE_ROOT=1 $(GO) test -count 1 -timeout 15m $(TESTFLAGS) $(UNITS)

.PHONY: script
script: build images ## run the tests of the command line (UPDATE=1 rewrites them)
	TIFFIN_BINARY=$(CURDIR)/$(BINARY) $(GO) test -count 1 $(TESTFLAGS) ./tests/script/...

.PHONY: e2e
e2e: build images ## take every sample up and down, and look for what is left
	TIFFIN_BINARY=$(CURDIR)/$(BINARY) $(GO) test -count 1 -timeout 30m $(TESTFLAGS) ./tests/e2e/...

.PHONY: clients
clients: build images ## let docker's own clients talk to the engine
	$(CLIENTS) -count 1

.PHONY: vm
vm: build ## run the kernel tests on an older kernel with cgroup v2 only, in qemu (VM_ACCEL=tcg without KVM)
	@tests/vm/run

.PHONY: crash
crash: build images ## kill the engine at every event of a build
	CRASH_ALL=1 TIFFIN_BINARY=$(CURDIR)/$(BINARY) $(GO) test -count 1 -timeout 30m $(TESTFLAGS) ./tests/crash/...

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (20s)
	@$(GO) list ./... | while read -r pkg; do \
		for target in $$($(GO) test -list '^Fuzz' "$$pkg" | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$pkg"; \
		done; \
	done

.PHONY: bench
bench: build images ## measure the binary beside the floor of this machine, and beside Debian's dockerd
	@TIFFIN_BINARY=$(CURDIR)/$(BINARY) REQUIRE_ROOT=1 $(GO) test -run "^$$" -bench "Table|Dockerd" -benchtime 1x -timeout 20m ./tests/bench
	@REQUIRE_ROOT=1 $(GO) test -run "^$$" -bench NameQueries -benchtime 1x ./engine/network

.PHONY: cover
cover: ## show what the tests beside the code do not reach
	$(GO) test -timeout 15m -coverprofile cover.out $(UNITS)
	$(GO) tool cover -func cover.out | sort -k3 -n | head -n 40

## Shape

# The cache of results is this checkout's own: from another one, they come with its paths, which the exceptions do not match.
.PHONY: lint
lint: ## check the style (installs golangci-lint when it is missing)
	@command -v golangci-lint >/dev/null || \
		$(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	@PATH="$$PATH:$$($(GO) env GOPATH)/bin" GOLANGCI_LINT_CACHE=$(CURDIR)/bin/lint golangci-lint run --allow-parallel-runners ./...
	@cd tests/clients && PATH="$$PATH:$$($(GO) env GOPATH)/bin" GOLANGCI_LINT_CACHE=$(CURDIR)/bin/lint golangci-lint run --allow-parallel-runners ./...

.PHONY: fmt
fmt: ## format the code
	@PATH="$$PATH:$$($(GO) env GOPATH)/bin" golangci-lint fmt ./...

.PHONY: ci
ci: test lint ## what has to pass before a change lands

.PHONY: clean
clean: ## remove what was built (the images' cache stays)
	rm -rf bin $(KEEPER) cover.out
