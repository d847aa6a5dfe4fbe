# `make demo` and `make test` need Python 3.11 or later and nothing else; `make help` lists the rest.
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
# Wheels only: building a source distribution would fetch build requirements that no hash pins.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url $(LOCK_ARGS)

# The floor of coverage (pyproject.toml) is held where every test runs.
FLOOR = $(if $(and $(filter true,$(CI)),$(if $(PYTEST_ARGS),,all)),,--cov-fail-under 0)

.PHONY: help demo dev catalog up test test-full docs lint format bench services services-down services-env \
	bundle stack stack-down stack-logs stack-status stack-secrets stack-uploader stack-test lock clean
.DELETE_ON_ERROR:

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 22

demo: $(VENV)/.run ## The main job on files that the project ships, narrated (own folder: demo/var)
	@PATH="$(abspath $(BIN)):$$PATH" sh demo/run.sh

dev: $(VENV)/.dev ## Dagster's UI on the embedded default, http://127.0.0.1:3000 (DEV_PORT=, SPATIAL_ETL_HOME=; Ctrl-C ends it)
	@PATH="$(abspath $(BIN)):$$PATH" sh services/dagster/dev.sh $(DEV_PORT)

catalog: $(VENV)/.dev ## The catalog in a browser, http://127.0.0.1:8080 (CATALOG_PORT=, SPATIAL_ETL_HOME=; Ctrl-C ends it)
	@PATH="$(abspath $(BIN)):$$PATH" sh services/catalog/start.sh $(CATALOG_PORT)

up: $(VENV)/.dev services ## The same on the real services, Dagster's own records in PostgreSQL
	@PATH="$(abspath $(BIN)):$$PATH" sh services/dagster/up.sh $(DEV_PORT)

test: $(VENV)/.dev ## Every test that can run here, with coverage; says what it left out (PYTEST_ARGS="-k crs")
	@$(BIN)/python -m services.local build || echo "Tests that need it will be left out."
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --durations 25 $(PYTEST_ARGS) --cov $(FLOOR)

test-full: ## The same with every sweep whole and properties tried five times as often: takes much longer
	@SPATIAL_ETL_TEST_FULL=1 PYTEST_TIMEOUT=7200 $(MAKE) --no-print-directory test

lint: $(VENV)/.dev ## Format, style, types, direction of imports
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Apply the format and the safe fixes
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/.dev ## The documentation site, read from the disk: build/docs/index.html
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict && echo "Open build/docs/index.html"

bench: $(VENV)/.dev ## Speed and memory beside GeoPandas, DuckDB and ogr2ogr (BENCH_ARGS="--help")
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

services: | $(BIN)/python ## MinIO, FerretDB (MongoDB's protocol) and PostGIS: built or installed, started on loopback
	@$(BIN)/python -m services.local up
	@echo 'Point the commands of this shell at them: eval "$$(make -s services-env)"'

services-down: | $(BIN)/python ## End those; their data stays
	@$(BIN)/python -m services.local down

services-env: | $(BIN)/python ## Print the settings that reach them, for eval in a shell
	@$(BIN)/python -m services.local env

stack: $(VENV)/.run ## All of it in containers, by Docker Compose: builds images, makes passwords, starts, waits, says where it is
	@$(BIN)/python -m services.stack up

stack-down: | $(BIN)/python ## End it; the data stays in its volumes
	@$(BIN)/python -m services.stack down

stack-logs: | $(BIN)/python ## Follow what its services print (Ctrl-C ends)
	@$(BIN)/python -m services.stack logs

stack-status: | $(BIN)/python ## Which of its services run, and whether they are healthy
	@$(BIN)/python -m services.stack status

stack-secrets: | $(BIN)/python ## Make the passwords that are missing, in the folder secrets/ (make stack does it, too)
	@$(BIN)/python -m services.stack secrets

stack-uploader: | $(BIN)/python ## Print the settings of those who deliver to it
	@$(BIN)/python -m services.stack uploader

bundle: $(VENV)/.dev ## All that a server without internet needs, in one archive: build/bundle (BUNDLE_KEY=private key of SSH)
	@$(BIN)/python -m services.bundle $(if $(BUNDLE_KEY),--key $(BUNDLE_KEY))

stack-test: $(VENV)/.dev ## The stack in real containers, on a Docker daemon of its own (Debian, as root); in CI it must run
	@$(BIN)/python -m services.stack install || echo "Tests that need it will be left out."
	@$(BIN)/python -m pytest -q -n 0 --durations 10 tests/stack $(STACK_TEST_ARGS)

lock: $(VENV)/.dev ## Resolve the requirements files again (LOCK_ARGS=--upgrade takes newer releases)
	$(LOCK) pyproject.toml --extra s3 --extra mongodb --extra postgis --group build -o requirements.txt
	$(LOCK) pyproject.toml --all-extras --group dev -c requirements.txt -o requirements-dev.txt
	$(LOCK) --group dagster-services -c requirements-dev.txt -o services/dagster/requirements.txt
	$(LOCK) pyproject.toml --all-extras --group build -c requirements-dev.txt -o services/dagster/requirements-user-code.txt

clean: ## Remove the environment, caches and the demo's folder; your data in var/ stays
	rm -rf $(VENV) demo/var build dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

# The environment: hashed wheels, then the project itself with the hashed build backend. Stamps make a second call instant.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed, and none was found. Say where: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Making the environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot make environments (on Debian: apt install python3-venv)." >&2; exit 1; }

$(VENV)/.run: requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installing what is needed to run ..." && $(INSTALL) --only-binary :all: --require-hashes -r requirements.txt
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing what is needed to develop ..." && $(INSTALL) --only-binary :all: --require-hashes -r requirements-dev.txt
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@
