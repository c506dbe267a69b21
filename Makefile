# Each command stands alone: it makes .venv, brings weights and web assets, and runs.
# PYTHON=python3.12 picks the interpreter; PIP_ARGS goes to pip (README: the CPU build of torch).
PYTHON ?= python3
PIP_ARGS ?=
DEMO_ARGS ?=
TEST_ARGS ?=
BENCH ?=
BIN := .venv/bin
export PYTHONUNBUFFERED := 1

# Real videos, terrain and weights for the tests: beside the clone, or named by the caller.
ifeq ($(TUANBIEN_TEST_DATA),)
ifneq ($(wildcard ../shared/data),)
export TUANBIEN_TEST_DATA := $(abspath ../shared/data)
endif
endif

.PHONY: help demo test compiled test-compiled lint format bench faults assets weights constraints screenshot clean .venv .venv-peers
.DEFAULT_GOAL := help

help: ## show the commands
	@awk -F ':.*## ' '/^[.a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

.venv: .venv/ready ## the virtual environment, with every extra

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tuần Biên needs Python 3.11 or newer; this is " + sys.version.split()[0] + " (make PYTHON=python3.12 …)")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e '.[edge,fusion,maps,dev]'
	@touch $@

.venv-peers: .venv-peers/ready ## the environment of the trackers that the scoreboard compares with

.venv-peers/ready: tests/benchmarks/scoreboard/peers.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --disable-pip-version-check $(PIP_ARGS) --no-deps -r $<
	@touch $@

weights: .venv ## bring the detector's weights into the cache
	@$(BIN)/tuanbien edge weights

assets: .venv ## bring the page's scripts and styles
	@$(BIN)/python -m maps.assets

demo: .venv weights assets ## a fictional border sector, the whole chain on it (DEMO_ARGS=--check)
	@$(BIN)/tuanbien demo $(DEMO_ARGS)

test: .venv weights assets ## every test that this machine can run; what is missing is skipped by name
	$(BIN)/python -m pytest -n auto --dist loadfile -ra $(TEST_ARGS)

compiled: .venv ## a wheel with the engine compiled to C (build/wheel), and unpacked (build/compiled)
	rm -rf build
	TUANBIEN_COMPILED=1 $(BIN)/python -m pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation -w build/wheel .
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --target build/compiled build/wheel/*.whl

test-compiled: compiled ## the engine's tests on the compiled engine
	$(BIN)/python -m pytest -n auto -o pythonpath="build/compiled ." -m "not interpreted" tests/fusion/engine $(TEST_ARGS)

lint: .venv ## style, types, import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv ## mend what the tools can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: .venv weights assets $(if $(filter scoreboard,$(or $(BENCH),scoreboard)),.venv-peers) ## measure what the project promises (docs/benchmarks.md; BENCH="geometry demo" picks)
	$(BIN)/python -m tests.benchmarks $(BENCH)

faults: .venv ## kill brokers and processes for long (the suite holds a short form)
	TUANBIEN_FAULTS=long $(BIN)/python -m pytest -ra tests/faults $(TEST_ARGS)

screenshot: .venv weights assets ## docs/map.png: the README's picture, out of the demo
	TUANBIEN_SCREENSHOT=docs/map.png $(BIN)/python -m pytest -ra tests/browser/test_demo_page.py

constraints: .venv ## pin what is installed now
	@{ echo '# Every package of every extra, pinned: what the tests ran with. Made by `make constraints`.'; \
	   $(BIN)/python -m pip freeze --all --exclude pip --exclude-editable | sed 's/+cpu$$//'; } > constraints.txt

clean: ## forget the environment and what was brought
	rm -rf .venv .venv-peers maps/static/vendor .mypy_cache .ruff_cache .pytest_cache .hypothesis
