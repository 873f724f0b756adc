# Entry points for people and CI.  `make run` and `make test` need Python 3.11 and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST ?= $(BIN)/python -m pytest

.PHONY: run test test-slow check check-static lint types schema firmware firmware-check clean

# a stamp per set of extras: pip runs again only when pyproject.toml changes
run: $(STAMP)-virtual
	$(BIN)/hilbench run --board nucleo-f746 --backend virtual

test: $(STAMP)-virtual,quantize,dev,oracle
	$(PYTEST) -m "not slow and not hardware" -n 2

# what takes long; CI runs it after `make test`
test-slow: $(STAMP)-virtual,quantize,dev,oracle
	$(PYTEST) -m "slow and not hardware" -n 2

# everything that a change must pass before it is committed
check: check-static test

check-static: $(STAMP)-virtual,quantize,dev,oracle lint types schema

lint: $(STAMP)-virtual,quantize,dev,oracle
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)-virtual,quantize,dev,oracle
	$(BIN)/mypy

schema: $(STAMP)-virtual,quantize,dev,oracle
	$(BIN)/python -m hilbench.schema.generate --check

firmware: $(STAMP)-virtual,quantize,dev,oracle
	$(MAKE) -C firmware PYTHON=$(abspath $(BIN)/python)

firmware-check: $(STAMP)-virtual,quantize,dev,oracle
	$(MAKE) -C firmware check PYTHON=$(abspath $(BIN)/python)

$(STAMP)-%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -e '.[$*]'
	touch '$@'

clean:
	rm -rf $(VENV) build dist
