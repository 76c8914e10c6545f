# clusterup: build, check, try. `make` says what there is. Nothing outside this folder is touched but caches, and, where a target says
# so, Debian packages.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VERSION ?= 3.6.16
# What the acceptance tests need; the demo needs VERSION only.
RELEASES ?= 3.5.35 3.6.16 3.7.3

CACHE  ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/clusterup
MIRROR ?= $(if $(filter 0,$(shell id -u)),/var/cache/clusterup/mirror,$(CACHE)/mirror)
TOOLS  := $(CACHE)/tools
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64
# etcd's releases for Linux.
NODES := amd64 arm64 ppc64le riscv64 s390x

BIN := bin/clusterup
export CLUSTERUP_MIRROR := $(MIRROR)
export CLUSTERUP_BIN := $(CURDIR)/$(BIN)
export CLUSTERUP_PROMETHEUS := $(CACHE)/prometheus
export CLUSTERUP_HAPROXY := $(CACHE)/haproxy/haproxy
# The packages whose tests make no hosts.
UNIT = $$(go list ./... | grep -vE '/(acceptance|lab)$$')

.PHONY: help
help: ## say what can be made
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: go ## the binary, static, as bin/clusterup
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $(BIN) ./cmd/clusterup

.PHONY: node
node: $(NODES:%=node-%) ## the program for balancers, for each architecture of etcd's, as bin/clusterup-node-linux-ARCH

node-%: go # for one of them
	CGO_ENABLED=0 GOOS=linux GOARCH=$* go build -trimpath -ldflags '-s -w' -o bin/clusterup-node-linux-$* ./cmd/clusterup-node

.PHONY: test
test: ## everything that CI runs, on real hosts too: needs Linux and root, installs what is missing
	tools/packages test
	$(MAKE) go
	$(MAKE) -j2 --output-sync=target build tools
	$(MAKE) -j2 --output-sync=target cross releases
	$(MAKE) lint
	$(MAKE) unit
	$(MAKE) race
	$(MAKE) acceptance

.PHONY: unit
unit: go prometheus ## the tests that need no hosts
	go test -timeout 30m $(UNIT)

# plan, units, inventory and monitoring are pure: there is not one goroutine in them.
RACE = $$(go list ./... | grep -vE '/(acceptance|lab|plan|units|inventory|examples)(/|$$)')
.PHONY: race
race: go ## the same with the race detector, for whatever does more than one thing at a time
	CGO_ENABLED=1 go test -race -timeout 40m $(RACE)

.PHONY: acceptance
acceptance: build etcd cfssl prometheus haproxy ## real hosts, real members, the real binary (PERMISSIONS=on: and etcd's permissions); needs Linux and root
	CLUSTERUP_ETCD=$(CACHE)/etcd/$(VERSION)/etcd go test -count=1 -p 1 -parallel 3 -timeout 70m ./quorum ./node ./lab ./acceptance/...

.PHONY: cross
cross: go # the binaries build for every platform, and everything compiles off Linux too
	@for p in $(PLATFORMS); do \
	  echo "build $$p"; \
	  GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 go build -trimpath -o /dev/null ./cmd/clusterup; \
	done
	@$(MAKE) node NODES="amd64 arm64"
	GOOS=darwin GOARCH=arm64 go vet ./...

.PHONY: lint
lint: tools ## golangci-lint: the architecture too (.golangci.yml)
	$(TOOLS)/golangci-lint config verify
	$(TOOLS)/golangci-lint run ./...

.PHONY: fix
fix: tools ## format, and mend what the linters can mend by themselves
	$(TOOLS)/gofumpt -w $$(go list -f '{{.Dir}}' ./...)
	$(TOOLS)/golangci-lint run --fix ./...

.PHONY: golden
golden: go ## write the golden files anew; then read the difference
	go test $$(grep -rlE 'flag\.Bool\("update"' --include='*_test.go' . | xargs -r -n1 dirname | sort -u) -update
	git diff --stat -- '*testdata*'

ROUNDS ?= 5
QUIET ?= 0s
BENCH ?= Start|Tools|Distance|Snapshots
COMPARE ?= floor clusterup Ansible
.PHONY: bench
bench: ## clusterup beside a script by hand and Ansible, over distances, and its snapshots: writes docs/benchmarks.md; needs Linux and root
	tools/packages test
	@command -v ansible-playbook >/dev/null || ! command -v apt-get >/dev/null || apt-get install -qq -y --no-install-recommends ansible
	$(MAKE) build releases
	go test -run '^TestTasks$$' -bench '$(BENCH)' -benchtime $(ROUNDS)x -timeout 4h ./acceptance -args -quiet $(QUIET) -tools '$(COMPARE)' -found
	go test -count=1 -run '^TestBenchmarksPage$$' ./acceptance -args -update

# The tests that FAULTS=full runs, or makes longer, by the beginnings of their names, in parts. Each part takes up to an hour on two cores that
# have nothing else to do. TestFaultParts finds a test that is in no part or in two.
FAULTS_bootstrap := FaultsAlone|FaultsTogether|FaultsMixed|Misfortunes|Interrupted
FAULTS_repair    := Cluster|FaultsRepair|Expired|Explained|Hostile|RestartOfDeaf
FAULTS_upgrade   := Roll
FAULTS_rotation  := Rotate|Tampered|Aged|ClientsPage
FAULTS_tls       := TLSOn|CAServers
FAULTS_destroy   := FaultsDestroy|FaultsPurge
FAULTS_dark      := Dark
FAULTS_members   := Members
FAULTS_restore   := Restore|DisastersPage
FAULTS_upkeep    := Upkeep|WayOut
FAULTS_auth      := Auth|LockedOut
FAULTS_hosts     := Logins|Owners|TwoClusters
FAULTS_balancer  := NodesFaults
PART ?= bootstrap repair upgrade rotation tls destroy dark members restore upkeep auth hosts balancer

.PHONY: faults
.NOTPARALLEL: faults
faults: $(PART:%=faults-%) ## the faults of docs/guarantees.md, which this writes; PART=NAME for one part (Makefile); for hours; needs Linux and root

faults-%: build release # one part
	FAULTS=full go test -count=1 -timeout 2h -run '^Test($(or $(FAULTS_$*),$(error there is no part $*)))' ./acceptance

.PHONY: release
release: go ## pack etcd VERSION (3.6.16) from Go modules into the mirror folder
	go run ./lab/pack -out $(MIRROR) $(VERSION)

.PHONY: releases
releases: go # all that the tests need
	go run ./lab/pack -out $(MIRROR) $(RELEASES)

.PHONY: demo
demo: ## three hosts on this machine, a cluster on them, and what to try next; needs Linux and root
	@tools/packages demo
	@$(MAKE) -s go
	@VERSION=$(VERSION) MIRROR=$(MIRROR) tools/demo

.PHONY: clean
clean: ## remove what was built here; caches and labs stay (clusterup lab down removes a lab)
	rm -rf bin coverage.out

.PHONY: go
go: # a Go that can build this
	@tools/packages go

.PHONY: tools
tools: go # the linters, pinned
	@tools/install $(TOOLS) golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint v2.15.0
	@tools/install $(TOOLS) gofumpt mvdan.cc/gofumpt v0.12.0

.PHONY: etcd
etcd: release # the server itself, for tests that need no host
	@test -x $(CACHE)/etcd/$(VERSION)/etcd || { mkdir -p $(CACHE)/etcd/$(VERSION).new && \
	  tar -xzf $(MIRROR)/v$(VERSION)/etcd-v$(VERSION)-linux-$$(go env GOARCH).tar.gz --strip-components=1 -C $(CACHE)/etcd/$(VERSION).new && \
	  mv $(CACHE)/etcd/$(VERSION).new $(CACHE)/etcd/$(VERSION); }

.PHONY: cfssl
cfssl: go # a CA server of the version in go.mod, for tests
	@tools/install $(TOOLS) cfssl github.com/cloudflare/cfssl/cmd/cfssl $$(go list -m -f '{{.Version}}' github.com/cloudflare/cfssl)

.PHONY: prometheus
prometheus: # and its tool, which tries alert rules
	@tools/prometheus $(CLUSTERUP_PROMETHEUS)

.PHONY: haproxy
haproxy: # for tests, with no service of it
	@tools/haproxy $(CACHE)/haproxy
