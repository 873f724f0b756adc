# Entry points for people and CI.  `make run` and `make test` need Python 3.11 and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# `pip install -e` is skipped when nothing that it reads has changed
EXTRAS ?= virtual
PYTEST ?= $(BIN)/python -m pytest

.PHONY: run test test-all check lint types schema firmware firmware-check clean

run: $(STAMP)-$(EXTRAS)
	$(BIN)/hilbench run --board nucleo-f746 --backend virtual

test: $(STAMP)-virtual,test,oracle
	$(PYTEST) -m "not slow and not hardware" -n 2

test-all: $(STAMP)-virtual,test,oracle
	$(PYTEST) -m "not hardware" -n 2

check: $(STAMP)-virtual,dev,oracle lint types schema
	$(PYTEST) -m "not slow and not hardware" -n 2

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy

schema:
	$(BIN)/python -m hilbench.schema.generate --check

firmware:
	$(MAKE) -C firmware

firmware-check:
	$(MAKE) -C firmware check

$(STAMP)-%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -e '.[$*]'
	touch '$@'

clean:
	rm -rf $(VENV) build dist
