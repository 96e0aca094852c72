# `make run` and `make test` set everything up themselves: all they need is make and Python 3.11 or 3.12.
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# test processes; what is slow waits for vendors and other processes half of the time
WORKERS ?= 2
READY := .venv/.ready
# always with whole paths: what dbt remembers of a parse holds for the folder by the name that it was given
PARSE = FUNNELHOUSE_HOME=$(CURDIR)/data/demo FUNNELHOUSE_RAW=$(CURDIR)/data/demo/raw \
	$(BIN)/dbt parse --quiet --no-partial-parse --project-dir $(CURDIR)/dbt_project --profiles-dir $(CURDIR)/dbt_project
export DAGSTER_DISABLE_TELEMETRY := yes
export DO_NOT_TRACK := 1

.PHONY: run test ui docs bench clean

run: $(READY)           ## the whole pipeline against the sandbox, then the scoreboard
	@$(BIN)/funnelhouse demo

test: $(READY)          ## lint, types and the whole test suite
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -n $(WORKERS)

ui: $(READY)            ## Dagster on 127.0.0.1:3000
	@$(BIN)/funnelhouse ui

docs: $(READY)          ## write the generated pages anew
	@$(BIN)/python -m dagster_project.reading.pages docs
	@$(PARSE)
	@$(BIN)/python -m dagster_project.reading.pages docs dbt_project/target

bench: $(READY)         ## print the benchmarks' figures
	@$(BIN)/python -m pytest tests/benchmarks -s -p no:cacheprovider --run-benchmarks

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Funnelhouse needs Python 3.11 or 3.12; set PYTHON=/path/to/it" >&2; exit 1; }
	@echo "Setting up .venv with $(PYTHON) (once; a minute or two) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(PARSE)
	@touch $(READY)

clean:                  ## forget the environment and the demo's data
	rm -rf .venv data/demo dbt_project/target
