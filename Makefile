# Each target prepares its own environment in .venv from Python 3.11 or later, git and make alone.
# The lock decides every version; `make clean` starts over.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PURE := lens_gate/errors.py,lens_gate/units.py,lens_gate/records/*,lens_gate/stats/*,lens_gate/metrics/*,lens_gate/load/*,lens_gate/judge/*,lens_gate/providers/*,lens_gate/render/*
REAL := build/real
# More than the cores: some tests wait for simulated servers.
JOBS ?= 3
# Long runs of the whole program, and long hostile ones: `make e2e` has them.
LONG := $(addprefix tests/integration/cli/test_cli_,adhoc.py baseline_push.py calibrate.py demo.py duet.py export.py hostile.py \
	hostile_pull.py killed.py null.py other_ci.py publishing_more.py selftest.py selftest_long.py) \
	tests/integration/cli/test_probes.py \
	$(addprefix tests/integration/docs/test_docs_,adhoc.py examples.py library.py) \
	$(addprefix tests/integration/flows/test_flow_,blocks.py paging.py selftest.py sinking.py) \
	tests/integration/transport/test_hostile_servers.py \
	tests/unit/policy/test_policy_fuzz.py \
	tests/unit/render/test_render_hostile.py \
	$(addprefix tests/integration/repo/test_,access.py stored_baselines.py) \
	$(addprefix tests/integration/pytest_plugin/test_,plugin_baselines.py plugin_holes.py purse.py) \
	$(addprefix tests/integration/runner/test_,memory.py robust.py)
# Single tests of that kind, in files of which the rest is quick.
SLOW := tests/integration/flows/test_flow_duet.py::test_a_dearer_cold_start_is_found_block_by_block \
	tests/unit/judge/test_drift.py::test_a_service_that_does_not_move_is_not_said_to \
	tests/unit/render/test_comment.py::test_a_hundred_thousand_rows_fit_and_take_no_age
SEED ?=

# Bytecode beside the environment, not in the tree: what one process compiled, all others read.
export PYTHONPYCACHEPREFIX = $(abspath $(VENV))/bytecode
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test e2e site real lint type unit collect bench clean

demo: $(VENV)/.ready
	$(BIN)/lens-gate demo $(if $(SEED),--seed $(SEED))

# Linters and types on one core; on the other, the tests are compiled, once for all their workers.
test: $(VENV)/.ready
	$(MAKE) --no-print-directory -j2 lint type collect
	$(MAKE) --no-print-directory unit

collect: $(VENV)/.ready
	@$(BIN)/pytest --collect-only -q > $(VENV)/collected.txt || { cat $(VENV)/collected.txt; exit 1; }

# Floors: 90 % of everything, and every branch of the pure rooms. `tests/conftest.py` says which
# tests are not traced.
unit: $(VENV)/.ready
	rm -f .coverage .coverage.*
	$(BIN)/pytest -n $(JOBS) --dist loadgroup --cov --cov-report= --durations=8 $(LONG:%=--ignore=%) $(SLOW:%=--deselect=%)
	$(BIN)/coverage report --skip-covered --fail-under=90
	$(BIN)/coverage report --skip-covered --fail-under=100 --include='$(PURE)'

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --no-progress --persona=auditor .github action.yml examples/github/*.yml \
		lens_gate/policy/starter/workflow.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml examples/github/*.yml \
		lens_gate/policy/starter/workflow.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/check-jsonschema --check-metaschema lens_gate/policy/schema/*.json lens_gate/sim/behaviour.schema.json
	$(BIN)/lens-gate schema policy > $(VENV)/policy.schema.json
	$(BIN)/check-jsonschema --schemafile $(VENV)/policy.schema.json lens-gate.yaml examples/*/lens-gate.yaml .github/selftest/*.yaml

type: $(VENV)/.ready
	$(BIN)/mypy

# Needs npm (a server and a runner of GitLab jobs that are not ours; the latter needs rsync), the
# vendors' own clients (the group e2e, installed here
# alone), and recordings of real providers (LENS_GATE_RECORDINGS).
e2e: $(VENV)/.ready site
	UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv sync --locked --quiet --all-extras --inexact --group e2e
	npm ci --prefix tests/e2e/foreign --no-audit --no-fund
	npm ci --prefix tests/e2e/gitlab --no-audit --no-fund
	$(BIN)/pytest -n $(JOBS) --dist loadfile --durations=8 tests/e2e $(LONG) $(SLOW)

# The pages as a site, in build/site. A link that leads nowhere ends it, but not with --quiet: what is
# not shown is not counted.
site: $(VENV)/.ready
	UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv sync --locked --quiet --inexact --group docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Two inference servers from source: a C++ compiler, and ten minutes the first time.
real: $(REAL)/.ready
	$(BIN)/pytest tests/real

$(REAL)/.ready: $(addprefix tests/real/,build.py model.py requirements.txt source.txt) | $(VENV)/.ready
	$(BIN)/python tests/real/build.py $(REAL) $(JOBS)
	touch $@

# About 25 minutes, most of them for the error rates. Linux alone: processes are pinned to cores.
bench: $(VENV)/.ready
	UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv sync --locked --quiet --all-extras --inexact --group bench
	$(BIN)/python bench/arrival_error.py
	$(BIN)/python bench/events_cpu.py
	$(BIN)/python bench/wall_over_ideal.py
	$(BIN)/python bench/memory.py
	$(BIN)/python bench/verdict_cost.py
	$(BIN)/python bench/history_read.py
	$(BIN)/python bench/history_changes.py
	$(BIN)/python bench/start_up.py
	$(BIN)/python bench/report_page.py
	$(BIN)/python bench/action_start.py
	$(BIN)/python -m bench.verdicts

clean:
	rm -rf $(VENV) .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache \
		.hypothesis dist build lens-gate-out

$(VENV)/.ready: pyproject.toml uv.lock .ci/bootstrap.py
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed, and none was found"; exit 1; }
	$(PYTHON) .ci/bootstrap.py $(VENV)
