# The two commands of the README. Everything else is `dcis-node --help`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo walk test supply-chain fuzz install lint clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("dcis-node needs Python >= 3.11, this is %d.%d" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	touch $@

install: $(STAMP)

demo: install
	$(BIN)/dcis-node demo $(ARGS)

# The walk of docs/retraining.md, as it stands there: 60 synthetic patients from images to a promoted bundle.
WALK := walk
walk: install
	test ! -e $(WALK) || { echo "$(WALK) exists: delete it, or name another with WALK=..."; exit 1; }
	mkdir $(WALK)
	cd $(WALK) && sed -n '/^```sh walk/,/^```$$/{/^```/d;p}' ../docs/retraining.md | PATH="$(CURDIR)/$(BIN):$$PATH" bash -ex

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# -n 2: the suite is written for two cores; --dist loadfile keeps a file's servers together.
# Collected once before: a test file that cannot be imported is said in seconds, not after half an hour.
test: lint
	$(BIN)/pytest --collect-only -qq >$(VENV)/collected.txt || { tail -n 30 $(VENV)/collected.txt; exit 1; }
	$(BIN)/pytest -n 2 --dist loadfile --cov --cov-report= $(ARGS)
	$(BIN)/coverage report --skip-covered --fail-under=0 | tail -n 1
	$(BIN)/coverage report --include='dcis_node/receive/*,dcis_node/deliver/*,storage/*' --fail-under=95

# Vulnerabilities, bill of materials, licences, pickles; what it writes is in build/supply.
supply-chain: install
	$(BIN)/python -m tests.supply

# The whole of what tests/fuzz does shortly: 100,000 mutated protocol sequences, 2,200 bad files (15 minutes on two cores).
fuzz: install
	$(BIN)/python -m benchmarks.fuzz_protocol --json $(ARGS)
	$(BIN)/python -W ignore -m benchmarks.fuzz_files --json $(ARGS)

clean:
	rm -rf $(VENV) data demo-out walk build dist *.egg-info
