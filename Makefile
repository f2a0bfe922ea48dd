# The two commands of the README are `make reproduce` and `make test`; both create .venv when it is
# missing.  `make` alone lists everything.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help env reproduce test test-slow lint format notebooks report lab clean

PRESET ?= quick
ARGS ?=
BIN := .venv/bin

# The first Python that is 3.11 or 3.12; else plain python3, which then says what is missing.
supported = import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))
PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do \
	if $$p -c '$(supported)' >/dev/null 2>&1; then echo $$p; exit; fi; done; echo python3)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  PRESET=quick|laptop|gpu|paper chooses the size, ARGS=... adds arguments to the command"

env: ## Create or update .venv from environment.yml (CPU build of torch unless a GPU is found)
	@$(PYTHON) tools/setup_env.py

reproduce: env ## Train, evaluate and write the report (PRESET=quick)
	$(BIN)/madis reproduce --preset $(PRESET) $(ARGS)

# The notebooks' cells read the runs of quick, so these come first, without the rows of ablations that
# no cell reads; then as many tests at a time as there are cores, those of one file in one process.
test: env ## Run the test-suite, notebooks included
	$(BIN)/madis reproduce --no-notebooks --only headline table1 table6 fig6 fig7b fig7c fig8 fig10
	$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

test-slow: env ## Run the slow tests: killed runs, full sizes, several processes
	$(BIN)/python -m pytest -m "slow and not gpu" -n auto --dist loadgroup --durations 5 $(ARGS)

lint: env ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: env ## Rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebooks: env ## Execute every notebook with papermill into reports/PRESET/notebooks
	$(BIN)/madis notebooks --preset $(PRESET) $(ARGS)

report: env ## Build the report again from the stored results
	$(BIN)/madis report --preset $(PRESET) $(ARGS)

lab: env ## Open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks $(ARGS)

clean: ## Remove caches and built files (keeps .venv and .madis, the working data)
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
