# Everything here runs as root on a Debian machine with nothing prepared. Begin with `make demo` or `make test`.
MODE ?= events
LAB := tests/lab/lab
# From the oldest Kea to the newest. The unit tests use this machine's Kea, which is that of the first suite.
SUITES := $(shell sed -n '/early: true/!s/^\([a-z]*\): {.*/\1/p' tests/lab/suites.yml)
SUITE ?= $(lastword $(SUITES))
# The Python environment is created on first use and cached under a key of its requirements.
VENV = $(eval VENV := $$(shell $(LAB) setup))$(VENV)
BIN = $(VENV)/bin
# Compiled modules are kept, whatever the environment says: each of the test processes would compile all of them again.
RUN = env -u PYTHONDONTWRITEBYTECODE PATH="$(BIN):$$PATH" ANSIBLE_HOME="$$PWD/.cache/ansible" ANSIBLE_FORCE_COLOR=1
CRASH = $(RUN) PYTHONPATH=tests:.collections $(BIN)/python tests/crash/crash.py
CRASH_POWER = $(CRASH_APPLIER:applier.py=power.py)
CRASH_APPLIER = $(RUN) PYTHONPATH=tests:plugins/module_utils:roles/kea_lease_monitor/files $(BIN)/python tests/crash/applier.py
FUZZ = PYTHONPATH=tests:.collections:plugins/module_utils:roles/kea_lease_monitor/files $(BIN)/python tests/fuzz/fuzz.py
# In a network of its own, which has the loopback interface only.
FUZZ_CLIENTS = $(subst PYTHONPATH,unshare --net sh -ec 'ip link set lo up && exec env "$$@"' sh PYTHONPATH,$(FUZZ:fuzz.py=clients.py))
# killed tests events mode only; with KILLED=all also file mode and polling.
SCENARIOS := file database events remote lfc killed
# Those that run beside each other, begun in this order: the longest first.
BESIDE := killed file events remote database
# Not in make test, which must end within 70 minutes; run them by name, such as make molecule-tls.
MORE := early changes upgrade tls failover harmless hostile moves recovery rollback fresh first sources takeover pair field dhcp6 ddns isc examples
# Scenarios with one Kea, that of SUITE; make suites-dhcp6 runs one of them for each.
ONE_SUITE := field pair dhcp6 ddns

OLDEST := sqlalchemy==1.4.46 alembic==1.8.1

BENCHMARKS := bench bench-constraint bench-trigger bench-kea bench-lfc bench-rerun bench-fleet bench-inventory bench-configget bench-commands bench-first-start bench-dhcp6 bench-herd bench-monitor

LINT := lint-ruff lint-imports lint-ansible lint-changelog
TYPES := types-monitor types-lfc types-modules types-tests
# Parts of make test that depend on none of the others.
APART := oldest audit reuse core ee redfish sanity docs

# The oldest and the newest ansible-core besides that of requirements-dev.txt; 2.20 and later need Python 3.12.
CORE ?= 2.16.19

REUSE := reuse==5.1.1

AUDIT := bandit==1.9.4
ADVISORIES := pip-audit==2.10.1

.PHONY: $(BENCHMARKS) $(LINT) lint-scenarios $(TYPES) help demo demo-core demo-clean test apart check lint types unit postgres slow oldest oracle fuzz fuzz-short crash crash-short audit advisories reuse core docs cli-files release sanity sanity-core build importer integration eda ee redfish monitoring dashboard-picture plots molecule $(addprefix molecule-,$(SCENARIOS) $(MORE)) $(addprefix suites-,$(ONE_SUITE)) clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

demo: ## deploy to a fresh host and serve 300 BMCs; MODE=file|database|events, SUITE=one of tests/lab/suites.yml
	@$(RUN) PYTHONPATH=tests $(BIN)/python demo/demo.py --mode $(MODE) --suite $(SUITE)

demo-core: .cache/core-$(CORE) ## the demo with another ansible-core; CORE=version
	@$(RUN) PYTHONPATH="tests:$$PWD/$<" $(BIN)/python -c 'from ansible.release import __version__ as found; assert found == "$(CORE)", found'
	@$(RUN) PYTHONPATH="tests:$$PWD/$<" $(BIN)/python demo/demo.py --mode $(MODE) --suite $(SUITE)

demo-clean: ## remove the hosts of the demo
	@$(LAB) down kea-demo kea-demo-bmcs

test: check lint-scenarios postgres slow oracle fuzz-short crash-short apart molecule ## all that needs no package or service of its own; not the scenarios of MORE
	@echo "All tests passed."

# Each part waits for something most of its time, so more of them run at once than there are cores.
check: ## the quick part: lint, types, unit tests
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target unit lint types

# Each has one process, or waits for a download; none of them measures time.
apart:
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(APART)

lint: $(LINT)

.cache:
	@mkdir -p .cache

lint-ruff:
	@echo "== ruff"
	@$(RUN) ruff check .
	@$(RUN) ruff format --check --quiet . || { echo "run: ruff format ."; exit 1; }

lint-imports: | .cache
	@echo "== import contracts"
	@$(RUN) PYTHONPATH=roles/kea_lease_monitor/files:plugins/module_utils lint-imports --config .importlinter >.cache/imports.log || { cat .cache/imports.log; exit 1; }
	@$(RUN) PYTHONPATH=roles/kea_lfc_timer/files lint-imports --config .importlinter-lfc >.cache/imports.log || { cat .cache/imports.log; exit 1; }
	@$(BIN)/python tests/packages.py plugins/module_utils .cache/packages
	@$(RUN) PYTHONPATH=.cache/packages lint-imports --config .importlinter-plugins >.cache/imports.log || { cat .cache/imports.log; exit 1; }

lint-ansible:
	@echo "== ansible-lint"
	@$(RUN) ansible-lint --offline -q playbooks roles meta

# Apart from make check, because it starts Ansible for each of some forty playbooks.
lint-scenarios:
	@echo "== ansible-lint of everything, with the scenarios"
	@$(RUN) ansible-lint --offline -q

lint-changelog:
	@echo "== changelog"
	@$(RUN) antsibull-changelog lint

# A cache for each, because they run at once.
MYPY = $(BIN)/mypy --config-file $(CURDIR)/pyproject.toml --cache-dir $(CURDIR)/.mypy_cache/$@
types: $(TYPES)

types-monitor:
	@echo "== types of the monitor"
	@cd roles/kea_lease_monitor/files && MYPYPATH=$(CURDIR)/plugins/module_utils $(MYPY) .

types-lfc:
	@echo "== types of the LFC program"
	@cd roles/kea_lfc_timer/files && MYPYPATH=$(CURDIR)/plugins/module_utils $(MYPY) .

types-modules:
	@echo "== types of the modules' code"
	@cd .collections && $(MYPY) ansible_collections/baremetal/kea/plugins

types-tests:
	@echo "== types of the code that supports tests, demo and benchmarks"
	@MYPYPATH=tests:tests/hosts:tests/crash:benchmarks:plugins/module_utils:roles/kea_lease_monitor/files $(MYPY) tests/support tests/hosts/*.py tests/crash benchmarks demo
	@MYPYPATH=tests/lab:tests/support $(MYPY) tests/lab/*.py
	@MYPYPATH=tests:tests/monitoring:plugins/module_utils:roles/kea_lease_monitor/files:roles/kea_lfc_timer/files $(MYPY) tests/monitoring/metered.py tests/monitoring/picture.py
	@cd .collections && MYPYPATH=$(CURDIR)/tests:$(CURDIR)/tests/fuzz:$(CURDIR)/plugins/module_utils:$(CURDIR)/roles/kea_lease_monitor/files $(MYPY) $(CURDIR)/tests/fuzz/*.py

# One process more than cores, because a test waits for its programs a part of its time.
unit:
	@echo "== unit tests"
	@$(RUN) pytest -n 3 --dist worksteal -m 'not slow' tests/unit

postgres: ## the PostgreSQL modules with PostgreSQL 17 and the schemas of Kea 2.6 and 3.0; make check tests 15 and Kea 2.2
	@for suite in $(filter-out $(firstword $(SUITES)),$(SUITES)); do \
	    echo "== PostgreSQL and Kea's schema of $$suite"; \
	    $(RUN) KEA_SUITE=$$suite pytest -n 2 -m 'postgres and not kea' tests/unit/plugins || exit 1; \
	done

slow:
	@echo "== slow unit tests"
	@$(RUN) pytest -n 3 --dist worksteal -m slow tests/unit

oldest: | .cache ## the monitor's state store with the oldest supported libraries, those of Debian 12
	@echo "== oldest libraries"
	@[ -d .cache/oldest ] || $(BIN)/pip install --quiet --target .cache/oldest $(OLDEST)
	@PYTHONPATH=.cache/oldest $(BIN)/python -c 'import sqlalchemy, alembic; assert (sqlalchemy.__version__, alembic.__version__) == ("1.4.46", "1.8.1")'
	@$(RUN) PYTHONPATH="$$PWD/.cache/oldest" pytest -n 2 tests/unit/runtime/test_store.py tests/unit/runtime/test_election.py -k "store or one_acts"

oracle: ## compare lease files with what kea-lfc makes of them; some minutes
	@echo "== oracle"
	@$(RUN) ORACLE_EXAMPLES=$(or $(EXAMPLES),150) pytest -n 2 tests/unit/runtime/test_oracle.py

fuzz: ## a million random rows, events, configurations, reservations and answers; clients of a real Kea; 200 sites with secrets in plays
	@$(FUZZ) --inputs 1000000
	@$(FUZZ_CLIENTS) --clients 10000
	@SECRETS_SITES=200 $(RUN) pytest -n 2 -m slow tests/unit/plugins/config/test_secrets_in_plays.py

fuzz-short:
	@echo "== fuzz"
	@$(FUZZ) --inputs 100000
	@$(FUZZ_CLIENTS) --clients 300

crash: ## kill monitors, their databases, Kea and the applier under load, and cut the power; KILLS=n for each of six scenarios, SEED=n
	@echo "== crash"
	@$(CRASH) --kills $(or $(KILLS),50) $(if $(SEED),--seed $(SEED))
	@$(CRASH_APPLIER) --kills $(or $(KILLS),50) $(if $(SEED),--seed $(SEED))
	@$(CRASH_POWER) --rounds 30 $(if $(SEED),--seed $(SEED))

crash-short:
	@echo "== crash"
	@$(CRASH) --kills 12
	@$(CRASH_APPLIER) --kills 8
	@$(CRASH_POWER) --rounds 6

.cache/audit: Makefile | .cache
	@$(BIN)/python -m pip install --quiet --target $@ --upgrade $(AUDIT)
	@touch $@

audit: .cache/audit ## search the code for what bandit takes for insecure
	@echo "== bandit"
	@PYTHONPATH=.cache/audit $(BIN)/python -m bandit --quiet --configfile pyproject.toml --recursive plugins roles

.cache/advisories: Makefile | .cache
	@$(BIN)/python -m venv $@
	@$@/bin/python -m pip install --quiet $(ADVISORIES)
	@touch $@

# Not in make test: it needs PyPI's advisories and Debian's security tracker, and fails without them.
advisories: .cache/advisories ## look for known vulnerabilities of what is installed, at PyPI and Debian's security tracker
	@echo "== advisories"
	@$(RUN) PYTHONPATH=tests $(BIN)/python tests/advisories.py $(CURDIR)/.cache/advisories/bin/pip-audit

.cache/reuse: Makefile | .cache
	@$(BIN)/python -m pip install --quiet --target $@ --upgrade $(REUSE)
	@touch $@

reuse: .cache/reuse ## check that every file names its licence (reuse.software)
	@echo "== reuse"
	@PYTHONPATH=.cache/reuse $(BIN)/python -m reuse lint --quiet || PYTHONPATH=.cache/reuse $(BIN)/python -m reuse lint

.cache/core-$(CORE): | .cache
	@$(BIN)/python -m pip install --quiet --target $@ --no-deps ansible-core==$(CORE)

# No test that starts Kea or PostgreSQL: what these answer to a module does not depend on ansible-core.
core: .cache/core-$(CORE) ## the plugins, variables and inventory with another ansible-core; CORE=version
	@echo "== ansible-core $(CORE)"
	@PYTHONPATH=$< $(BIN)/python -c 'from ansible.release import __version__ as found; assert found == "$(CORE)", found'
	@$(RUN) PYTHONPATH="$$PWD/$<" pytest -n 3 --dist worksteal -m 'not slow and not kea and not postgres' tests/unit/plugins tests/unit/project/test_variables.py
	@$(RUN) PYTHONPATH="$$PWD/$<" pytest -n 3 --dist worksteal -m 'slow and not kea and not postgres' tests/unit/plugins/inventory

.cache/docs-tools: docs/requirements.txt | .cache
	@$(BIN)/python -m pip install --quiet --target $@ --upgrade --requirement $<
	@touch $@

docs: .cache/docs-tools ## the documentation site, in .cache/docs/html
	@docs/docsite/build.sh $(BIN) .cache/docs-tools

cli-files: ## write the completion, the man page and docs/commands.md from the parser of kea-lease-monitor
	@PYTHONPATH=tests:plugins/module_utils:roles/kea_lease_monitor/files $(BIN)/python tests/cli_files.py

release: ## VERSION=x.y.z: changelog, commit, tag and archive; nothing is pushed
	@tests/release.sh $(BIN) "$(VERSION)"

.cache/eda: tests/eda/requirements.txt extensions/eda/requirements.txt | .cache
	@$(BIN)/python -m venv $@
	@$@/bin/python -m pip install --quiet --requirement $<
	@touch $@

# Not in make test: it needs Java.
eda: .cache/eda ## run the rulebooks in a real ansible-rulebook (needs Java 17, Debian package openjdk-17-jre-headless)
	@echo "== rulebooks"
	@$(RUN) EDA_BIN="$(CURDIR)/.cache/eda/bin" pytest tests/eda -o timeout=3600

.cache/redfish: tests/redfish/requirements.txt | .cache
	@$(BIN)/python -m pip install --quiet --target $@ --requirement $<
	@touch $@

redfish: .cache/redfish ## the example of Redfish against a simulator: from a lease to a setting of the BIOS
	@echo "== Redfish"
	@$(RUN) SIMULATOR="$(CURDIR)/.cache/redfish" pytest tests/redfish

.cache/ee: tests/ee/requirements.txt | .cache
	@$(BIN)/python -m venv $@
	@$@/bin/python -m pip install --quiet --requirement $<
	@touch $@

ee: .cache/ee ## what ansible-builder finds that the collection needs, compared with what its plugins import
	@echo "== execution environment"
	@$(RUN) ANSIBLE_BUILDER="$(CURDIR)/.cache/ee/bin/ansible-builder" pytest tests/ee

.cache/grafana: tests/monitoring/requirements.txt | .cache
	@$(BIN)/python -m pip install --quiet --target $@ --requirement $<
	@touch $@

monitoring: .cache/grafana ## test the alert rules with promtool (Debian package prometheus), and the dashboard with Grafana's types
	@echo "== alert rules"
	@command -v promtool >/dev/null || { echo "promtool is missing: apt-get install --no-install-recommends prometheus"; exit 1; }
	@promtool check rules extensions/monitoring/kea.rules.yml
	@promtool test rules extensions/monitoring/kea.rules.test.yml
	@echo "== dashboard"
	@PYTHONPATH=.cache/grafana $(BIN)/python tests/monitoring/schema.py extensions/monitoring/kea-dashboard.json

# Not in make test: it takes some minutes, and its picture is part of the documentation.
dashboard-picture: .cache/plot ## draw the dashboard by what a real Prometheus reads of real monitors, into docs/dashboard.png
	@command -v prometheus >/dev/null || { echo "prometheus is missing: apt-get install --no-install-recommends prometheus"; exit 1; }
	@$(RUN) PYTHONPATH=tests:.collections:plugins/module_utils:roles/kea_lease_monitor/files:roles/kea_lfc_timer/files:.cache/plot $(BIN)/python tests/monitoring/picture.py extensions/monitoring/kea-dashboard.json docs/dashboard.png

sanity:
	@tests/sanity.sh $(BIN)

sanity-core: .cache/core-$(CORE) ## ansible-test sanity of another ansible-core; CORE=version
	@tests/sanity.sh $(BIN) $(CURDIR)/$<

build:
	@tests/build.sh $(BIN)

.cache/importer: tests/importer/requirements.txt | .cache
	@$(BIN)/python -m venv $@
	@$@/bin/python -m pip install --quiet --requirement $<
	@touch $@

importer: .cache/importer build ## what Ansible Galaxy checks of the archive when it is uploaded
	@echo "== galaxy-importer"
	@cd .cache/build && PATH="$(CURDIR)/.cache/importer/bin:$(BIN):$$PATH" GALAXY_IMPORTER_CONFIG="$(CURDIR)/tests/importer/galaxy-importer.cfg" \
		python -m galaxy_importer.main baremetal-kea-*.tar.gz >importer.log 2>&1 || { tail -30 importer.log; exit 1; }
	@! grep -E "^(ERROR|CRITICAL)" .cache/build/importer.log && grep -q "Importer processing completed successfully" .cache/build/importer.log

# A scenario waits for its hosts much of its time, most of all killed and remote, which have one server each. So two run at
# once, but for lfc: it judges what clients lose.
molecule:
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(addprefix molecule-,$(BESIDE))
	@$(MAKE) --no-print-directory $(addprefix molecule-,$(filter-out $(BESIDE),$(SCENARIOS)))

$(addprefix molecule-,$(SCENARIOS) $(MORE)): molecule-%: build
	@echo "== molecule $*"
	@$(RUN) molecule test --scenario-name $*

$(addprefix suites-,$(ONE_SUITE)): suites-%:
	@for suite in $(SUITES); do \
	    echo "== $* with the Kea of $$suite"; \
	    $(MAKE) --no-print-directory molecule-$* SUITE=$$suite || exit 1; \
	done

bench: bench-constraint bench-trigger bench-kea bench-lfc bench-rerun bench-fleet bench-inventory bench-configget bench-commands bench-first-start bench-dhcp6 bench-herd bench-monitor ## all benchmarks; prints tables in Markdown (docs/benchmarks.md)

bench-constraint bench-trigger bench-kea bench-lfc bench-rerun bench-fleet bench-inventory bench-configget bench-commands bench-dhcp6: bench-%: ## one of them
	@$(RUN) PYTHONPATH=benchmarks:tests:plugins/module_utils:roles/kea_lease_monitor/files $(BIN)/python benchmarks/$*.py

bench-first-start: ## 100,000 and 1,000,000 leases at the first start in file mode; half an hour
	@$(RUN) PYTHONPATH=benchmarks:tests $(BIN)/python benchmarks/firststart.py

# What draws a picture, with a library that nothing else needs.
.cache/plot: benchmarks/requirements.txt | .cache
	@$(BIN)/python -m pip install --quiet --target $@ --requirement $<
	@touch $@

bench-monitor: .cache/plot
	@$(RUN) PYTHONPATH=benchmarks:tests:.cache/plot benchmarks/on_disk.sh $(BIN)/python benchmarks/monitor.py --plot docs/latency.svg

plots: .cache/plot ## draw the plots of docs/sizing.md from benchmarks/sizing.json
	@PYTHONPATH=.cache/plot $(BIN)/python benchmarks/plot.py docs

bench-herd: ## twice the load that Kea can serve, alone and with the collection
	@$(RUN) PYTHONPATH=benchmarks:tests:plugins/module_utils:roles/kea_lease_monitor/files benchmarks/on_disk.sh $(BIN)/python benchmarks/herd.py

clean: demo-clean ## remove the hosts of the demo and the caches of this checkout
	rm -rf .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
