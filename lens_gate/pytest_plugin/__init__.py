"""The pytest plug-in: latency and cost of LLM calls as assertions of a test suite.

It is loaded in every pytest run of its environment, so this module imports nothing heavy: all else
comes when the first test asks for ``lens``.
"""

from typing import TYPE_CHECKING

import pytest

from lens_gate.pytest_plugin.hooks import Plugin
from lens_gate.pytest_plugin.settings import add_options, read_settings

if TYPE_CHECKING:
    from lens_gate.pytest_plugin.fixture import Lens

_PLUGIN: pytest.StashKey[Plugin] = pytest.StashKey()


class LensWarning(pytest.PytestWarning):
    """Something that a test should know and need not fail for, such as a verdict that is open."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare what a suite may set."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, read the settings, begin the session or join it."""
    config.addinivalue_line(
        "markers",
        "lens(target=None, prompts=None, **asked): what lens.measure and lens.compare of this test "
        "are asked for where the call says nothing else.",
    )
    plugin = Plugin(config, read_settings(config))
    config.stash[_PLUGIN] = plugin
    config.pluginmanager.register(plugin, "lens-gate-session")


@pytest.fixture
def lens(request: pytest.FixtureRequest) -> "Lens":
    """Measure LLM calls: on one budget for all tests, into one report."""
    return request.config.stash[_PLUGIN].lens(request.node)


@pytest.fixture(scope="session")
def lens_session(request: pytest.FixtureRequest) -> "Lens":
    """The same for fixtures that several tests share; each measurement needs a name there."""
    return request.config.stash[_PLUGIN].shared_lens()
