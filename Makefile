# A fresh machine needs two commands: `make demo` and `make test`. Each sets itself up.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt

.PHONY: help demo test check reproduction iap-records iap-baseline format lint types doctest notebooks docs test-slow test-system test-engines test-pandas3 test-versions wheel hashes sbom licences audit-dependencies surface bench mutants clean

help: ## say what each target does
	@grep -E '^[a-z0-9-]+:.*##' Makefile | sed 's/:.*##/ -/' | sort

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e '.[dev]'
	touch $(VENV)/.base $@

demo: $(VENV)/.base ## the 2016 evaluation from records: every table and figure beside the print
	$(BIN)/trialimpact reproduce iap --out demo

test: $(VENV)/.dev ## the tests
	$(BIN)/pytest -n 2 --dist loadscope

check: test ## everything that CI runs
	$(MAKE) --jobs=2 --output-sync=target lint types doctest notebooks docs

format: $(VENV)/.dev ## rewrite the code in the house format
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: $(VENV)/.dev
	$(BIN)/ruff format --check . && $(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

doctest: $(VENV)/.dev ## every example in a docstring
	$(BIN)/pytest -n 2 --doctest-modules src -o addopts="-q --import-mode=importlib" -o doctest_optionflags="ELLIPSIS NORMALIZE_WHITESPACE"

reproduction: $(VENV)/.dev ## the 2016 evaluation, strictly, and every number as in the baseline
	$(BIN)/trialimpact reproduce iap --out build/iap --strict --quiet
	$(BIN)/trialimpact check build/iap --against data/synthetic/iap/baseline

iap-records: $(VENV)/.base ## simulate and tune the records in data/synthetic/iap (a minute)
	$(BIN)/python tools/iap/build.py --seed 2015 --out data/synthetic/iap

iap-baseline: $(VENV)/.base ## make what it computes now the baseline: look at `make reproduction` first
	$(BIN)/trialimpact reproduce iap --out build/iap --strict --quiet
	cd build/iap && cp comparison.csv intervals.csv curves.csv lint.csv ../../data/synthetic/iap/baseline/
	cd build/iap/analysis && cp flow.csv allocation.csv balance.csv audit.csv ../../../data/synthetic/iap/baseline/analysis/

notebooks: $(VENV)/.dev ## run every notebook, which is stored without output
	$(BIN)/python tools/run_notebooks.py

docs: $(VENV)/.dev ## build the documentation; a warning is an error
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

test-slow: $(VENV)/.dev ## simulations of coverage, the whole corpus, more examples of every property (an hour)
	$(BIN)/pytest -n 2 -m slow
	HYPOTHESIS_PROFILE=thorough $(BIN)/pytest -n 2 -m "hypothesis and not slow and not system"

test-pandas3: $(VENV)/.dev ## the tests on pandas 3, without lifelines (which does not support it)
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/python tools/try_versions.py pandas3 $(TESTS)

test-versions: $(VENV)/.dev ## lowest versions of dependencies, and newest on each Python there is (TESTS=tests/loaders: only those)
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/python tools/try_versions.py all $(TESTS)

test-engines: $(VENV)/.dev ## PostgreSQL and Spark against memory; numbers against R; pages in a browser, workbooks in an office (skipped where not there)
	$(BIN)/pip install --quiet --disable-pip-version-check 'pyspark[connect]>=3.5' 'psycopg[binary]>=3.1' 'acro>=1.0'
	$(BIN)/pytest -m system -rs

test-system: test-pandas3 test-engines ## what takes a second environment or more than PyPI

wheel: $(VENV)/.dev ## wheel and sdist of the last commit, in dist/: the same bytes every time
	$(BIN)/python tools/build.py

hashes: $(VENV)/.dev ## hashes of every pin that the library needs, after constraints.txt moved
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -c constraints.txt pyproject.toml -o requirements-hashed.txt

sbom: $(VENV)/.dev ## a bill of materials, in dist/
	$(BIN)/python tools/inventory.py --sbom dist/trialimpact.cdx.json

licences: $(VENV)/.dev ## the table of licences in docs/supply_chain.md
	$(BIN)/python tools/inventory.py --licences

audit-dependencies: $(VENV)/.dev ## known vulnerabilities of the pins (exit 3: not known)
	$(BIN)/pip install --quiet --disable-pip-version-check 'pip-audit>=2.9'
	$(BIN)/python tools/audit_dependencies.py constraints.txt

surface: $(VENV)/.dev ## what is public is as it is now: look at the difference first
	$(BIN)/python tools/public_surface.py

bench: $(VENV)/.dev ## race against other ways of doing the job, and what each method costs
	$(BIN)/pip install --quiet --disable-pip-version-check polars pyfixest
	$(BIN)/python benchmarks/race.py main 10000 100000
	$(BIN)/python benchmarks/race.py groups
	$(BIN)/python benchmarks/methods.py

mutants: $(VENV)/.dev ## small mistakes in the source, one at a time: does a test notice? (hours; build/mutants.csv)
	$(BIN)/pip install --quiet --disable-pip-version-check cosmic-ray
	$(BIN)/python tools/mutation/mutants.py --seed 1

clean:
	rm -rf $(VENV) $(VENV)-versions demo build dist docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
