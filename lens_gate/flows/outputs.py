"""The files of a gate: written before any exit code is decided, so that nothing hides a result."""

from pathlib import Path

from lens_gate.errors import LensError, WorldError
from lens_gate.records.report import Report
from lens_gate.render.junit import junit
from lens_gate.render.markdown import markdown
from lens_gate.render.report_json import read_report, report_json

RUN_FILE = "run.jsonl"
REPORT_FILE = "report.json"
SUMMARY_FILE = "summary.md"
HTML_FILE = "report.html"
JUNIT_FILE = "junit.xml"
GITLAB_ANNOTATIONS = "gl-annotations.json"
GITLAB_CODE_QUALITY = "gl-code-quality-report.json"
GITLAB_METRICS = "gl-metrics.txt"
_OF_REPORT = (
    REPORT_FILE,
    SUMMARY_FILE,
    HTML_FILE,
    JUNIT_FILE,
    GITLAB_ANNOTATIONS,
    GITLAB_CODE_QUALITY,
    GITLAB_METRICS,
)


def write_report(folder: Path, report: Report) -> None:
    """Write ``report.json``, ``summary.md`` and ``junit.xml``: the record, then its pictures.

    Raises:
        LensError: the folder is a link.
        WorldError: the disk did not take them.
    """
    refuse_link(folder)
    write_file(folder / REPORT_FILE, report_json(report))
    write_file(folder / SUMMARY_FILE, markdown(report).encode())
    write_file(folder / JUNIT_FILE, junit(report))


def discard_reports(folder: Path) -> None:
    """Remove an earlier gate's report: whatever ends this one early, nobody reads the old answer.

    Raises:
        LensError: the folder is a link.
        WorldError: it is there and can't be removed.
    """
    refuse_link(folder)
    for name in _OF_REPORT:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise WorldError(f"{folder / name} can't be removed: {error.strerror}") from error


def refuse_link(folder: Path) -> None:
    """Take no folder by way of a link in the checkout: who wrote the commit chose where it leads.

    Raises:
        LensError: there is one between here and the folder.
    """
    here = Path.cwd()
    for part in (folder, *folder.parents):
        below = not part.is_absolute() or here in part.parents
        if below and part.is_symlink():
            raise LensError(
                f"the output folder {folder} is not used: {part} is a link",
                "name the folder that is meant, as --output or LENS_GATE_OUTPUT",
            )


def load_report(path: Path) -> Report:
    """A saved report.

    Raises:
        LensError: the file is missing or is no report.
    """
    try:
        return read_report(path.read_bytes())
    except OSError as error:
        raise LensError(
            f"{path} can't be read: {error.strerror}", "name a report.json of `lens-gate gate`"
        ) from error
    except ValueError as error:
        raise LensError(
            f"{path} is no report: {str(error)[:200]}",
            "name a report.json that this version of `lens-gate gate` or `judge` wrote",
        ) from error


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole, or leave the earlier one: never through a link.

    Raises:
        WorldError: the disk did not take it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(path.name + ".part")
        # In a checkout of foreign content a link of that name may lead anywhere.
        scratch.unlink(missing_ok=True)
        with scratch.open("xb") as stream:
            stream.write(data)
        scratch.replace(path)
    except OSError as error:
        raise WorldError(f"{path} can't be written: {error.strerror}") from error
