# Every command a person types. `make` alone lists them.
# Needs make and Python 3.11 to 3.13 (another one: make PYTHON=python3.12 up); the rest is installed into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.runtime
DEV := $(VENV)/.development
CLIENT_PACKAGES := tests/clients/node_modules/.package-lock.json
BROWSER_PACKAGES := tests/browser/node_modules/.package-lock.json
CONFORMANCE_PACKAGES := tests/conformance/node_modules/.package-lock.json
export FILE m SEED FOR

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo up down reset doctor test test-clients conformance test-browser screenshot test-long check fix schema migration bench mutants chaos reinstall

help: ## List these commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

demo: $(RUN) ## Send a video through the whole product and show what comes out (FILE=video.mp4: your own)
	@$(BIN)/cuepoint demo $${FILE:+"$$FILE"}

up: $(RUN) ## Start the product here; prints the address of GraphiQL and where the admin token lies
	@$(BIN)/cuepoint up

down: $(RUN) ## Stop it from another terminal
	@$(BIN)/cuepoint down

reset: $(RUN) ## Delete its data directory (asks first; YES=1 does not)
	@$(BIN)/cuepoint reset $(if $(YES),--yes)

doctor: $(RUN) ## Check every part and say what to do
	@$(BIN)/cuepoint doctor

test: $(DEV) ## Run the tests (up to 10 minutes)
	$(call compile)
	@$(BIN)/pytest -n 2 -m "not long"

test-clients: $(DEV) $(CLIENT_PACKAGES) ## Run Apollo, graphql-ws and tus clients against the product (needs Node 20 and npm)
	@$(BIN)/python -m tests.clients.run

conformance: $(DEV) $(CONFORMANCE_PACKAGES) ## Run the public GraphQL suites: graphql-http, graphql-ws, graphql-sse, Apollo (needs Node 20 and npm)
	@$(BIN)/python -m tests.conformance.run

test-browser: $(DEV) $(BROWSER_PACKAGES) ## Use GraphiQL and the player page in a real browser (needs Node 20, npm and Chromium)
	@$(BIN)/python -m tests.browser.run

screenshot: $(DEV) $(BROWSER_PACKAGES) ## The same, and its pictures become docs/graphiql.png and docs/player.png
	@$(BIN)/python -m tests.browser.run docs/graphiql.png

test-long: $(DEV) ## Run the tests that take minutes each
	@$(BIN)/pytest -n 2 -m long

check: $(DEV) ## Run everything that CI and pre-commit check: format, lint, types, imports, schema
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/cuepoint schema --check

fix: $(DEV) ## Format the code and mend what the linter can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

schema: $(DEV) ## Write frontend-schema/schema.graphql anew from the code
	@$(BIN)/cuepoint schema --write

migration: $(DEV) ## Draft a migration from the models (m="what it does"; `make up` must be running)
	@$(BIN)/cuepoint migrate new "$$m"

bench: $(DEV) ## Measure stage times and ratios
	@$(BIN)/python -m benchmarks

mutants: $(DEV) ## Remove each guard of the job layer in turn and see its tests fail (minutes; ONLY="part of a name": some)
	@$(BIN)/python -m tests.mutants.run $${ONLY:+"$$ONLY"}

chaos: $(DEV) ## Kill, stop and cut off real processes while jobs run, then look for what broke (SEED=1 FOR=60)
	@$(BIN)/python -m tests.chaos.run $${SEED:-1} --seconds $${FOR:-60}

reinstall: ## Make the environment in .venv anew
	$(call check_python)
	@rm -rf $(VENV)
	@$(MAKE) --no-print-directory $(RUN)

# --- set-up: instant when nothing changed ---------------------------------------------------------------------------

# uv where it is there, else venv and pip; hashes are checked either way. A home that cannot be written gets no cache.
define install
	$(call make_venv)
	@echo "Installing $(2) into $(VENV); the first time this takes a minute or two." >&2
	@cache=; [ -w "$${HOME:-/nonexistent}" ] || cache=--no-cache-dir; \
	if command -v uv >/dev/null 2>&1; then \
		cache=$${cache:+--no-cache}; \
		uv pip install --quiet --compile-bytecode $$cache --python $(BIN)/python --require-hashes -r $(1) && \
		uv pip install --quiet $$cache --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
		pip="$(BIN)/python -m pip --quiet --quiet --disable-pip-version-check --no-input"; \
		$$pip install $$cache --require-hashes -r $(1) && \
		$$pip install $$cache --no-deps --no-build-isolation -e .; \
	fi
endef

# The boxed children that open media may write nothing: without this, each of them would compile its modules anew.
define compile
	@$(BIN)/python -m compileall -qq backend/cuepoint || true
endef

define check_python
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || { \
		echo "Cuepoint needs Python 3.11 to 3.13; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | head -n 1)." >&2; \
		echo "Name another one, for example: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
endef

# A .venv whose Python is gone or too old is made anew.
define make_venv
	$(call check_python)
	@if ! $(BIN)/python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then \
		rm -rf $(VENV); \
		if command -v uv >/dev/null 2>&1; then uv venv --quiet --no-config --python $(PYTHON) $(VENV); \
		elif $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv $(VENV); \
		else \
			echo "This Python cannot make virtual environments: the package python3-venv is missing." >&2; \
			echo "Install it (Debian, Ubuntu: apt install python3-venv) and call make again." >&2; exit 1; \
		fi; \
	fi
endef

$(RUN): requirements.lock pyproject.toml
	$(call install,requirements.lock,Cuepoint)
	$(call compile)
	@touch $@

$(DEV): requirements-dev.lock pyproject.toml
	$(call install,requirements-dev.lock,Cuepoint and its development tools)
	@touch $(RUN) $@

# The packages of a node test-suite, as its lock file pins them.
tests/%/node_modules/.package-lock.json: tests/%/package-lock.json
	@node -e 'process.exit(Number(process.versions.node.split(".")[0] < 20))' 2>/dev/null && command -v npm >/dev/null || { \
		echo "'make $(MAKECMDGOALS)' needs Node 20 or newer and npm; this machine has $$(node --version 2>/dev/null || echo none)." >&2; \
		exit 1; }
	@cache=; [ -w "$${HOME:-/nonexistent}" ] || cache="--cache=$$(mktemp -d)"; \
	cd tests/$* && npm ci $$cache --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
