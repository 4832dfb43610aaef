"""Settings for all tests: none depends on the machine's speed or on chance."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A deadline would be an assertion on absolute time. `--hypothesis-profile=explore` draws anew.
settings.register_profile("fixed", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("explore", deadline=None)
settings.load_profile("fixed")

# Tracing doubles the time of what runs in this process, and sees nothing of other processes. These,
# and all of hypothesis, cover nothing that other tests don't: they run with tracing switched off.
_UNTRACED = (
    "integration/cli/",
    "integration/docs/",
    "integration/runner/test_memory.py",
    "integration/runner/test_robust.py",
    "integration/transport/test_hostile_servers.py",
    "unit/bench/",
    "unit/judge/test_error_rates_",
    "unit/policy/test_policy_schema.py",
    "unit/render/test_render_ladder.py",
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[object]:
    """Switch the tracer of the coverage measurement off where it has nothing to see."""
    place = item.path.relative_to(Path(__file__).parent).as_posix()
    if not (place.startswith(_UNTRACED) or item.get_closest_marker("hypothesis")):
        return (yield)
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)
