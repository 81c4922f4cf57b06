# The tasks of this project. `make help` lists them.

# Every module but the root, and those of them that are released with it, under its version.
NESTED := api examples/otel examples/webapp internal/browser sessioncache/redisstore
RELEASED := $(filter-out examples/% internal/%,$(NESTED))

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

CHECKS := lint workflows test rehearsal nested newest cross coverage chaos apidiff

check: ## everything that must pass before a change is merged: each step with its name and its time
	@for step in $(CHECKS); do \
		start=$$(date +%s) && sed -n "s/^$$step:.*## /== make $$step: /p" Makefile && \
		$(MAKE) --no-print-directory $$step || { echo "make $$step failed"; exit 1; }; \
		echo "== make $$step took $$(($$(date +%s) - start)) s"; \
	done

readme: ## run the two commands at the start of README.md, in a fresh clone and with empty caches
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && git clone --quiet . "$$folder/clone" && cd "$$folder/clone" && \
	export GOMODCACHE="$$folder/modules" GOCACHE="$$folder/cache" GOFLAGS=-modcacherw && unset CI && \
	for command in 'go run ./examples/quickstart' 'go test ./...'; do \
		grep -qx "$$command" README.md || { echo "README.md does not have: $$command"; exit 1; }; \
		echo "$$command"; $$command || exit 1; \
	done

test: ## the tests, with the race detector and in random order
	go test -race -shuffle=on ./...

modules: ## get and build the released modules as users do, and run the programs in README.md
	go test -count=1 ./internal/repository -modules

newest: ## the tests on Go 1.27, with encoding/json/v2 and without
	GOTOOLCHAIN=go1.27.0 go test ./...
	GOTOOLCHAIN=go1.27.0 GOEXPERIMENT=nojsonv2 go test . ./internal/transport

coverage: ## the test coverage of seam and internal/transport
	@mkdir -p .tools
	go test -short -coverpkg .,./internal/transport -coverprofile .tools/cover.out . ./internal/transport ./seamtest ./imkit
	go tool cover -func .tools/cover.out | awk 'END { print; exit $$3+0 < 98 }'

# Tests use error numbers, which Plan 9 does not have. A kernel that cannot run 386
# programs can run those of 32-bit ARM with qemu-arm.
cross: ## vet the released modules for other systems, and run the tests on a 32-bit architecture, with GOEXPERIMENT=jsonv2 and in FIPS mode
	@for module in . $(RELEASED); do \
		for target in windows/amd64 linux/386; do \
			echo "$$module: go vet for $$target" && GOOS=$${target%/*} GOARCH=$${target#*/} go -C $$module vet ./... || exit 1; \
		done; \
		echo "$$module: go build for plan9/amd64" && GOOS=plan9 GOARCH=amd64 go -C $$module build ./... || exit 1; \
	done
	@if GOARCH=386 go run ./examples/quickstart >/dev/null 2>&1; then export GOARCH=386; \
	else mkdir -p .tools && ln -sf "$$(command -v qemu-arm)" .tools/go_linux_arm_exec && export GOARCH=arm PATH="$(CURDIR)/.tools:$$PATH"; fi && \
	echo "go test for $$GOARCH" && go test -short $$(go list ./... | grep -v /internal/conformance) # which runs go test
	GOEXPERIMENT=jsonv2 go test ./internal/transport
	GODEBUG=fips140=only go test -run '^(TestFaultsOverTheWire|TestRequests|TestHandler)$$' . ./imkit ./webhook # FIPS mode has no entropy in a synctest bubble

chaos: ## 20,000 calls to a server that fails in many ways, and a list that takes too much memory
	go test -count=1 -run 'TestChaos$$|TestListMemory$$' -calls 20000 -large -v .

nested: ## the tests of the nested modules, those of the webapp and of seamd's pages in headless Chromium; SCREENSHOTS=<folder> keeps screenshots
	printf '%s\n' $(NESTED) | xargs -P 2 -I '{}' go -C '{}' test -race -count=1 ./... # those with a browser mostly wait

redis: ## test a failover of Redis Sentinel, and a Redis cluster that loses and moves slots
	go -C sessioncache/redisstore test -race -count=1 -run 'Sentinel|Cluster' ./... -topologies

bench: ## the benchmarks, compared with the floor; BENCH_RUNS=10 is the number of runs
	@mkdir -p .tools && go test -c -o .tools/bench.test ./internal/benchmark && rm -f .tools/bench.txt
	@for run in $$(seq $${BENCH_RUNS:-10}); do \
		(cd internal/benchmark && ../../.tools/bench.test -test.run '^$$' -test.bench . -test.benchtime $${BENCH_TIME:-1s}) >>.tools/bench.txt || exit 1; \
	done
	@go run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da -col /who .tools/bench.txt
	@go test -count=1 -run TestBinary -v ./internal/repository -modules | grep adds

fake: ## install the vendor's fake server, webhook verifier and JavaScript SDK, for the tests that run against them
	npm ci --prefix testdata/fake-seam-connect --no-audit --no-fund
	npm ci --prefix testdata/seamapi-webhook --no-audit --no-fund
	npm ci --prefix testdata/seamapi-http --no-audit --no-fund $(NODE_IN_USE) # otherwise it installs its own Node

NODE_IN_USE = $$(node --eval 'process.exit(process.versions.node.split(".")[0] < 22 ? 1 : 0)' && echo --omit=optional)

record: fake ## update testdata/recorded.json and docs/faults.md
	go test -run '^TestConformanceVendorFake$$' ./internal/conformance -record
	go test -run '^TestFaultsAreDocumented$$' . -record

live: ## run the conformance suite against Seam, in the sandbox workspace of SEAM_TEST_API_KEY
	@test -n "$$SEAM_TEST_API_KEY" || { echo "make live needs SEAM_TEST_API_KEY: an API key of a sandbox workspace."; exit 1; }
	go test -count=1 -v -run '^TestLive$$' ./internal/conformance -live

schema: ## pin the newest schema of Seam and generate package api from it; SCHEMA_VERSION=<version of @seamapi/types>
	@mkdir -p .tools
	node api/internal/gen/fetch.mjs $${SCHEMA_VERSION:-latest} .tools/openapi.json testdata/client_sessions.openapi.json
	go -C api run ./internal/gen -pin ../.tools/openapi.json
	node seamtest/endpoints.mjs .tools/openapi.json >seamtest/endpoints.json

schema-check: ## vet and test what make schema has changed, and list the changes to the public API of package api
	go -C api vet ./... && go -C api test ./... && go test . ./seamtest
	@old=$$(mktemp -d) && trap 'rm -rf "$$old"' EXIT && git archive HEAD | tar -x -C "$$old" && \
	(cd "$$old/api" && $(APIDIFF) -w "$$old/api.export" github.com/seam-go/seam/api) && \
	(cd api && $(APIDIFF) "$$old/api.export" github.com/seam-go/seam/api)

APIDIFF := go run golang.org/x/exp/cmd/apidiff@v0.0.0-20261014143641-f0251eb4aa3e

# Before v1, incompatible changes need a version that ends in .0. Its own value changes in each release.
apidiff: ## the changes to the public API since the last release; fails for incompatible ones that VERSION does not allow
	@release=$$(git describe --tags --abbrev=0 --match 'v*' HEAD^ 2>/dev/null) || { echo "There is no release to compare with."; exit 0; }; \
	old=$$(mktemp -d) && trap 'rm -rf "$$old"' EXIT && git archive "$$release" | tar -x -C "$$old" && \
	for module in . $(RELEASED); do \
		test -f "$$old/$$module/go.mod" || continue; \
		path=$$(go -C $$module list -m) && echo "$$path since $$release:" && \
		{ (cd "$$old/$$module" && $(APIDIFF) -m -w "$$old/old.api" "$$path") && \
		(cd $$module && $(APIDIFF) -m "$$old/old.api" "$$path"); } 2>"$$old/log" || { cat "$$old/log" >&2; exit 1; }; \
	done >"$$old/changes" && cat "$$old/changes" && \
	case "$$release v$(VERSION)" in "$$release $$release" | v0.*\ v0.*.0) exit 0 ;; esac; \
	! sed -n '/^Incompatible/,/^Compatible/p' "$$old/changes" | grep -v '^- Version: value changed' | grep -q '^- ' || \
		{ echo "v$(VERSION) cannot have incompatible changes."; exit 1; }

version: ## set the version of the next release to NEXT, such as 0.3.0, and move the changes in CHANGELOG.md to it
	@test -n "$(NEXT)" || { echo "make version needs NEXT=<version>"; exit 1; }
	sed -i.old 's/^const Version = .*/const Version = "$(NEXT)"/' version.go
	for module in $(NESTED); do go -C $$module mod edit -require github.com/seam-go/seam@v$(NEXT) || exit 1; done
	sed -i.old -e "s/^## \[Unreleased\]$$/&\n\n## [$(NEXT)] - $$(date +%F)/" -e 's|^\(\[Unreleased\]: .*/seam-go/seam/\).*|\1compare/v$(NEXT)...HEAD\n[$(NEXT)]: https://github.com/seam-go/seam/releases/tag/v$(NEXT)|' CHANGELOG.md
	sed -i.old '/^No version has been released yet/,/^$$/d' README.md # true until the first release
	rm version.go.old CHANGELOG.md.old README.md.old

TAGS = v$(VERSION) $(RELEASED:%=%/v$(VERSION))

release-check: changelog check vuln ## everything that must pass before a release; prints the commands that release it
	@echo "To release v$(VERSION): $(foreach tag,$(TAGS),git tag $(tag) && )git push origin $(TAGS)"

changelog:
	@$(MAKE) --silent notes | grep -q . || { echo 'CHANGELOG.md has no section for version $(VERSION).'; exit 1; }
	@! sed -n '/^## \[Unreleased\]/,/^## \[[0-9]/p' CHANGELOG.md | grep -v '^## ' | grep -q . || \
		{ echo 'CHANGELOG.md has changes under "Unreleased": move them to the section of the release.'; exit 1; }

rehearsal: ## release the last commit in a scratch clone: its notes, its modules as users get them, and the next release
	@clone=$$(mktemp -d) && trap 'rm -rf "$$clone"' EXIT && git clone --quiet . "$$clone" && cd "$$clone" && \
	export MAKEFLAGS=--silent GIT_AUTHOR_NAME=nobody GIT_AUTHOR_EMAIL=nobody@localhost && \
	export GIT_COMMITTER_NAME=nobody GIT_COMMITTER_EMAIL=nobody@localhost && \
	sed -i.old 's/^## \[Unreleased\]$$/&\n\nA rehearsal./' CHANGELOG.md && echo 'const Rehearsed = 0' >>version.go && \
	make version NEXT=0.999.0 && git commit --quiet --all --message=First && \
	for module in $(NESTED); do go -C $$module list -deps ./... >/dev/null || exit 1; done && make changelog notes apidiff modules && \
	for tag in v0.999.0 $(RELEASED:%=%/v0.999.0); do git tag $$tag || exit 1; done && \
	sed -i.old '/Rehearsed/d' version.go && make version NEXT=0.999.1 && git commit --quiet --all --message=Second && \
	if make apidiff >/dev/null 2>&1; then echo "0.999.1 removes a name, which only 0.1000.0 can"; exit 1; fi && \
	make version NEXT=0.1000.0 && make apidiff

fuzz: ## run each fuzz target for FUZZ_TIME=1m
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $${FUZZ_TIME:-1m} $$package || exit 1; \
		done; \
	done

api: ## generate package api from its pinned schema and overlay; a test fails if the files differ
	go -C api run ./internal/gen

GREMLINS := go run github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0
MUTATE := GOFLAGS='-short -count=1' $(GREMLINS) unleash --workers 3 --threshold-efficacy 90

mutants: ## mutate the code and check that a test fails for each mutation; takes half an hour
	$(MUTATE) --timeout-coefficient 10 --coverpkg . -E '^(seamtest|sessioncache|webhook|imkit|internal|examples|testdata)/' .
	$(MUTATE) --timeout-coefficient 10 -E decode_jsonv2 ./internal/transport
	for package in ./internal/redact ./seamtest ./webhook ./imkit ./sessioncache; do $(MUTATE) --timeout-coefficient 40 $$package || exit 1; done

vuln: ## check the dependencies for known vulnerabilities; GOVULNDB=<URL> uses a copy of the database
	for module in . $(NESTED); do \
		go run golang.org/x/vuln/cmd/govulncheck@v1.1.4 -C $$module -test $${GOVULNDB:+-db "$$GOVULNDB"} ./... || exit 1; \
	done

workflows: ## check the workflows of public CI
	go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

VERSION := $(shell sed -n 's/^const Version = "\(.*\)"/\1/p' version.go)

notes: ## print the release notes of the version in version.go
	@sed -n "/^## \[$(VERSION)\]/,/^## \[\|^\[/{/^## \[\|^\[/!p;}" CHANGELOG.md

# Building it takes minutes on a new machine. The build cache keeps the program then.
GOLANGCI_LINT := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

lint: ## formatting, go vet and golangci-lint
	test -z "$$(gofmt -l . | tee /dev/stderr)"
	for module in . $(NESTED); do (cd $$module && go vet ./... && $(GOLANGCI_LINT) run --config $(CURDIR)/.golangci.yml ./...) || exit 1; done

.PHONY: help check readme test modules newest cross coverage chaos nested bench fake record live schema schema-check api apidiff version \
	release-check changelog rehearsal fuzz mutants vuln workflows notes lint
