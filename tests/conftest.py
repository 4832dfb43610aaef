"""Settings for all tests: none depends on the machine's speed or on chance."""

import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import settings

# A deadline would be an assertion on absolute time. `--hypothesis-profile=explore` draws anew.
settings.register_profile("fixed", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("explore", deadline=None)
settings.load_profile("fixed")

_CACHED = type(lru_cache(len))
_UNSEEN = pytest.StashKey[bool]()

# Tracing doubles the time of what runs in this process, and sees nothing of other processes. These,
# and all of hypothesis, cover nothing that other tests don't: they run with tracing switched off.
_UNTRACED = (
    "integration/api/test_beside.py::test_many",
    "integration/api/test_compare.py::test_a_service",
    "integration/api/test_compare.py::test_rules_of_whole",
    "integration/api/test_compare.py::test_what_costs",
    "integration/api/test_judging.py::test_a_failed_gate",
    "integration/cli/",
    "integration/docs/",
    "integration/flows/test_flow_control.py",
    "integration/flows/test_flow_duet.py",
    "integration/flows/test_flow_evading.py",
    "integration/flows/test_flow_head_inputs.py",
    "integration/flows/test_flow_history.py",
    "integration/flows/test_flow_reporting_duet.py",
    "integration/runner/test_caps_of_every_load.py",
    "integration/runner/test_duet_blocks.py",
    "integration/runner/test_duet_caps.py",
    "integration/runner/test_memory.py",
    "integration/runner/test_openai_dialects.py",
    "integration/runner/test_robust.py",
    "integration/runner/test_run_ends.py",
    "integration/runner/test_run_loads.py",
    "integration/runner/test_timed_path.py",
    "unit/bench/",
    "unit/judge/test_error_rates_",
    "unit/policy/test_policy_document.py",
    "unit/policy/test_policy_load.py",
    "unit/policy/test_policy_overlay.py",
    "unit/policy/test_policy_schema.py",
    "unit/policy_plan/test_refuse.py",
    "unit/render/test_comment.py::test_a_hundred_thousand_rows",
    "unit/render/test_render_ladder.py",
    "unit/sim/test_sim_draws.py",
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[object]:
    """Switch the tracer of the coverage measurement off where it has nothing to see."""
    place = f"{item.path.relative_to(Path(__file__).parent).as_posix()}::{item.name}"
    if not (place.startswith(_UNTRACED) or item.get_closest_marker("hypothesis")):
        if item.config.stash.get(_UNSEEN, default=False):
            _forget()
            item.config.stash[_UNSEEN] = False
        return (yield)
    tracer = sys.gettrace()
    sys.settrace(None)
    item.config.stash[_UNSEEN] = tracer is not None
    try:
        return (yield)
    finally:
        sys.settrace(tracer)


def _forget() -> None:
    """Empty the caches of functions: an answer that is remembered runs no line to be seen."""
    for name, module in list(sys.modules.items()):
        if name.startswith("lens_gate."):
            for value in list(vars(module).values()):
                if isinstance(value, _CACHED):
                    value.cache_clear()
