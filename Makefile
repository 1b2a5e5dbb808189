# Every task of the project. `make help` lists them.
OPA_VERSION := 1.22.2
PYTHON ?= python3
BIN := .venv/bin
# Hundreds of processes of the tests load the same modules: compiled once, also where the environment says otherwise.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup opa demo serve test test-fast test-keycloak nightly lowest check lint fmt reference docs bench bench-cedar bench-field compliance fuzz lock dist clean

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv/.installed: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed; name it with make PYTHON=/path/to/python3"; exit 1; }
	@echo "Installing the pinned packages into .venv ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

.tools/opa-$(OPA_VERSION):
	@PYTHON=$(PYTHON) scripts/fetch-opa $(OPA_VERSION) .tools
	@touch $@

setup: .venv/.installed .tools/opa-$(OPA_VERSION) ## install packages and OPA (every other task does it by itself)

opa: .tools/opa-$(OPA_VERSION) ## fetch the pinned OPA executable into .tools/

demo: setup ## run the main job on real requests and print a table of answers
	@$(BIN)/python -m devkit

serve: setup ## serve with development keys and print a curl line to paste
	@$(BIN)/python -m devkit --serve

# A worker more than cores, see tests/conftest.py. Tests of a module run in one process, so that what a module shares is
# made once; tests/conftest.py has the long ones begin first.
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder

test: setup ## run every test, on the cores there are
	@$(BIN)/python -m pytest $(PARALLEL)

CORE := tests/architecture/test_imports.py tests/docs/test_errors.py tests/docs/test_contracts_page.py tests/unit \
	--ignore tests/unit/cli --ignore tests/unit/contract/test_mutations.py
FAST := $(CORE) --ignore tests/unit/proof

test-fast: setup ## run the tests that answer within a minute
	@$(BIN)/python -m pytest $(PARALLEL) $(FAST)

# A stage of its own: Maven fetches Keycloak (177 MB, once), Java 17 or later runs it.
test-keycloak: setup ## run the tests with a real Keycloak
	@KEYCLOAK=1 $(BIN)/python -m pytest tests/keycloak

# An installation of its own, from the built wheel: of each dependency the oldest release that pyproject.toml permits.
build/lowest/.installed: requirements-lowest.lock pyproject.toml
	@$(PYTHON) -m venv --clear build/lowest
	@build/lowest/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@build/lowest/bin/python -m pip install --quiet --disable-pip-version-check --no-deps .
	@cd build && lowest/bin/entitlements --version
	@touch $@

lowest: setup build/lowest/.installed ## run the tests of the parts and of the wire with the oldest packages permitted
	@build/lowest/bin/python -m pytest $(PARALLEL) $(CORE) tests/wire

nightly: setup lowest ## run every test with new random examples and more of them, all compliance cases, the fuzzer and mutations
	@HYPOTHESIS_PROFILE=nightly COMPLIANCE=all $(BIN)/python -m pytest $(PARALLEL)
	@$(MAKE) --no-print-directory fuzz PAIRS=100000 SEED=$$(date +%Y%m%d)
	@$(MAKE) --no-print-directory mutate

lint: setup ## ruff, mypy, opa fmt and opa check
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@.tools/opa fmt --fail --diff policies > /dev/null

check: lint test ## what CI runs

fmt: setup ## format Python and Rego
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@.tools/opa fmt --write policies

reference: setup ## write the page of the command line and the JSON Schemas from the code
	@PYTHONPATH=. $(BIN)/python scripts/cli_page.py
	@PYTHONPATH=. $(BIN)/python scripts/schemas.py

# In an environment of its own: nothing of it reaches the packages that the product is developed with.
build/docs-venv/.installed: requirements-docs.lock
	@$(PYTHON) -m venv --clear build/docs-venv
	@build/docs-venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# What a browser would load by itself from another host; links that a reader follows are not among it.
docs: build/docs-venv/.installed ## build the pages as a site into build/site, strictly, and see that it loads nothing from elsewhere
	@build/docs-venv/bin/openapi-spec-validator docs/reference/openapi.yaml
	@NO_MKDOCS_2_WARNING=1 build/docs-venv/bin/mkdocs build --strict
	@test -f build/site/index.html
	@if grep -rnoE --include='*.html' --include='*.css' -e '<(script|img|iframe|source|video|audio|embed|object)[^>]*[[:space:]](src|srcset|data|poster)=.?(https?:)?//[^>]*' \
		-e '<link[^>]*[[:space:]]href=.?(https?:)?//[^>]*' -e '(url\(|@import[[:space:]]).?(https?:)?//[^)]*' build/site; \
		then echo "the site must load no script, style, font or picture from another host"; exit 1; fi
	@echo "The site is in build/site; look at it with: python3 -m http.server -d build/site"

bench: setup ## measure /authorize and the check beside asking OPA directly
	@$(BIN)/python -m bench

build/cedar/site: bench/cedar/requirements.lock .venv/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --upgrade \
		--target $@ -r $<
	@touch $@

build/cedar/release/analyzer: bench/cedar/Cargo.toml bench/cedar/src/main.rs
	@command -v cargo > /dev/null || { echo "cargo of Rust 1.89 or later is needed"; exit 1; }
	@cargo build --release --manifest-path bench/cedar/Cargo.toml --target-dir build/cedar
	@touch $@

bench-cedar: setup build/cedar/site build/cedar/release/analyzer ## build Cedar's analyzer (a quarter of an hour) and measure the proof beside it
	@$(BIN)/python -m bench.cedar

bench-field: setup ## check the changes of realistic policies and print how many are decided; exit 1 below 90 %
	@$(BIN)/python -m bench.field

compliance: setup ## run every compliance case of OPA through the proof's executor and print the figures
	@COMPLIANCE=all $(BIN)/python -m pytest -s tests/differential/test_compliance.py

SEED ?= 1
PAIRS ?= 2000
TIMED ?= 40
fuzz: setup ## hold the proof to enumeration on random small pairs: make fuzz SEED=1 PAIRS=100000
	@$(BIN)/python -m tests.differential.fuzz $(SEED) $(PAIRS)
	@$(BIN)/python -m tests.differential.timed $(SEED) $(TIMED)

mutate: setup ## break the code in a copy, one defect at a time, and see that tests notice each: make mutate NAMES="…"
	@$(BIN)/python -m tests.mutate $(NAMES)

# What the fast tests need beside the package itself.
FAST_TOOLS := hypothesis pytest pytest-xdist responses
# What `make docs` runs.
DOCS_TOOLS := mkdocs-material openapi-spec-validator

lock: .venv/.installed ## pin the newest versions of the packages into the lock files, and the oldest into requirements-lowest.lock
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--universal --python-version 3.11 pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --upgrade --extra test --constraint requirements.lock --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --universal --python-version 3.11 pyproject.toml -o requirements-dev.lock
	@mkdir -p build
	@$(BIN)/uv pip compile --quiet --upgrade --resolution lowest-direct --no-header --no-annotate --universal \
		--python-version 3.11 pyproject.toml -o build/lowest.txt
	@printf '%s\n' $(FAST_TOOLS) | $(BIN)/uv pip compile --quiet --upgrade --constraint build/lowest.txt --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --universal --python-version 3.11 pyproject.toml - \
		-o requirements-lowest.lock
	@printf 'cvc5\n' | $(BIN)/uv pip compile --quiet --upgrade --constraint requirements-dev.lock --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --universal --python-version 3.11 - -o requirements-double-check.lock
	@printf '%s\n' $(DOCS_TOOLS) | $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header \
		--no-annotate --universal --python-version 3.11 - -o requirements-docs.lock

# TAG, if given, has to be `v` and the version of the package.
dist: setup ## build the source distribution and the wheel into dist/
	@version=$$($(BIN)/entitlements --version | sed 's/.* //'); [ "$(or $(TAG),v$$version)" = "v$$version" ] \
		|| { echo "the tag $(TAG) is not v$$version, the version in entitlements/__init__.py"; exit 1; }
	@rm -rf dist
	@$(BIN)/python -m build --outdir dist

clean: ## remove what the tasks made
	rm -rf .venv .tools .demo build dist *.egg-info .mypy_cache .ruff_cache .hypothesis
