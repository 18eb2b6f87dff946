# Everything a person does with this checkout. `make` alone explains itself.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := .demo
PACKAGES := ontology provenance catalog executors api sillage
PORT ?= 8000

.PHONY: help
help: ## Show what can be made
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# A stamp per set of packages: installing again only when the lock has changed.
$(VENV)/uv.stamp:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@touch $@

$(VENV)/demo.stamp: $(VENV)/uv.stamp requirements/demo.lock pyproject.toml
	deploy/system-packages demo
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/demo.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

$(VENV)/test.stamp: $(VENV)/uv.stamp requirements/test.lock pyproject.toml
	deploy/system-packages test
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/test.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@ $(VENV)/demo.stamp

.PHONY: demo
demo: $(VENV)/demo.stamp ## Run the whole story on a study that it makes, and show it on a page
	@$(BIN)/python -m sillage.demo $(DEMO) --port $(PORT)

.PHONY: test
test: $(VENV)/test.stamp ## Run every test
	$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

.PHONY: services
services: $(VENV)/test.stamp ## Start Neo4j, Elasticsearch and Slurm for tests and trials, and print their URLs
	$(BIN)/python -m deploy.services start neo4j elasticsearch slurm

.PHONY: check
check: $(VENV)/test.stamp ## Lint, types, layer contract, spelling, lock files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell $(PACKAGES) tests benchmarks deploy docs README.md CHANGELOG.md CONTRIBUTING.md
	$(BIN)/python deploy/check-locks

.PHONY: format
format: $(VENV)/test.stamp ## Format the code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: serve
serve: $(VENV)/demo.stamp ## Serve the demo's catalogue (CATALOG=DIR for another)
	$(BIN)/sillage serve --catalog $(or $(CATALOG),$(DEMO)/catalog) --port $(PORT)

.PHONY: bench
bench: $(VENV)/test.stamp ## Measure what the design has a budget for (takes a while)
	$(BIN)/python -m benchmarks

.PHONY: docs
docs: $(VENV)/test.stamp ## Write the generated pages of docs/reference again
	$(BIN)/python -m deploy.reference_pages

.PHONY: lock
lock: $(VENV)/uv.stamp ## Pin every package anew (needs the network)
	deploy/lock

.PHONY: clean
clean: ## Remove the environment, the demo and what tests leave
	chmod -R u+w $(DEMO) 2>/dev/null || true
	rm -rf $(VENV) $(DEMO) .services .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build *.egg-info
