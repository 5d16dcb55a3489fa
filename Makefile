# SPDX-License-Identifier: MIT
#
#   make            build ./streamer
#   make test       everything that CI runs; on Debian as root it installs the tools that the tests use
#   make help       the other targets

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DEFAULT_GOAL := build
.NOTPARALLEL:

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# The time in all files of a release: that of the commit.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
LDFLAGS := -s -w -X main.version=$(VERSION)
LOGS    := .cache/test
TALLY   := go -C tools run ./tally -log $(CURDIR)/$(LOGS)
# What failed while the machine's other guests took its processors away measured them, and is run once more.
RERUN   := go -C tools run ./rerun -C $(CURDIR)

# The core and the simulator have no goroutines (internal/archtest sees to it), so the race detector, which makes them
# many times slower, runs on the rest; internal/link stays in because tickets are sealed on any goroutine.
SERIAL := ./internal/archtest ./internal/demo/... ./internal/mono ./internal/identity ./internal/wire ./internal/codec \
          ./internal/gossip ./internal/mesh ./internal/node ./internal/reach ./internal/sim ./internal/uplink
CORE   := ./internal/mono ./internal/identity ./internal/wire ./internal/link ./internal/mesh ./internal/node
# A number of inputs, not a time: at the end of a short time go test may blame a target for the deadline itself.
FUZZ_SMOKE ?= 3000x
FUZZ_TIME  ?= 10m

.PHONY: build
build: ## one static binary, ./streamer
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o streamer ./cmd/streamer

.PHONY: test
test: deps check unit fuzz-smoke cross lab ## all checks and tests

.PHONY: deps
deps: ## the tools that the tests use
	./tools/deps.sh

.PHONY: check
check: ## gofmt, go vet, go mod tidy, without changing anything
	@files=$$(gofmt -l cmd internal lab tools); [ -z "$$files" ] || { echo "not formatted (gofmt -w):"; echo "$$files"; exit 1; }
	go mod tidy -diff
	go -C tools mod tidy -diff
	go vet -tags lab ./...
	go -C tools vet ./...

.PHONY: unit unit-race unit-serial unit-tools
unit: unit-race unit-serial unit-tools ## unit, property, tool and command tests

unit-race: | $(LOGS)
	$(RERUN) go test -json -race -timeout 15m $$(go list ./... | grep -Fxvf <(go list $(SERIAL))) | $(TALLY)/race.json

unit-serial: | $(LOGS)
	$(RERUN) go test -json -timeout 15m $(SERIAL) | $(TALLY)/serial.json

unit-tools: | $(LOGS)
	go -C tools test -count 1 -json ./... | $(TALLY)/tools.json

.PHONY: race
race: ## the race detector on everything, the core and the simulator too
	go test -race -timeout 1h ./...

.PHONY: unit-core
unit-core: ## the core's tests only, which need nothing but Go
	go test $(CORE)

.PHONY: fuzz-smoke
fuzz-smoke: | $(LOGS) ## every fuzz target for FUZZ_SMOKE inputs each
	./tools/fuzz.sh $(FUZZ_SMOKE) | $(TALLY)/fuzz.json

.PHONY: fuzz
fuzz: | $(LOGS) ## every fuzz target for FUZZ_TIME each
	./tools/fuzz.sh $(FUZZ_TIME) | $(TALLY)/fuzz-long.json

.PHONY: cross
cross: ## that the other systems' binaries link, and go vet on what only they have
	for target in windows/amd64 darwin/arm64; do \
		export GOOS=$${target%/*} GOARCH=$${target#*/} CGO_ENABLED=0; \
		go build -o /dev/null ./cmd/streamer; \
		go vet ./cmd/streamer ./internal/desktop; \
	done

.PHONY: lab
lab: | $(LOGS) ## scenarios in network namespaces; needs root
	@# One package after the other, for two cores; within a package, tests that mostly wait go beside each other.
	@if [ "$$(id -u)" = 0 ] && [ "$$(uname)" = Linux ]; then \
		$(RERUN) go test -json -tags lab -timeout 20m -count 1 -p 1 -parallel 4 ./lab/... | $(TALLY)/lab.json; \
	else echo 'lab: not run: it needs Linux and root'; fi

.PHONY: lab-long
lab-long: | $(LOGS) ## the lab's long measurements as well
	LAB_LONG=1 go test -json -tags lab -p 1 -timeout 3h -count 1 ./lab/... | $(TALLY)/lab-long.json

.PHONY: bench
bench: ## benchmarks of all packages
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: sim
sim: ## the simulator: all scenarios of a stream; SCENARIO=churn, or another or a file, NODES=2000 for one and so many hosts
	go run ./cmd/streamer sim $(SCENARIO) $(if $(NODES),--nodes $(NODES))

.PHONY: sim-gossip
sim-gossip: build ## the simulator's scenarios of gossip, NODES=500 each: minutes; 10000: hours (docs/results/discovery.md)
	for scenario in gather spread silence split eclipse hidden; do \
		./streamer sim $$scenario --nodes $(or $(NODES),500); \
	done

.PHONY: cover
cover: ## coverage of the unit tests, all packages together
	@mkdir -p .cache
	go test -coverpkg ./cmd/...,./internal/... -coverprofile .cache/cover.out ./cmd/... ./internal/...
	go tool cover -func .cache/cover.out | tail -1

.PHONY: lint
lint: .cache/golangci-lint ## golangci-lint; the first run builds it, which takes minutes
	.cache/golangci-lint run --build-tags lab ./...

.cache/golangci-lint: tools/golangci/go.mod
	go -C tools/golangci build -o $(CURDIR)/$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: release release-check
release: ## dist/: archives for Linux, Windows and macOS, Debian packages, SHA256SUMS
	go -C tools run ./release -root '$(CURDIR)' -out '$(CURDIR)/dist' -version '$(VERSION)' -epoch $(SOURCE_DATE_EPOCH)

release-check: ## that two releases of this commit are alike, and that what is in them runs; minutes
	./tools/release-check.sh

.PHONY: licenses
licenses: ## cmd/streamer/licenses.txt again, after modules changed
	go -C tools run ./licenses -root $(CURDIR) >cmd/streamer/licenses.txt.new
	mv cmd/streamer/licenses.txt.new cmd/streamer/licenses.txt

.PHONY: generate
generate: ## the bundled demo music again; needs ffmpeg
	go generate ./internal/demo

.PHONY: help
help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(LOGS):
	mkdir -p $@
