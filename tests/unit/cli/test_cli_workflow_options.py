"""What a workflow may say, by flag and by variable: taken as it is meant, or refused."""

import click
import pytest

from lens_gate.cli.publish import command as publish_command
from lens_gate.cli.workflow_options import (
    compare_option,
    fail_on_option,
    posting_options,
    scenario_option,
)
from lens_gate.flows.framing import Posting
from lens_gate.records.publication import Wish


@click.command()
@scenario_option
@compare_option
@fail_on_option
@posting_options
def _verb(**found):
    return found


@pytest.fixture
def asked(monkeypatch):
    """What a verb is handed for these words and variables."""

    def ask(*words, **variables):
        for name, value in variables.items():
            monkeypatch.setenv(f"LENS_GATE_{name}", value)
        return _verb.main(words, standalone_mode=False)

    return ask


def test_nothing_said_is_the_default(asked):
    empty = dict.fromkeys(
        ("SCENARIO", "COMPARE", "FAIL_ON", "COMMENT", "STATUS", "ENVIRONMENT", "MATRIX"), ""
    )
    for found in (asked(), asked(**empty, REQUIRE_PUBLISH="")):
        assert found == {
            "scenarios": (),
            "compare": None,
            "fail_on": None,
            "posting": Posting(),
        }


def test_flags_and_variables_say_the_same(asked):
    flags = asked(
        "--scenario", "a", "--scenario", " b", "--scenario", "a", "--compare", "history",
        "--fail-on", "never", "--comment", "quiet", "--status", "check", "--environment", " eu ",
        "--matrix", "3.11, linux", "--require-publish",
    )  # fmt: skip
    variables = asked(
        SCENARIO=" a,b\n\na\n", COMPARE="history", FAIL_ON="never", COMMENT="quiet",
        STATUS="check", ENVIRONMENT="eu", MATRIX="3.11, linux", REQUIRE_PUBLISH="true",
    )  # fmt: skip
    assert flags == variables
    assert flags["scenarios"] == ("a", "b")
    assert flags["posting"] == Posting(
        wish=Wish(comment="quiet", status="check"),
        environment="eu",
        matrix="3.11, linux",
        required=True,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scenario", " "),
        ("compare", "sideways"),
        ("fail-on", "passed"),
        ("comment", "loud"),
        ("status", "both"),
        ("environment", "x" * 201),
        ("matrix", "two\nlines"),
        ("matrix", "\u202egnp"),
    ],
)
def test_what_makes_no_sense_is_refused(asked, name, value):
    with pytest.raises(click.BadParameter):
        asked(f"--{name}", value)


def test_a_forks_report_with_a_status_is_refused_before_anything_is_read():
    with pytest.raises(click.UsageError, match="never sets a status"):
        publish_command.main(["r.json", "--from-fork", "--status", "check"], standalone_mode=False)
