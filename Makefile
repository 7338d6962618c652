# `make help` lists the targets; `make run ARGS="model=ridge ofi=pca"` passes Hydra overrides on.
PYTHONS := 3.11 3.12 3.13
PYTHON ?= $(shell .ci/python $(PYTHONS))
VENV ?= .venv
SERVICES ?= .venv-services
DOCS ?= .venv-docs
BIN := $(VENV)/bin
ARGS ?=
PORT ?= 5000
DOCS_PORT ?= 8000

export UV_COMPILE_BYTECODE := 1
export MLFLOW_DISABLE_TELEMETRY := true
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION := false
# Where it is set, as in many containers, each process of the tests compiles all sources again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test help setup check test-slow test-services wheel studies bench ui docs docs-serve lock clean

run: $(VENV)/installed  ## set up, then run the study; overrides: make run ARGS="debug=tiny"
	$(BIN)/ofiml run $(ARGS)

test: $(VENV)/installed  ## set up, then run the tests, without the slow ones
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

help:  ## list the targets
	@echo "make TARGET [ARGS=...] [PYTHON=python3.12] [VENV=.venv]"
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1\t\2/p' Makefile | expand -t 17

setup: $(VENV)/installed  ## install everything into VENV, each file checked by its hash

check: $(VENV)/installed  ## check formatting, lint, types and import contracts, then run the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test

test-slow: $(VENV)/installed  ## run the tests that take minutes, including those of the wheel
	$(BIN)/pytest -m slow -n auto --dist worksteal $(ARGS)

test-services: $(SERVICES)/installed  ## start Dask, Ray, PostgreSQL, MLflow and S3 on this machine, and test with them
	$(SERVICES)/bin/pytest -m services -p no:xdist tests/services $(ARGS)

wheel: $(VENV)/installed  ## build dist/ofiml-VERSION-py3-none-any.whl, with conf/ inside
	$(BIN)/uv build --quiet --wheel --out-dir dist .
	@ls dist/*.whl

studies: $(VENV)/installed  ## run the experiments again, each into its folder; real days: make studies ARGS="--data FOLDER"
	$(BIN)/python scripts/studies.py $(ARGS)

bench: $(VENV)/installed  ## measure the speed of kernels, features, readers and the market
	$(BIN)/python benchmarks/flow.py
	$(BIN)/python benchmarks/features.py
	$(BIN)/python benchmarks/readers.py
	$(BIN)/python benchmarks/market.py

ui: $(VENV)/installed  ## serve the MLflow page of the runs; another port: make ui PORT=5001
	@$(BIN)/ofiml ui --port $(PORT)

docs: $(VENV)/installed $(DOCS)/installed  ## build the documentation into site/, and check its links
	$(BIN)/python scripts/site_pages.py --out build/site
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --config-file build/site/mkdocs.yml
	$(BIN)/python scripts/site_check.py site

docs-serve: docs  ## build the documentation and serve it on this machine only; another port: make docs-serve DOCS_PORT=8001
	@echo "http://127.0.0.1:$(DOCS_PORT)/"
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory site $(DOCS_PORT)

# Every package is installed with its hash checked. pip installs uv first, from the same lock.
$(VENV)/installed: requirements.lock pyproject.toml
	@python="$(PYTHON)"; if [ -z "$$python" ]; then \
	  echo "No Python of $(PYTHONS) runs here. Install one (apt install python3.11 python3.11-venv, or pyenv install 3.11)," >&2; \
	  echo "or name one: make $(or $(MAKECMDGOALS),run) PYTHON=/path/to/python3.12" >&2; exit 1; fi; \
	"$$python" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] not in '$(PYTHONS)'.split())" || { \
	  echo "$$python does not run, or is not one of Python $(PYTHONS): name another, as in make PYTHON=python3.12" >&2; exit 1; }; \
	"$$python" -m venv $(VENV)
	awk '/^uv==/ {on=1} /^[a-z]/ && !/^uv==/ {on=0} on' requirements.lock > $(VENV)/uv.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

# Clusters and servers bring many packages, so they have an environment and a lock of their own.
$(SERVICES)/installed: $(VENV)/installed requirements-services.lock
	$(BIN)/python -m venv $(SERVICES)
	$(BIN)/uv pip sync --quiet --python $(SERVICES)/bin/python --require-hashes requirements-services.lock
	$(BIN)/uv pip install --quiet --python $(SERVICES)/bin/python --no-deps --editable .
	touch $@

# The builder of the site has an environment and a lock of its own, without ofiml and its packages.
$(DOCS)/installed: $(VENV)/installed requirements-docs.lock
	$(BIN)/python -m venv --without-pip $(DOCS)
	$(BIN)/uv pip sync --quiet --python $(DOCS)/bin/python --require-hashes requirements-docs.lock
	touch $@

lock:  ## renew the lock files for every Python of pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra dev --python-version 3.11 --universal --generate-hashes --no-header --quiet --upgrade -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra services --python-version 3.11 --universal --generate-hashes --no-header --quiet --upgrade -o requirements-services.lock
	$(BIN)/uv pip compile --group docs --python-version 3.11 --universal --generate-hashes --no-header --quiet --upgrade -o requirements-docs.lock

# Results (outputs, mlflow.db, mlruns) belong to the user and stay.
clean:  ## remove environments and caches; results stay
	rm -rf .venv .venv-3.* .venv-services .venv-docs build site dist .ofiml .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests benchmarks scripts -name __pycache__ -prune -exec rm -rf {} +
