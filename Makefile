# The tasks of this project. `make help` lists them.

GOLANGCI_LINT := .tools/golangci-lint-v2.15.0

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

check: lint workflows readme test newest coverage chaos nested apidiff ## everything that must pass before a change is merged

readme: ## run the two commands at the start of README.md
	@for command in 'go run ./examples/quickstart' 'go test ./...'; do \
		grep -qx "$$command" README.md || { echo "README.md does not have: $$command"; exit 1; }; \
		echo "$$command"; $$command || exit 1; \
	done

test: ## the tests, with the race detector and in random order
	go test -race -shuffle=on ./...

newest: ## the tests on Go 1.27, with encoding/json/v2 and without
	GOTOOLCHAIN=go1.27.0 go test ./...
	GOTOOLCHAIN=go1.27.0 GOEXPERIMENT=nojsonv2 go test . ./internal/transport

coverage: ## the test coverage of seam and internal/transport
	@mkdir -p .tools
	go test -short -coverpkg .,./internal/transport -coverprofile .tools/cover.out . ./internal/transport ./seamtest ./imkit
	go tool cover -func .tools/cover.out | awk 'END { print; exit $$3+0 < 98 }'

chaos: ## 20,000 calls to a server that fails in many ways
	go test -count=1 -run 'TestChaos$$' -calls 20000 -v .

NESTED := api examples/otel examples/webapp/browser internal/drift sessioncache/redisstore

nested: ## the tests of the nested modules, the webapp's in headless Chromium; SCREENSHOTS=<folder> keeps screenshots
	for module in $(NESTED); do go -C $$module test -race -count=1 ./... || exit 1; done

BENCHSTAT := .tools/benchstat

bench: $(BENCHSTAT) ## the benchmarks, compared with the floor; BENCH_RUNS=10 is the number of runs
	@mkdir -p .tools && go test -c -o .tools/bench.test ./internal/benchmark && rm -f .tools/bench.txt
	@for run in $$(seq $${BENCH_RUNS:-10}); do \
		(cd internal/benchmark && ../../.tools/bench.test -test.run '^$$' -test.bench . -test.benchtime $${BENCH_TIME:-1s}) >>.tools/bench.txt || exit 1; \
	done
	@$(BENCHSTAT) -col /who .tools/bench.txt
	@go test -count=1 -run TestBinary -v ./internal/repository | grep adds

$(BENCHSTAT):
	GOBIN=$(CURDIR)/.tools go install golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

fake: ## install the vendor's fake server, webhook verifier and JavaScript SDK, for the tests that run against them
	npm ci --prefix testdata/fake-seam-connect --no-audit --no-fund
	npm ci --prefix testdata/seamapi-webhook --no-audit --no-fund
	npm ci --prefix testdata/seamapi-http --no-audit --no-fund $(NODE_IN_USE) # otherwise it installs its own Node

NODE_IN_USE = $$(node --eval 'process.exit(process.versions.node.split(".")[0] < 22 ? 1 : 0)' && echo --omit=optional)

record: fake ## update testdata/recorded, testdata/surface.txt and docs/faults.md
	go test -run '^TestConformanceVendorFake$$' ./internal/conformance -record
	go test -run '^TestFaultsAreDocumented$$' . -record
	go test -run '^TestSurface$$' ./internal/repository -record

live: ## run the conformance suite against Seam, in the sandbox workspace of SEAM_TEST_API_KEY
	@test -n "$$SEAM_TEST_API_KEY" || { echo "make live needs SEAM_TEST_API_KEY: an API key of a sandbox workspace."; exit 1; }
	go test -count=1 -v -run '^TestLive$$' ./internal/conformance -live

DRIFT := .tools/drift
SCHEMA := testdata/client_sessions.openapi.json

drift: $(DRIFT) ## the changes in Seam's published schema of client sessions; DRIFT_VERSION=<version of @seamapi/types>, by default the newest
	$(DRIFT) $(SCHEMA) $(DRIFT_VERSION)

drift-accept: $(DRIFT) ## copy that schema to testdata
	$(DRIFT) -accept $(SCHEMA) $(DRIFT_VERSION)

$(DRIFT): $(wildcard internal/drift/*.go internal/drift/go.*)
	go -C internal/drift build -o $(CURDIR)/$(DRIFT) .

APIDIFF := .tools/apidiff

# The nested modules that are released with the root, under the same version.
RELEASED := $(filter-out examples/% internal/%,$(NESTED))

apidiff: ## the changes to the public API since the last release; fails if they are incompatible, from v1 on
	@release=$$(git describe --tags --abbrev=0 --match 'v*' HEAD^ 2>/dev/null) || { echo "There is no release to compare with."; exit 0; }; \
	$(MAKE) --silent $(APIDIFF) && old=$$(mktemp -d) && trap 'rm -rf "$$old"' EXIT && \
	mkdir -p .tools && git archive "$$release" | tar -x -C "$$old" && echo "Since $$release:" && \
	for module in . $(RELEASED); do \
		test -f "$$old/$$module/go.mod" || continue; \
		path=$$(go -C $$module list -m) && echo "$$path:" && \
		(cd "$$old/$$module" && $(CURDIR)/$(APIDIFF) -m -w "$$old/old.api" "$$path") && \
		(cd $$module && $(CURDIR)/$(APIDIFF) -m "$$old/old.api" "$$path") || exit 1; \
	done >.tools/changes && cat .tools/changes && \
	next=$$(go run ./internal/release "$$release" <.tools/changes) && echo "The next version is $$next."

$(APIDIFF):
	GOBIN=$(CURDIR)/.tools go install golang.org/x/exp/cmd/apidiff@v0.0.0-20261014143641-f0251eb4aa3e

release-check: changelog check vuln ## everything that must pass before a release, its contents and its version
	@go test -count=1 -v -run '^(TestPackage|TestNestedModules)$$' ./internal/repository >.tools/fetched || { cat .tools/fetched; exit 1; }
	@grep -o 'users fetch.*' .tools/fetched
	@version=v$(VERSION) && changes=$$($(MAKE) --silent apidiff) && \
	next=$$(echo "$$changes" | sed -n 's/^The next version is \(.*\)\.$$/\1/p') && \
	if test -z "$$next"; then echo "Nothing was released yet: $$version is the first version that users can fetch."; \
	elif test "$$next" != "$$version"; then echo "version.go says $$version, but by its changes the next version is $$next."; exit 1; fi && \
	echo "To release it: git tag $$version$(foreach module,$(RELEASED), && git tag $(module)/$$version) && git push origin $$version$(foreach module,$(RELEASED), $(module)/$$version)"

changelog:
	@$(MAKE) --silent notes | grep -q . || { echo 'CHANGELOG.md has no section for version $(VERSION).'; exit 1; }
	@! sed -n '/^## \[Unreleased\]/,/^## \[[0-9]/p' CHANGELOG.md | grep -v '^## ' | grep -q . || \
		{ echo 'CHANGELOG.md has changes under "Unreleased": move them to the section of the release.'; exit 1; }

fuzz: ## run each fuzz target for FUZZ_TIME=1m
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $${FUZZ_TIME:-1m} $$package || exit 1; \
		done; \
	done

api: ## generate package api from its pinned schema and overlay
	go -C api run ./internal/gen

GREMLINS := .tools/gremlins
MUTATE := GOFLAGS='-short -count=1' $(GREMLINS) unleash --workers 3 --threshold-efficacy 90

mutants: $(GREMLINS) ## mutate the code and check that a test fails for each mutation; takes half an hour
	$(MUTATE) --timeout-coefficient 10 --coverpkg . -E '^(seamtest|sessioncache|webhook|imkit|internal|examples|testdata)/' .
	$(MUTATE) --timeout-coefficient 10 -E decode_jsonv2 ./internal/transport
	for package in ./internal/redact ./seamtest ./webhook ./imkit ./sessioncache; do $(MUTATE) --timeout-coefficient 40 $$package || exit 1; done

$(GREMLINS):
	GOBIN=$(CURDIR)/.tools go install github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0

vuln: ## check the dependencies for known vulnerabilities; GOVULNDB=<URL> uses a copy of the database
	for module in . $(NESTED); do \
		go run golang.org/x/vuln/cmd/govulncheck@v1.1.4 -C $$module -test $${GOVULNDB:+-db "$$GOVULNDB"} ./... || exit 1; \
	done

workflows: ## check the workflows of public CI
	go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

VERSION := $(shell sed -n 's/^const Version = "\(.*\)"/\1/p' version.go)

notes: ## print the release notes of the version in version.go
	@sed -n "/^## \[$(VERSION)\]/,/^## \[\|^\[/{/^## \[\|^\[/!p;}" CHANGELOG.md

lint: $(GOLANGCI_LINT) ## formatting, go vet and golangci-lint
	test -z "$$(gofmt -l . | tee /dev/stderr)"
	go vet ./...
	$(GOLANGCI_LINT) run ./...
	for module in $(NESTED); do (cd $$module && $(CURDIR)/$(GOLANGCI_LINT) run --config $(CURDIR)/.golangci.yml ./...) || exit 1; done

$(GOLANGCI_LINT):
	GOBIN=$(CURDIR)/.tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv .tools/golangci-lint $@

.PHONY: help check readme test newest coverage chaos nested bench fake record live drift drift-accept api apidiff release-check changelog fuzz mutants \
	vuln workflows notes lint
