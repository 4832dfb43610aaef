"""The same suites and the same server, for what takes longer."""

from tests.integration.pytest_plugin.conftest import (  # noqa: F401  # fixtures
    _service,
    history,
    report,
    repository,
    service,
    suite,
)
