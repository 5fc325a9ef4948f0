# Every command makes its own environment in .venv first; PYTHON and EXTRAS can be given.
PYTHON ?= python3
EXTRAS ?= test
VENV := .venv
BIN := $(VENV)/bin
STAMP = $(VENV)/.installed-$(subst $(comma),-,$(1))
comma := ,

.PHONY: help demo test lint format bench bench-dedup bench-stream notebooks pictures docs clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(call STAMP,base)  ## Merge the bundled sample and show what became of every row
	$(BIN)/datamerge demo --out out/demo --overwrite

test: $(call STAMP,$(EXTRAS))  ## Run the tests
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(call STAMP,$(EXTRAS))  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(call STAMP,$(EXTRAS))  ## Put the code into the house's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(call STAMP,$(EXTRAS))  ## Time the main job against its peers
	$(BIN)/pip install -q -c constraints.txt -r benchmarks/requirements.txt
	$(BIN)/python benchmarks/pipeline.py

bench-dedup: $(call STAMP,$(EXTRAS))  ## Time deduplication against its peers, about 25 minutes
	$(BIN)/pip install -q -c constraints.txt -r benchmarks/requirements-dedup.txt
	$(BIN)/python benchmarks/dedup.py

bench-stream: $(call STAMP,$(EXTRAS))  ## Run 0.1 to 10 GB through two workers of 1 GiB each
	$(BIN)/python benchmarks/stream.py

notebooks: $(call STAMP,test$(comma)notebook)  ## Run the notebooks and write their outputs
	$(BIN)/python scripts/run_notebooks.py

pictures: $(call STAMP,test$(comma)testbrowser)  ## Take the pictures of README, docs and notebooks anew
	$(BIN)/python scripts/take_pictures.py

docs: $(call STAMP,docs)  ## Build the documentation into site/
	$(BIN)/sphinx-build -W -q -b html docs site

clean:  ## Remove what the other commands made
	rm -rf $(VENV) out site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "datamerge needs Python 3.11 to 3.13; give one with: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "no venv module; on Debian or Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install -q --upgrade pip
	@touch $@

$(call STAMP,base): $(VENV)/.made pyproject.toml constraints.txt
	$(BIN)/pip install -q -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-%: $(VENV)/.made pyproject.toml constraints.txt
	$(BIN)/pip install -q -c constraints.txt -e ".[$(subst -,$(comma),$*)]"
	@touch $@
