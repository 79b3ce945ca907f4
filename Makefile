# `make run` and `make test` are all a newcomer needs; the rest is for those who work on mailnode.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DEMO ?= var
FUZZ_SECONDS ?= 60
JOBS ?= 2

.PHONY: run test lint fuzz bench bench-full sizes clean dist man deb

run: $(VENV)/.ready
	@exec $(BIN)/mailnode demo --dir $(DEMO)

test: $(VENV)/.ready-test
	$(BIN)/python -m twisted.trial --jobs $(JOBS) tests

lint: $(VENV)/.ready-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config setup.cfg
	$(BIN)/python tools/sizes.py

# The documentation as a site, in build/site; a broken link or a page that nothing leads to is an error.
.PHONY: docs
docs: $(VENV)/.ready-docs
	$(BIN)/mkdocs --quiet build --strict
	$(BIN)/python tools/self_contained.py build/site

# Every target of tests/fuzz, for FUZZ_SECONDS in all.
fuzz: $(VENV)/.ready-fuzz
	$(BIN)/python -m tests.fuzz $(FUZZ_SECONDS)

# mailnode beside Debian's Postfix and Dovecot (docs/performance.md), for a look; ROWS picks some: make bench ROWS="--row POP3"
bench: $(VENV)/.ready-bench
	$(BIN)/python -m bench $(ROWS)

# The same with enough work for figures to keep, which it writes into the document.
bench-full: $(VENV)/.ready-bench
	@mkdir -p build
	$(BIN)/python -m bench --full --json build/bench.json --document docs/performance.md --chart docs/performance.png $(ROWS)

sizes:
	$(PYTHON) tools/sizes.py

# The environment is made once; a changed setup.cfg makes it anew. The checkout itself is installed, not a copy.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "mailnode needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo; \
		echo "Python cannot make virtual environments here. On Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/.ready: $(VENV)/bin/python setup.cfg pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat --editable .
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready
	$(BIN)/pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat --editable '.[test]'
	@touch $@

$(VENV)/.ready-lint: $(VENV)/.ready-test
	$(BIN)/pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat --editable '.[test,lint]'
	@touch $@

$(VENV)/.ready-docs: $(VENV)/.ready
	$(BIN)/pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat --editable '.[docs]'
	@touch $@

$(VENV)/.ready-bench: $(VENV)/.ready-test
	$(BIN)/pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat --editable '.[test,bench]'
	@touch $@

$(VENV)/.ready-fuzz: $(VENV)/.ready-test
	$(BIN)/pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat --editable '.[test,fuzz]'
	@touch $@

# The source archive and the wheel, in dist/ (docs/installing.md).
dist: $(VENV)/.ready-test
	rm -rf dist mailnode.egg-info
	$(BIN)/python -m build --no-isolation

# The pages of the manual, in build/man: man -l build/man/mailnode.1
man: $(VENV)/.ready
	$(BIN)/python -m tools.manual build/man

# A package for this Debian or Ubuntu, in build/deb; it takes: apt install build-essential debhelper bash-completion python3-venv
deb: dist
	rm -rf build/deb && mkdir -p build/deb
	tar -xzf dist/mailnode-*.tar.gz -C build/deb
	cp -r packaging/debian build/deb/mailnode-*/
	cd build/deb/mailnode-*/ && dpkg-buildpackage --build=binary --no-sign
	@ls build/deb/*.deb

clean:
	rm -rf $(VENV) .fuzz build dist *.egg-info _trial_temp* .mypy_cache .ruff_cache .import_linter_cache .hypothesis
