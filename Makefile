# Everything here runs as root on a Debian machine with nothing prepared. Begin with `make demo` or `make test`.
MODE ?= events
SUITE ?= backports
LAB := tests/lab/lab
# The Python environment is created on first use and cached under a key of its requirements.
VENV = $(eval VENV := $$(shell $(LAB) setup))$(VENV)
BIN = $(VENV)/bin
RUN = PATH="$(BIN):$$PATH" ANSIBLE_HOME="$$PWD/.cache/ansible" ANSIBLE_FORCE_COLOR=1
CRASH = $(RUN) PYTHONPATH=tests/crash:tests/unit:tests/unit/plugins:tests/lab:roles/kea_lease_monitor/files:.collections $(BIN)/python tests/crash/crash.py
# killed tests events mode only; with KILLED=all also file mode and polling.
SCENARIOS := file database events remote lfc killed
# Not in make test, which must end within 40 minutes; run them by name, such as make molecule-tls.
MORE := upgrade tls failover harmless moves recovery rollback fresh sources

OLDEST := sqlalchemy==1.4.46 alembic==1.8.1

BENCHMARKS := bench bench-constraint bench-trigger bench-kea bench-lfc bench-rerun bench-inventory bench-monitor

.PHONY: $(BENCHMARKS) help demo demo-clean test check lint types unit postgres slow oldest oracle fuzz fuzz-short crash crash-short sanity build integration molecule $(addprefix molecule-,$(SCENARIOS) $(MORE)) clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

demo: ## deploy to a fresh host and serve 300 BMCs; MODE=file|database|events, SUITE=bookworm|trixie|backports
	@$(RUN) $(BIN)/python demo/demo.py --mode $(MODE) --suite $(SUITE)

demo-clean: ## remove the hosts of the demo
	@$(LAB) down kea-demo kea-demo-bmcs

test: check postgres slow oldest oracle fuzz-short crash-short sanity molecule ## everything
	@echo "All tests passed."

check: lint types unit ## the quick part: lint, types, unit tests

.cache:
	@mkdir -p .cache

lint: | .cache
	@echo "== lint"
	@$(RUN) ruff check .
	@$(RUN) ruff format --check --quiet . || { echo "run: ruff format ."; exit 1; }
	@$(RUN) PYTHONPATH=roles/kea_lease_monitor/files lint-imports --config .importlinter >.cache/imports.log || { cat .cache/imports.log; exit 1; }
	@$(RUN) ansible-lint --offline -q
	@$(RUN) antsibull-changelog lint

types:
	@echo "== types"
	@cd roles/kea_lease_monitor/files && $(BIN)/mypy --config-file ../../../pyproject.toml --cache-dir ../../../.mypy_cache .
	@cd roles/kea_lfc_timer/files && $(BIN)/mypy --config-file ../../../pyproject.toml --cache-dir ../../../.mypy_cache .
	@$(BIN)/mypy plugins/module_utils

unit:
	@echo "== unit tests"
	@$(RUN) pytest -n 2 -m 'not slow' tests/unit

postgres: ## the PostgreSQL modules with PostgreSQL 17 and the schemas of Kea 2.6 and 3.0; make check tests 15 and Kea 2.2
	@for suite in trixie backports; do \
	    echo "== PostgreSQL and Kea's schema of $$suite"; \
	    $(RUN) KEA_SUITE=$$suite pytest -n 2 -m 'postgres and not kea' tests/unit/plugins || exit 1; \
	done

slow:
	@echo "== slow unit tests"
	@$(RUN) pytest -n 2 -m slow tests/unit

oldest: | .cache ## the monitor's state store with the oldest supported libraries, those of Debian 12
	@echo "== oldest libraries"
	@[ -d .cache/oldest ] || $(BIN)/pip install --quiet --target .cache/oldest $(OLDEST)
	@PYTHONPATH=.cache/oldest $(BIN)/python -c 'import sqlalchemy, alembic; assert (sqlalchemy.__version__, alembic.__version__) == ("1.4.46", "1.8.1")'
	@$(RUN) PYTHONPATH="$$PWD/.cache/oldest" pytest -n 2 tests/unit/runtime/test_store.py tests/unit/runtime/test_election.py -k "store or one_acts"

oracle: ## compare lease files with what kea-lfc makes of them; some minutes
	@echo "== oracle"
	@$(RUN) ORACLE_EXAMPLES=$(or $(EXAMPLES),150) pytest -n 2 tests/unit/runtime/test_oracle.py

fuzz: ## a million random rows, events and configurations
	@$(BIN)/python tests/fuzz/fuzz.py --inputs 1000000

fuzz-short:
	@echo "== fuzz"
	@$(BIN)/python tests/fuzz/fuzz.py --inputs 100000

crash: ## kill monitors 150 times under DHCP traffic, and their databases; KILLS=n for each of three scenarios, SEED=n
	@echo "== crash"
	@$(CRASH) --kills $(or $(KILLS),50) $(if $(SEED),--seed $(SEED))

crash-short:
	@echo "== crash"
	@$(CRASH) --kills 12

sanity:
	@tests/sanity.sh $(BIN)

build:
	@tests/build.sh $(BIN)

molecule: $(addprefix molecule-,$(SCENARIOS))

$(addprefix molecule-,$(SCENARIOS) $(MORE)): molecule-%: build
	@echo "== molecule $*"
	@$(RUN) molecule test --scenario-name $*

bench: bench-constraint bench-trigger bench-kea bench-lfc bench-rerun bench-inventory bench-monitor ## all benchmarks; prints tables in Markdown (docs/benchmarks.md)

bench-constraint bench-trigger bench-kea bench-lfc bench-rerun bench-inventory: bench-%: ## one of them
	@$(RUN) PYTHONPATH=benchmarks $(BIN)/python benchmarks/$*.py

# Only bench-monitor draws a picture, with a library that nothing else needs.
.cache/plot: benchmarks/requirements.txt | .cache
	@$(BIN)/python -m pip install --quiet --target $@ --requirement $<
	@touch $@

bench-monitor: .cache/plot
	@$(RUN) PYTHONPATH=benchmarks:.cache/plot $(BIN)/python benchmarks/monitor.py --plot docs/latency.svg

clean: demo-clean ## remove the hosts of the demo and the caches of this checkout
	rm -rf .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
