# make demo : examples/journey from raw files to published segments and a report
# make test : everything the tests need, then the tests
# make soak CASES=100 : that many more random cases of every comparison between engines (and SEED=… to repeat one),
#                       and the live worker killed as often
# Also: check, bench, docs, lock. Each sets up what it needs in .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
DAY ?= 2017-12-30
APT := apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq

.PHONY: demo test soak check bench docs lock

demo: .venv/demo.stamp
	$(BIN)/python examples/journey/prepare.py --until $(DAY)
	$(BIN)/facette run --project examples/journey --as-of $(DAY)

test: .venv/test.stamp tests/web/clients/node_modules/.stamp
	command -v chromium >/dev/null || ($(APT) chromium)
	command -v rabbitmq-server >/dev/null || ($(APT) rabbitmq-server)
	command -v java >/dev/null || ($(APT) openjdk-17-jre-headless)
	$(BIN)/python -m pytest --numprocesses=auto --dist=worksteal $(ARGS)

# The trackers' own clients, which the tests point at a collector.
tests/web/clients/node_modules/.stamp: tests/web/clients/package.json
	command -v npm >/dev/null || ($(APT) nodejs npm)
	cd $(<D) && npm install --no-package-lock --ignore-scripts --no-audit --no-fund --silent
	touch $@

soak: .venv/test.stamp
	$(BIN)/python -m pytest tests/differential tests/features/test_partials.py --cases=$(CASES) --hypothesis-seed=$(SEED) $(ARGS)
	$(BIN)/python -m pytest tests/live/test_killed.py tests/live/test_brokers_killed.py --kills=$(CASES) $(ARGS)
CASES ?= 100
SEED := $(or $(SEED),$(shell date +%s))

check: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/mkdocs build --strict --quiet

bench: .venv/test.stamp
	$(BIN)/python benchmarks/batch.py $(ARGS)
	$(BIN)/python benchmarks/startup.py $(ARGS)
	$(BIN)/python benchmarks/language.py $(ARGS)
	$(BIN)/python benchmarks/log.py $(ARGS)
	$(BIN)/python benchmarks/preview.py $(ARGS)
	$(BIN)/python benchmarks/collect.py $(ARGS)
	$(BIN)/python benchmarks/columnar.py $(ARGS)

docs: .venv/test.stamp
	$(BIN)/python -m facette.definitions.reference docs
	$(BIN)/mkdocs build --strict

# Pins every dependency with its hashes; needs uv on the path.
lock:
	uv pip compile pyproject.toml requirements/build.in requirements/demo.in -o requirements/demo.lock $(LOCK)
	uv pip compile pyproject.toml requirements/build.in requirements/demo.in --group test --group dev -o requirements/test.lock $(LOCK)
LOCK := --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 --quiet

.venv/%.stamp: requirements/%.lock pyproject.toml
	test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv || ($(APT) python3-venv && $(PYTHON) -m venv --clear .venv)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	touch $@
