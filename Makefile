# `make demo` and `make test` are all a newcomer needs. Every target installs what it needs first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
LOCKS := deploy/locks
BIN := $(VENV)/bin
UV := VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv

# Containers read the files as another user, so it is the folder that keeps other people of this machine out.
SECRETS := deploy/docker/secrets

# Stamps record what the environment holds, so that a second run does nothing.
INSTALLER := $(VENV)/.installer
LOCAL := $(VENV)/.installed-local
DEV := $(VENV)/.installed-dev

# The first Python that the project supports; PYTHON=/path/to/python chooses another.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c '$(SUPPORTED)' 2>/dev/null && { echo "$$name"; break; }; done)

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# What has the developers' tools has everything the demo needs as well.
.PHONY: demo
demo: $(if $(wildcard $(DEV)),$(DEV),$(LOCAL)) ## Run the whole pipeline on generated data, print what it found, stop
	@$(BIN)/journeys demo

.PHONY: test
# Many wait for servers most of the time: more processes than a small machine has cores.
test: $(DEV) ## Run the tests (ARGS="-m long": those that take minutes each)
	@$(BIN)/pytest --numprocesses 3 --dist loadfile $(ARGS)

.PHONY: check
check: $(DEV) ## Run all gates, as CI does
	@.ci/run

# EVENTS, PERSONS, BROKER=kafka, and ARGS="--runs 5 --json".
.PHONY: bench
bench: $(DEV) ## Measure the whole path beside plain Faust, and check what came out (ARGS=--help)
	@$(BIN)/python -m bench.pipeline $(if $(EVENTS),--events $(EVENTS)) $(if $(PERSONS),--persons $(PERSONS)) \
		$(if $(BROKER),--broker $(BROKER)) $(ARGS)

.PHONY: bench-steps
bench-steps: $(DEV) ## Measure what each step of the pipeline costs (ARGS="--events 100000")
	@$(BIN)/python -m bench.steps $(ARGS)

.PHONY: bench-rules
bench-rules: $(DEV) ## Measure what the friction rules cost (ARGS="--each" for each of them)
	@$(BIN)/python -m bench.rules $(ARGS)

# TOUCHPOINTS, and ARGS="--only ask --json".
.PHONY: bench-sink
bench-sink: $(DEV) ## Measure ClickHouse at size: inserts, parts, FINAL, every ready-made question (ARGS=--help)
	@$(BIN)/python -m bench.sink $(if $(TOUCHPOINTS),--touchpoints $(TOUCHPOINTS)) $(ARGS)

.PHONY: bench-alerts
bench-alerts: $(DEV) ## Measure the alerts worker under a flood, or others beside an endpoint that is away (ARGS="flood")
	@$(BIN)/python -m bench.alerts $(ARGS)

.PHONY: bench-memory
bench-memory: $(DEV) ## Measure what persons take in memory, and whether the caps hold (ARGS="--persons 1000000")
	@$(BIN)/python -m bench.memory $(ARGS)

.PHONY: bench-growth
bench-growth: $(DEV) ## Measure how the cost of a touchpoint grows (ARGS="--charts docs")
	@$(BIN)/python -m bench.growth $(ARGS)

# TOUCHPOINTS, and ARGS="--json".
.PHONY: bench-page
bench-page: $(DEV) ## Measure how long people wait for the page, in a browser (TOUCHPOINTS=1000000)
	@$(BIN)/python -m bench.page $(if $(TOUCHPOINTS),--touchpoints $(TOUCHPOINTS)) $(ARGS)

# A run of each experiment; SEED, SECONDS (of faults, each), BROKER=kafka, and ARGS="--only NAME --json".
.PHONY: faults
faults: $(DEV) ## Kill and pause everything, and check that nothing shows it (ARGS=--help)
	@$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(BROKER),--broker $(BROKER)) $(ARGS)

.PHONY: format
format: $(DEV) ## Format the code and apply safe lint fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: docs
docs: $(DEV) ## Write what comes from the code in docs/: tables, and answers to questions
	@$(BIN)/python -m docs.generate
	@$(BIN)/python -m docs.questions_page

.PHONY: setup
setup: $(DEV) ## Create .venv with everything that users and developers need
	@echo "$(VENV) is ready: $(BIN)/journeys --help"

.PHONY: secrets
secrets: ## Make the secrets that docker-compose.yml mounts, where they are missing
	@chmod 700 $(SECRETS)
	@for name in clickhouse_password pepper grafana_password; do \
		[ -s $(SECRETS)/$$name ] || { od -An -N32 -tx1 /dev/urandom | tr -d ' \n' > $(SECRETS)/$$name; \
		echo "wrote $(SECRETS)/$$name"; }; done
	@chmod 644 $(SECRETS)/*

.PHONY: lock
lock: $(INSTALLER) ## Resolve the dependencies again and write deploy/locks
	@$(call compile,$(LOCKS)/installer.in,installer)
	@$(call compile,$(LOCKS)/build.in,build)
	@$(call compile,pyproject.toml,runtime)
	@$(call compile,pyproject.toml --extra local,local)
	@$(call compile,pyproject.toml --extra local --extra apprise --extra notebook --group dev,dev)

.PHONY: clean
clean: ## Remove the environment, caches and build results, but no data
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The lock files name no index: the same file serves whichever one a machine reaches.
compile = $(UV) pip compile $(1) --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock" --quiet $(UPGRADE) --output-file $(LOCKS)/$(2).lock

install = $(UV) pip install --quiet --compile-bytecode --require-hashes -r $(LOCKS)/$(1).lock \
	&& $(UV) pip install --quiet --build-constraints $(LOCKS)/build.lock --no-deps --editable .

$(INSTALLER): $(LOCKS)/installer.lock
	@if [ -z "$(PYTHON)" ]; then \
		echo "No Python from 3.11 to 3.14 was found. Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; fi
	@"$(PYTHON)" -c '$(SUPPORTED)' || { \
		echo "$(PYTHON) is not a Python from 3.11 to 3.14. Name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' || { \
		echo "$(PYTHON) cannot make environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@[ -x $(BIN)/python ] || { \
		echo "Creating $(VENV) with $$("$(PYTHON)" --version)"; "$(PYTHON)" -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(LOCAL): $(INSTALLER) $(LOCKS)/local.lock $(LOCKS)/build.lock pyproject.toml
	@echo "Installing the application with its local broker and ClickHouse (1.2 GB unpacked)"
	@$(call install,local)
	@touch $@

$(DEV): $(INSTALLER) $(LOCKS)/dev.lock $(LOCKS)/build.lock pyproject.toml
	@echo "Installing the application and the developers' tools"
	@$(call install,dev)
	@touch $@
