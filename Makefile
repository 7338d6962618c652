# make run | test | setup | check | test-slow | bench | ui | lock | clean; `make run ARGS="model=ridge ofi=pca"` passes Hydra overrides on.
PYTHON ?= python3.11
BIN := .venv/bin
ARGS ?=
PORT ?= 5000

export UV_COMPILE_BYTECODE := 1
export MLFLOW_DISABLE_TELEMETRY := true
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION := false

.PHONY: run test setup check test-slow bench ui lock clean

run: .venv/installed
	$(BIN)/python -m ofiml.run $(ARGS)

test: .venv/installed
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

setup: .venv/installed

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test

test-slow: .venv/installed
	$(BIN)/pytest -m slow -n auto --dist worksteal $(ARGS)

bench: .venv/installed
	$(BIN)/python benchmarks/flow.py
	$(BIN)/python benchmarks/features.py
	$(BIN)/python benchmarks/readers.py
	$(BIN)/python benchmarks/market.py

ui: .venv/installed
	@echo "http://127.0.0.1:$(PORT)/#/experiments?workflowType=machine_learning"
	@echo "(the part for model training; Ctrl-C ends it, make ui PORT=5001 takes another port)"
	$(BIN)/mlflow server --host 127.0.0.1 --port $(PORT) --workers 1 --backend-store-uri $${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}

# Everything is installed with its hash checked; uv itself first, by pip, from the same lock.
.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	awk '/^uv==/ {on=1} /^[a-z]/ && !/^uv==/ {on=0} on' requirements.lock > .venv/uv.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

lock:
	$(BIN)/uv pip compile pyproject.toml --extra dev --python-version 3.11 --universal --generate-hashes --no-header --quiet --upgrade -o requirements.lock

# Results (outputs, mlflow.db, mlruns) are not ours to delete.
clean:
	rm -rf .venv .ofiml .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
