# make demo   render a small world, train, evaluate, show pictures (CPU, under 10 minutes)
# make test   the tests                    make test-slurm   the tests that need a real Slurm
# make docs   the documentation in site/   make lint        style and types
# make test-chaos   trainings killed again and again     make test-fuzz   damaged inputs of every kind
#   short forms; docs/reliability.md has the long ones. KILLS=20 SEED=3 make test-chaos, INPUTS=1000 make test-fuzz
# All create .venv first if it is missing. PYTHON=python3.12 make test chooses another interpreter (3.10-3.12).

PYTHON ?= python3
READY := .venv/.ready
KILLS ?= 6
INPUTS ?= 100
SEED ?= 0
# Processes that test at the same time
WORKERS ?= 2

.PHONY: demo test test-slurm test-chaos test-fuzz lint docs clean

demo: $(READY)
	.venv/bin/python -m litemono.demo

test: $(READY)
	.venv/bin/python -m pytest -n $(WORKERS) --no-loadscope-reorder

test-slurm: $(READY)
	LITEMONO_SLURM=1 .venv/bin/python -m pytest tests/slurm

# The other lanes take longer: photometric in one process, supervised in two.
test-chaos: $(READY)
	.venv/bin/python -m tests.chaos --kills $(KILLS) --seed $(SEED) --lanes supervised "photometric, 2 processes" pack

test-fuzz: $(READY)
	.venv/bin/python -m tests.fuzz --inputs $(INPUTS) --seed $(SEED)

lint: $(READY)
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy

docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict --quiet
	@echo "site/index.html"

.venv/.docs: $(READY)
	.venv/bin/python -m pip install --quiet -c envs/cpu.txt -e ".[docs]"
	@touch $@

$(READY): pyproject.toml envs/cpu.txt envs/common.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' || \
	  { echo "litemono is tested with Python 3.10 to 3.12, $(PYTHON) is another: PYTHON=python3.12 make ..." >&2; exit 2; }
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "no venv module: apt-get install python3-venv (or a conda Python), then again" >&2; exit 2; }
	.venv/bin/python -m pip install --quiet -c envs/cpu.txt -e ".[test]"
	@touch $@

clean:
	rm -rf .venv demo build site *.egg-info
