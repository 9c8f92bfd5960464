# One command set for people, hooks and CI. `make help` lists it.

VENV ?= .venv
PYTHON ?= python3
# Either path may have a blank: `abspath` would take it for two, and a target needs a backslash.
BIN := $(if $(filter /%,$(firstword $(VENV))),,$(CURDIR)/)$(VENV)/bin
blank := $() $()
venv := $(subst $(blank),\$(blank),$(VENV))
export PATH := $(BIN):$(PATH)

.PHONY: help repro tuned demo ui serve check test test-slow bench bench-serve soak lint format clean
.DEFAULT_GOAL := repro

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# Stages that may run at once; the default is one per core or GPU: make repro JOBS=1
JOBS ?=
jobs = $(if $(JOBS),--jobs $(JOBS))
repro: $(venv)/.pipeline ## run the whole pipeline
	@penstock check
	@$(without_git)
	@penstock repro $(jobs)

tuned: repro ## also train the tuned models, over several seeds
	@python scripts/tuned_pipeline.py
	@penstock repro $(jobs) tuned/dvc.yaml
	@penstock repro $(jobs) tuned/seeds/dvc.yaml
	@dvc repro --force --single-item report

demo: $(venv)/.pipeline ## train and query the Iris model, without a network
	@penstock check
	@$(without_git)
	@dvc repro register@iris_mlp
	@penstock register iris_mlp
	@penstock results
	@penstock predict iris_mlp 5.1 3.5 1.4 0.2

ui: PORT ?= 5000
ui: $(venv)/.pipeline ## compare runs in MLflow
	@penstock ui --port $(PORT)

serve: PORT ?= 8080
serve: $(venv)/.pipeline ## serve the validated models
	@penstock serve --port $(PORT)

check: lint ## lint, types, contracts and the fast tests; under 3 minutes
	@pytest $(workers) -m "not pipeline and not integration and not slow"

test: lint ## everything that proves the product; about 30 minutes on 2 cores
	@pytest $(workers) --durations 30 -m "not slow"

test-slow: $(venv)/.test ## the slow tests: second full runs, long kills, browsers on three sizes
	@pytest $(workers) --durations 30 -m slow

# One worker waits for the small pipeline run; two others keep the cores busy.
workers = --numprocesses 3 --dist worksteal

bench: $(venv)/.test ## benchmark ratios; alone on the machine, after make repro
	@python -m benchmarks

bench-serve: $(venv)/.test ## benchmark servers side by side; 20 minutes, needs wrk
	@python -m benchmarks.serving

soak: $(venv)/.test ## kill a pipeline a hundred times at random moments; about an hour
	@python -m tests.pipeline.soak

lint: $(venv)/.test ## lint, format, types and import contracts
	@ruff check
	@ruff format --check
	@mypy
	@lint-imports

format: $(venv)/.test ## fix lint and format in place
	@ruff check --fix
	@ruff format

clean: ## delete the virtual environment and caches of tools
	rm -rf "$(VENV)" .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# An unpacked archive has no .git, and DVC must be told so.
without_git = [ -e .git ] || git rev-parse --git-dir >/dev/null 2>&1 || dvc config --local core.no_scm true

$(venv)/.pipeline: pyproject.toml constraints.txt
	@$(call install,pipeline$(comma)serve)
	@touch "$@"

$(venv)/.test: pyproject.toml constraints.txt
	@$(call install,pipeline$(comma)serve$(comma)test)
	@touch "$@" "$(VENV)/.pipeline"

comma := ,
# Without --no-compile, pip compiles 17,680 files for 50 seconds; Python compiles the few that it imports.
define install
$(PYTHON) -c 'import sys; sys.exit("Penstock needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
"$(BIN)/python" -m pip --version >/dev/null 2>&1 || \
	{ echo "making the virtual environment $(VENV)"; $(PYTHON) -m venv "$(VENV)"; }
echo "installing penstock[$(1)] into $(VENV): a minute or two, once"
"$(BIN)/python" -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt --editable '.[$(1)]'
"$(BIN)/python" -m penstock.reporting.plots_page
endef
