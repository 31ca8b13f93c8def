# Everything in one line of real commands each. `make demo` and `make test` need only python3, pip and make.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/ready
JOBS   ?= 2
MAKEFLAGS += --no-print-directory
# The tests start thousands of processes: where nobody may keep what is compiled, each compiles everything.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-all test-others test-e2e check bench damage mutants soak clean

help:            ## say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 14

demo: $(READY)   ## show two nodes syncing by a stick
	$(BIN)/paquebot demo

test: $(READY)   ## check the house and run all tests
	$(MAKE) check
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal

check: $(READY)  ## style, types and import contracts
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-e2e: $(READY)  ## one end-to-end story: make test-e2e WHAT=drop
	$(BIN)/python -m pytest -q tests/e2e/test_$(WHAT).py

test-all: test   ## the tests on every Python from 3.11 that this machine has
	$(MAKE) test-others

test-others:     ## the tests on the other Pythons; TESTS=… and PYTHONS=… choose some
	@for python in $(or $(PYTHONS),$$(.ci/interpreters)); do \
	  venv=build/venv-$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])') ; \
	  echo "== $$python" && $(MAKE) $$venv/ready PYTHON=$$python VENV=$$venv \
	  && $$venv/bin/python -m pytest -q -n $(JOBS) --dist worksteal $(TESTS) || exit 1; done

bench: $(READY)  ## measure, beside the peers that are installed; writes build/bench.json
	$(BIN)/python -m tests.bench

damage: $(READY) ## three notes on a stick and fourteen mishaps; writes build/damage.json
	$(BIN)/python -m tests.labs.damage

mutants: $(READY) ## sabotage the code and see the simulation notice; writes build/mutants.json
	$(BIN)/python -m tests.labs.mutants $(NAMED)

soak: $(READY)   ## long searches: make soak SEEDS=2000
	$(BIN)/python -m paquebot.testing.simulation --seeds $(or $(SEEDS),2000)
	$(BIN)/python -m paquebot.testing.simulation --council --seeds $(or $(SEEDS),2000)
	$(BIN)/python -m paquebot.testing.restored --seeds $(or $(SEEDS),2000)
	$(BIN)/python -m paquebot.testing.couriers --seeds $(or $(SEEDS),2000)
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS_EACH),60)
	SOAK=1 $(BIN)/python -m pytest -q -n $(JOBS) tests/properties/test_journal_attacks.py tests/unit/test_key_rotation.py tests/e2e/test_couriers.py tests/labs tests/mail/test_sending_faults.py tests/mail/test_imap_sessions.py tests/mail/test_imap_lines.py tests/e2e/test_mail.py

clean:           ## remove what was built
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(READY): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python is missing. Debian: apt install python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; this is $$($(PYTHON) -V). Say which: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv is missing. Debian: apt install python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sqlite3; assert sqlite3.sqlite_version_info >= (3, 37)' 2>/dev/null || { echo "Python's sqlite3 with SQLite 3.37 or newer is missing"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]' || { echo "If a package had to be compiled: apt install gcc python3-dev libffi-dev"; exit 1; }
	@touch $@
