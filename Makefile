# Everything happens in .venv; `make demo` and `make test` are all that a fresh clone needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The example is repaired in a copy, so that the demo starts from the same point every time.
DEMO := $(if $(TMPDIR),$(TMPDIR),/tmp)/ingle-demo-$(shell id -u)

.PHONY: demo test test-command test-rest check bench lock format clean

demo: $(VENV)/.installed
	@$(BIN)/python examples/demo.py --folder "$(DEMO)"

test: $(VENV)/.installed-dev
	@.ci/system-packages
	@$(MAKE) --no-print-directory check
	$(BIN)/agent models pull qwen2.5-coder-0.5b
	$(BIN)/agent models pull qwen2.5-coder-1.5b
	$(BIN)/python -m tests.unit.dialects.templates
	@$(MAKE) --no-print-directory --jobs=2 test-command test-rest

# Tests of the command mostly wait for it, so both halves run at once.
test-command:
	$(BIN)/python -m pytest tests/e2e tests/model

test-rest:
	$(BIN)/python -m pytest tests --ignore=tests/e2e --ignore=tests/model

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-dev
	$(BIN)/python -m bench.run

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Needs uv (https://docs.astral.sh/uv): the lock holds for every platform and Python >= 3.11.
lock:
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-header \
	    --no-emit-index-url pyproject.toml -o requirements.lock
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-header \
	    --no-emit-index-url --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ingle needs Python >= 3.11: make PYTHON=python3.12 demo")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python requirements.lock pyproject.toml
	@echo "Installing; llama.cpp is compiled once, which takes about 5 minutes on 2 cores."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

clean:
	rm -rf $(VENV) bench/out .mypy_cache .ruff_cache .pytest_cache .hypothesis
