# CityWatch. `make help` lists what can be done; nothing but Python >= 3.11 and make needs to be installed.

PYTHON ?= python3
VENV ?= .venv
PORT ?= 8700
BROKER ?= embedded
SEED ?= 1
PY := $(VENV)/bin/python
STEP := @$(PYTHON) citywatch/preflight.py step
PIP := $(PY) -m pip --disable-pip-version-check install --quiet
NPM := $(PY) -m citywatch.embedded.node
FRONTEND_SOURCES := $(shell find frontend \( -name node_modules -o -name dist -o -name build \) -prune -o -type f -print 2>/dev/null)
# The kill test, one run: readings and alert causes through real processes that are killed meanwhile.
READINGS ?= 1000000
CAUSES ?= 200

.PHONY: help setup setup-dev frontend demo demo-check demo-stop demo-reset check tests test test-kafka test-kill lint bench lock

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: $(VENV)/.ready frontend/dist/.ready ## build .venv and the frontend (brings Node.js where there is none)

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) citywatch/preflight.py setup
	$(STEP) "Python environment" -- $(PYTHON) -m venv $(VENV)
	$(STEP) "Python packages" -- $(PIP) --require-hashes -r requirements.lock
	$(STEP) "CityWatch" -- $(PIP) --no-deps --no-build-isolation -e .
	@touch $@

setup-dev: $(VENV)/.ready-dev frontend/dist/.ready ## setup, and what the tests need

$(VENV)/.ready-dev: requirements-dev.lock $(VENV)/.ready
	$(STEP) "Packages of the tests" -- $(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

frontend: frontend/dist/.ready ## build the wall and the console, if their sources changed

frontend/node_modules/.ready: frontend/package-lock.json | $(VENV)/.ready
	$(STEP) "Frontend packages" -- $(NPM) ci --no-audit --no-fund --prefer-offline
	@touch $@

frontend/dist/.ready: $(FRONTEND_SOURCES) frontend/node_modules/.ready
	$(STEP) "Frontend" -- $(NPM) run build
	@touch $@

demo: setup ## run everything here: database, broker, services, a simulated city (Ctrl-C stops)
	@$(PY) -m citywatch demo --port $(PORT) $(if $(SCENARIO),--scenario $(SCENARIO))

demo-check: setup ## start a demo, wait for live readings and an alert on the WebSocket, say what was seen, stop it
	@$(PY) -m citywatch demo --check --port $(PORT)

demo-stop: ## stop the demo that runs from this folder
	@$(PY) -m citywatch demo --stop

demo-reset: ## stop the demo, and what a killed one left, and forget its data
	@$(PY) -m citywatch demo --reset

lint: setup-dev ## ruff, mypy --strict, the frontend's types
	$(STEP) "ruff" -- $(PY) -m ruff check .
	$(STEP) "ruff format" -- $(PY) -m ruff format --check .
	$(STEP) "mypy --strict" -- $(PY) -m mypy
	$(STEP) "svelte-check, tsc" -- $(NPM) run check

test: setup-dev ## lint, all tests, and the kill test for 90 seconds (twelve minutes on two cores)
	@$(MAKE) --no-print-directory --jobs=2 check tests

check: lint
	$(STEP) "vitest" -- $(NPM) test

tests: setup-dev # most of them wait most of the time: six at once on two cores
	@$(PY) -m pytest -q -m "not kill" -n 6 --dist loadfile --no-loadscope-reorder --durations=5

test-kafka: setup-dev ## the integration tests on Apache Kafka (needs Java 17 and Maven)
	@CITYWATCH_TEST_BROKER=kafka $(PY) -m pytest -q -m "not kill and not browser" -n 3 --dist loadfile --no-loadscope-reorder $(or $(TESTS),tests/embedded/test_kafka.py tests/kafka tests/ingest tests/alerts)

test-kill: setup-dev ## the whole kill test: BROKER=embedded|kafka SEED=n READINGS=n CAUSES=n
	@$(PY) -m tests.kill --broker $(BROKER) --seed $(SEED) --readings $(READINGS) --causes $(CAUSES)

bench: setup-dev ## measure the budgets; ONLY=prefix measures a part
	@$(PY) -m benchmarks $(if $(ONLY),--only $(ONLY))

lock: ## resolve the locks anew (needs uv)
	@echo "setuptools>=77" | uv pip compile --quiet pyproject.toml - --extra embedded --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --output-file requirements.lock
	@echo "setuptools>=77" | uv pip compile --quiet pyproject.toml - --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --constraint requirements.lock --output-file deploy/requirements.lock
	@echo "setuptools>=77" | uv pip compile --quiet pyproject.toml - --extra embedded --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --constraint requirements.lock --output-file requirements-dev.lock
