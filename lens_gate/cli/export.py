"""`lens-gate export`: a saved report, or its requests, as other programs read them."""

import sys
from contextlib import suppress
from pathlib import Path

import click

from lens_gate.cli.terminal import outside, say
from lens_gate.errors import LensError, WorldError
from lens_gate.flows.bundling import bundle
from lens_gate.flows.exporting import encoded, format_rows
from lens_gate.flows.outputs import load_report, write_file
from lens_gate.flows.sinking import export_to
from lens_gate.render.escape import log
from lens_gate.render.exports.table import Format

_URL = ("http://", "https://")


@click.command("export")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path), metavar="REPORT_JSON")
@click.option("--format", "name", required=True, metavar="FORMAT", help="The name of the format.")
@click.option(
    "--to",
    "to",
    metavar="FILE|URL",
    help="Where to write or push it; - is standard output, the default.",
)
@click.option(
    "--token-env",
    metavar="NAME",
    help="With a URL: the environment variable that holds the token.",
)
@click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="DIST",
    help="An installed distribution whose formats may be used; may be repeated.",
)
def command(
    path: Path, *, name: str, to: str | None, token_env: str | None, plugins: tuple[str, ...]
) -> int:
    """Write a saved report in another format. Its requests are read from run.jsonl beside it.

    Of the report: json, csv-summary, csv-verdicts, junit. Of its requests: jsonl, csv, parquet
    (pip install 'llm-latency-lens[parquet]'), otlp-traces. Of the report, and of its requests where
    they are there: prometheus, openmetrics, influx, otlp-metrics.

    A URL is an InfluxDB's (.../write?db=NAME), a Pushgateway's (.../metrics/job/NAME), an OTLP
    receiver's, or takes a plain POST.

    \b
    lens-gate export lens-gate-out/report.json --format csv --to requests.csv
    lens-gate export lens-gate-out/report.json --format prometheus --to lens-gate.prom
    lens-gate export lens-gate-out/report.json --format influx --to "http://127.0.0.1:8086/write?db=ci"
    """  # noqa: D301  # \b is the character by which click keeps the lines as they are
    how = _format(name, plugins)
    url = to if to is not None and to.lower().startswith(_URL) else None
    if token_env is not None and url is None:
        raise click.UsageError("--token-env is for --to URL")
    data = encoded(how, bundle(load_report(path), path.parent))
    if url is not None:
        with outside() as world:
            say(export_to(data, how, url, world, token_env))
    elif to not in (None, "-"):
        _write(Path(to), data)
    else:
        _print(data)
    return 0


def _write(path: Path, data: bytes) -> None:
    """To a file, as a whole; to what is no file (a pipe, a device) as it comes."""
    if path.is_symlink() or path.is_dir():
        what = "a link" if path.is_symlink() else "a folder"
        raise LensError(f"{path} is {what}", "name the file itself")
    if not path.exists() or path.is_file():
        write_file(path, data)
        return
    try:
        path.write_bytes(data)
    except OSError as error:
        raise WorldError(f"{path} can't be written: {error.strerror}") from error


def _format(name: str, plugins: tuple[str, ...]) -> Format:
    rows = format_rows(plugins)
    if name in rows:
        return rows[name]
    import difflib  # noqa: PLC0415  # only on the way to an error

    near = difflib.get_close_matches(name.lower(), rows, n=1)
    guess = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(rows)}"
    raise LensError(f"there is no format {name[:60]!r}", guess)


def _print(data: bytes) -> None:
    """To standard output: bytes as they are, text as a job's log bears it."""
    with suppress(UnicodeDecodeError):  # what is no text, nobody reads as commands
        data = log(data.decode()).encode()
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        return
    except OSError as error:
        raise WorldError(f"standard output can't be written: {error.strerror}") from error
