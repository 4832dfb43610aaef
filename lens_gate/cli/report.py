"""`lens-gate report`: a saved report, shown again."""

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import get_args

import click
from click.core import ParameterSource

from lens_gate.cli.terminal import colour, outside, say, tell, width
from lens_gate.cli.workflow_options import environment_option, matrix_option
from lens_gate.flows.framing import Posting
from lens_gate.flows.outputs import load_report, write_file
from lens_gate.flows.paging import beside, html_report
from lens_gate.flows.showing import Form, shown
from lens_gate.records.report import Report
from lens_gate.render.badge import badge
from lens_gate.render.markdown import markdown
from lens_gate.render.svg import picture
from lens_gate.render.terminal import terminal

# Options that say something in one format alone.
_ONLY = {"environment": "comment", "matrix": "comment", "links": "gitlab-annotations"}
# Files to write: what --help says of the option, and what makes the bytes of a report at a path.
_FILES: Mapping[str, tuple[str, Callable[[Report, Path], bytes]]] = {
    "html": (
        "Write it as a page, with the requests of the run.jsonl that lies beside it.",
        lambda report, path: html_report(report, beside(path.parent)),
    ),
    "svg": (
        "Write a picture of it, light or dark as its reader prefers.",
        lambda report, _path: picture(report).encode(),
    ),
    "badge": (
        "Write its outcome as a badge for a README.",
        lambda report, _path: badge(report).encode(),
    ),
}


def _file_options(function: Callable[..., int]) -> Callable[..., int]:
    """--svg, --badge and the like, handed over as one mapping of those that are wanted."""

    @wraps(function)
    def gathered(*args: object, **given: object) -> int:
        paths = {name: given.pop(f"{name}_file") for name in _FILES}
        files = {name: path for name, path in paths.items() if path is not None}
        return function(*args, files=files, **given)

    for name, (words, _) in reversed(list(_FILES.items())):
        gathered = click.option(
            f"--{name}",
            f"{name}_file",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help=words,
        )(gathered)
    return gathered


def _links(
    _ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    parts = [text.partition("=") for text in value]
    if any(not label or not url.startswith(("https://", "http://")) for label, _, url in parts):
        raise click.BadParameter("write LABEL=https://...")
    return tuple((label, url) for label, _, url in parts)


@click.command("report")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path), metavar="REPORT_JSON")
@click.option(
    "--format",
    "form",
    type=click.Choice(["terminal", "markdown", *get_args(Form)]),
    default="terminal",
    show_default=True,
    help="What to print.",
)
@click.option(
    "--link",
    "links",
    multiple=True,
    callback=_links,
    metavar="LABEL=URL",
    help="A link among the GitLab annotations; may be repeated.",
)
@_file_options
@environment_option
@matrix_option
@click.pass_context
def command(
    ctx: click.Context,
    path: Path,
    form: str,
    files: Mapping[str, Path],
    links: tuple[tuple[str, str], ...],
    environment: str,
    matrix: str,
) -> int:
    """Show a saved report again. Ends with 0: the verdict was given when it was made.

    comment is what a pull or merge request gets, junit what other CIs show as tests; the other
    three are GitLab's report artifacts. They go to standard output, to be redirected to a file.
    Where a file is asked for, only what --format names is printed besides.
    """
    for parameter, only in _ONLY.items():
        given = ctx.get_parameter_source(parameter) is ParameterSource.COMMANDLINE
        if given and form != only:
            raise click.UsageError(f"--{parameter.rstrip('s')} is for --format {only}")
    report = load_report(path)
    for name, file in files.items():
        write_file(file, _FILES[name][1](report, path))
        tell(f"wrote {file}")
    if files and ctx.get_parameter_source("form") is ParameterSource.DEFAULT:
        return 0
    if form == "terminal":
        say(terminal(report, width=width(), colour=colour()))
    elif form == "markdown":
        say(markdown(report))
    else:
        posting = Posting(environment=environment, matrix=matrix)
        with outside() as world:
            text = shown(report, _form(form), world, posting=posting, links=dict(links)).decode()
        say(text)
    return 0


def _form(word: str) -> Form:
    return next(form for form in get_args(Form) if form == word)
