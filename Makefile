# Everything a developer or a machine runs. Each target says what it needs and
# installs it, or fails with how to get it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

TAGS      := duckdb_arrow
GOFLAGS   := -tags=$(TAGS) -buildvcs=false
export GOFLAGS
export CGO_ENABLED := 1
BIN       := $(CURDIR)/.bin
BENCH     ?= .
GOLANGCI_VERSION := v2.15.0

.PHONY: help demo build test lint bench minio fmt generate setup tools servers postgres clean
help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## build, and run the whole job against five simulated systems (needs Go, a C compiler, make)
	@bin/trueup demo

build: ## bin/trueup and bin/sandbox
	@go build -trimpath -o bin/trueup ./cmd/trueup
	@go build -trimpath -o bin/sandbox ./cmd/sandbox

test: setup build ## unit, conformance and integration tests (installs servers it needs)
	go test -timeout 40m ./...

lint: $(BIN)/.golangci-$(GOLANGCI_VERSION) ## format, vet, linters, generated files
	@$(BIN)/golangci-lint run ./...
	@$(BIN)/golangci-lint fmt --diff ./... >/dev/null || { echo "lint: files are not formatted; run 'make fmt'"; exit 1; }

fmt: $(BIN)/.golangci-$(GOLANGCI_VERSION) ## format the code
	@$(BIN)/golangci-lint fmt ./...

generate: ## write the generated files again
	@go generate ./...
	@go test ./cmd/trueup -run TestReferenceOfTheProjectFileIsCurrent -write-docs >/dev/null

bench: servers ## BENCH=<regexp>: benchmarks, each with its yardstick as x_<yardstick>
	go test -run '^$$' -bench '$(BENCH)' -benchtime $${BENCHTIME:-1s} ./...

minio: servers ## a local MinIO on loopback with a bucket; prints its address and credentials
	@testdata/servers/minio.sh

setup: servers postgres json-server ## what the tests need

servers: ## MinIO and VersityGW into .bin/
	@testdata/servers/install.sh

postgres: ## PostgreSQL's binaries, from Debian's packages where they are missing
	@testdata/servers/postgres.sh

.PHONY: json-server
json-server: ## json-server into .bin/, from npm
	@testdata/servers/json-server.sh

$(BIN)/.golangci-$(GOLANGCI_VERSION):
	@mkdir -p $(BIN)
	GOFLAGS= GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@touch $@

clean: ## remove what was built (not the tools)
	@rm -rf bin .trueup
