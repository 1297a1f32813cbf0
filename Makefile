# `make tune` and `make test` do all the set-up that they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: tune test quick lint types peers benchmarks clean

tune: $(READY)
	$(BIN)/tune run $(if $(OUT),--out $(OUT)) --max-time 8m

test: $(READY) lint types
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

quick: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

lint: $(READY)
	$(BIN)/ruff check tuner tests benchmarks tools
	$(BIN)/ruff format --check tuner tests benchmarks tools

types: $(READY)
	$(BIN)/mypy

# Other feature-model tools, which tests compare with where TUNER_PEERS_PYTHON=.peers/bin/python.
peers: .peers/.ready

.peers/.ready: tests/features/peers.txt
	$(PYTHON) -m venv .peers
	.peers/bin/python -m pip install --quiet -r $<
	touch $@

# torch is installed first, by itself, so that no other package picks a different build of it.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$$(grep '^torch==' requirements.lock)"
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps -e .
	touch $(READY)

clean:
	rm -rf $(VENV) .peers .mypy_cache .ruff_cache .pytest_cache .hypothesis
