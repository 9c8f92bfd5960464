# One command set for people, hooks and CI.
#   make repro   the whole pipeline            make demo    Iris alone, without a network
#   make tuned   the tuned models as well      make ui      compare runs in MLflow
#   make serve   serve the validated models    make format  let ruff put sources in order
#   make test    lint, types, contracts, tests make lint    the first three of them
#   make soak    a hundred kills               make bench   ratios against what others do
#   make bench-serve  servers side by side

VENV ?= .venv
PYTHON ?= python3
BIN := $(abspath $(VENV))/bin
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1

.PHONY: repro tuned demo ui serve test bench bench-serve soak lint format clean
.DEFAULT_GOAL := repro

# Stages that may run side by side, if not one for each core or GPU: make repro JOBS=1
JOBS ?=
jobs = $(if $(JOBS),--jobs $(JOBS))
repro: $(VENV)/.pipeline
	@penstock check
	@$(without_git)
	@penstock repro $(jobs)

tuned: repro
	@python scripts/tuned_pipeline.py
	@penstock repro $(jobs) tuned/dvc.yaml
	@penstock repro $(jobs) tuned/seeds/dvc.yaml
	@dvc repro --force --single-item report

demo: $(VENV)/.pipeline
	@penstock check
	@$(without_git)
	@dvc repro register@iris_mlp
	@penstock results
	@penstock predict iris_mlp 5.1 3.5 1.4 0.2

ui: PORT ?= 5000
ui: $(VENV)/.pipeline
	@penstock ui --port $(PORT)

serve: PORT ?= 8080
serve: $(VENV)/.pipeline
	@penstock serve --port $(PORT)

# Three workers: one for each of the two small runs that most tests look at, and one for the time in which they wait.
test: lint
	@pytest --numprocesses 3 --dist worksteal --durations 30

# Alone on the machine, after `make repro`.
bench: $(VENV)/.test
	@python -m benchmarks

# Servers side by side, twenty minutes; wants wrk.
bench-serve: $(VENV)/.test
	@python -m benchmarks.serving

# A hundred kills at random moments; about an hour.
soak: $(VENV)/.test
	@python -m tests.pipeline.soak

lint: $(VENV)/.test
	@ruff check
	@ruff format --check
	@mypy
	@lint-imports

format: $(VENV)/.test
	@ruff check --fix
	@ruff format

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# An unpacked archive has no .git, and DVC must be told so.
without_git = git rev-parse --git-dir >/dev/null 2>&1 || dvc config --local core.no_scm true

$(VENV)/.pipeline: pyproject.toml constraints.txt
	@$(call install,pipeline$(comma)serve)
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt
	@$(call install,pipeline$(comma)serve$(comma)test)
	@touch $@ $(VENV)/.pipeline

comma := ,
define install
$(PYTHON) -c 'import sys; sys.exit("Penstock needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
$(BIN)/python -m pip --version >/dev/null 2>&1 || \
	{ echo "making the virtual environment $(VENV)"; $(PYTHON) -m venv $(VENV); }
echo "installing penstock[$(1)] into $(VENV): a minute or two, once"
$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(1)]'
endef
