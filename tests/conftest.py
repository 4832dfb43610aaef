"""Settings for all tests: none depends on the machine's speed or on chance."""

from pathlib import Path

import pytest
from hypothesis import settings

# A deadline would be an assertion on absolute time. `--hypothesis-profile=explore` draws anew.
settings.register_profile("fixed", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("fixed")

# Tracing doubles the time of what runs in this process, and sees nothing of other processes. These
# cover nothing that other tests don't: `make unit` runs them, and all of hypothesis, without it.
_UNTRACED = (
    "integration/cli/",
    "integration/docs/",
    "integration/runner/test_memory.py",
    "unit/judge/test_error_rates_",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs no tracing."""
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).as_posix().startswith(_UNTRACED):
            item.add_marker("untraced")
