"""`lens-gate report`: options that say something in one format are refused in the others."""

import pytest
from click.testing import CliRunner

from lens_gate.cli.report import command


def said(*arguments, **environ):
    """What is wrong with the command line; the report itself is not there."""
    done = CliRunner().invoke(command, ["missing/report.json", *arguments], env=environ)
    return done.output if isinstance(done.exception, SystemExit) else str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ("--format", "comment", "--link", "Job=https://x.example"),
            "--link is for --format gitlab",
        ),
        (("--link", "Job=https://x.example"), "--link is for --format gitlab-annotations"),
        (("--format", "junit", "--matrix", "x"), "--matrix is for --format comment"),
        (("--environment", "x"), "--environment is for --format comment"),
        (("--format", "html"), "'html' is not one of"),
        (("--format", "gitlab-annotations", "--link", "Job=javascript:x"), "write LABEL=https://"),
        (("--format", "gitlab-annotations", "--link", "https://x.example"), "write LABEL=https://"),
        (
            ("--format", "gitlab-annotations", "--link", "=https://x.example"),
            "write LABEL=https://",
        ),
        (("--format", "gitlab-annotations", "--link", ""), "write LABEL=https://"),
    ],
)
def test_a_wrong_option_is_one_clear_error(arguments, problem):
    assert problem in said(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--format", "comment", "--environment", "eu", "--matrix", "3.12"),
        ("--format", "gitlab-annotations", "--link", "a=https://x.example/?b=c"),
    ],
)
def test_what_is_right_goes_on_to_the_report(arguments):
    assert "missing/report.json can't be read" in said(*arguments)


def test_a_jobs_own_variables_are_no_mistake_in_another_format():
    done = said("--format", "junit", LENS_GATE_ENVIRONMENT="eu", LENS_GATE_MATRIX="3.12")
    assert "can't be read" in done
