"""The page on the plug-in: its examples are run, its settings are those that there are."""

import re
from pathlib import Path

import pytest

import lens_gate.pytest_plugin.finishing
import lens_gate.pytest_plugin.fixture  # noqa: F401
from lens_gate.pytest_plugin.settings import read_settings

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).parents[3] / "docs" / "pytest.md").read_text("utf-8")
MARK = "<!-- executed by tests/e2e/pytest_plugin/test_plugin_docs.py -->\n```python\n"


def examples() -> list[str]:
    return [block.partition("```")[0] for block in PAGE.split(MARK)[1:]]


def test_the_examples_work(pytester, service, suite):
    found = examples()
    assert len(found) == 4
    files = {f"test_{n}": text.replace("openai:gpt-4.1-mini", service.target)
             for n, text in enumerate(found)}  # fmt: skip
    pytester.makepyfile(**files)
    done = suite("", f"--lens-target={service.target}", "--lens-on-inconclusive=pass")
    done.assert_outcomes(passed=sum(text.count("def test_") for text in found) + 1)
    assert service.served > 100


def rows() -> list[list[str]]:
    table = PAGE.partition("<!-- settings -->\n")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in table]


def test_the_settings_are_those_that_there_are(pytester):
    config = pytester.parseconfigure()
    keys = {name for name in config._parser._inidict if name.startswith("lens_")}
    assert {key for key, *_ in rows() if key} == keys
    help_text = pytester.runpytest_inprocess("--help").stdout.str()
    options = set(re.findall(r"--lens-[a-z-]+", help_text))
    assert {option for _, option, *_ in rows() if option} == options


def test_the_defaults_are_those_of_the_page(pytester):
    found = read_settings(pytester.parseconfigure(), {})
    for key, _, default, _ in rows():
        if key and default:
            value = getattr(found, key.removeprefix("lens_"))
            assert str(value) == default, key


def test_the_ini_of_the_page_is_one(pytester):
    text = PAGE.partition("<!-- ini -->\n```ini\n")[2].partition("```")[0]
    pytester.makeini(text)
    found = read_settings(pytester.parseconfigure(), {})
    assert (found.target, str(found.max_usd)) == ("openai:gpt-4.1-mini", "0.25")
    with pytest.raises(AttributeError):
        found.max_usd = 1
