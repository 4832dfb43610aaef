"""Options by which a workflow sets what the policy leaves to it, or says otherwise for one job."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, get_args

import click

from lens_gate.flows.framing import Posting
from lens_gate.flows.overriding import FailOn
from lens_gate.records.policy import Compare
from lens_gate.records.publication import CommentMode, StatusMode, Wish

_LONGEST_WORD = 200


class _Names(click.ParamType[str]):
    """A name; in the environment several of them, parted by commas or line ends."""

    name = "name"

    def split_envvar_value(self, rv: str) -> list[str]:
        """The names of a variable."""
        return [name for part in re.split(r"[,\n]", rv) if (name := part.strip())]


def _word(_ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    """A word of the workflow's own: one line, of a length that fits a status' name."""
    text = (value or "").strip()
    if len(text) > _LONGEST_WORD or not text.isprintable():
        raise click.BadParameter(
            f"must be one line of at most {_LONGEST_WORD} characters", param=param
        )
    return text


def _only(_ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    if any(not name.strip() for name in value):
        raise click.BadParameter("a scenario's name is empty", param=param)
    return tuple(dict.fromkeys(name.strip() for name in value))


scenario_option = click.option(
    "--scenario",
    "scenarios",
    envvar="LENS_GATE_SCENARIO",
    type=_Names(),
    multiple=True,
    callback=_only,
    metavar="NAME",
    help="Measure and judge only this scenario; may be repeated.",
)
compare_option = click.option(
    "--compare",
    envvar="LENS_GATE_COMPARE",
    type=click.Choice(get_args(Compare)),
    help="What to compare with, in place of the policy's baseline.compare.",
)
fail_on_option = click.option(
    "--fail-on",
    envvar="LENS_GATE_FAIL_ON",
    type=click.Choice(get_args(FailOn)),
    help="What fails the job: a failure, an inconclusive answer as well, or neither. Errors always "
    "do [default: as the policy's on_inconclusive says].",
)
environment_option = click.option(
    "--environment",
    envvar="LENS_GATE_ENVIRONMENT",
    callback=_word,
    metavar="WORD",
    help="Keeps this gate's comment and status apart from those of other environments.",
)
matrix_option = click.option(
    "--matrix",
    envvar="LENS_GATE_MATRIX",
    callback=_word,
    metavar="WORD",
    help="The same for the jobs of a matrix.",
)
_POSTING = (
    click.option(
        "--comment",
        envvar="LENS_GATE_COMMENT",
        type=click.Choice(get_args(CommentMode)),
        default="on",
        show_default=True,
        help="The comment on a pull or merge request; quiet writes no new one for what is no news.",
    ),
    click.option(
        "--status",
        envvar="LENS_GATE_STATUS",
        type=click.Choice(get_args(StatusMode)),
        default="commit",
        show_default=True,
        help="What branch rules can ask for: a commit status, or GitHub's check run.",
    ),
    environment_option,
    matrix_option,
    click.option(
        "--require-publish",
        "required",
        envvar="LENS_GATE_REQUIRE_PUBLISH",
        is_flag=True,
        help="Exit with 5 where something of it can't be delivered.",
    ),
)


def posting_options(function: Callable[..., int]) -> Callable[..., int]:
    """What is posted and under which name, handed over as one ``Posting``."""

    @wraps(function)
    def gathered(
        *args: object,
        comment: CommentMode,
        status: StatusMode,
        environment: str,
        matrix: str,
        required: bool,
        **rest: Any,  # noqa: ANN401  # the options of the verb itself
    ) -> int:
        posting = Posting(
            wish=Wish(comment=comment, status=status),
            environment=environment,
            matrix=matrix,
            required=required,
        )
        return function(*args, posting=posting, **rest)

    for option in reversed(_POSTING):
        gathered = option(gathered)
    return gathered
