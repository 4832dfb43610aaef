"""The files by which a job tells its host: GitHub's summary and outputs, GitLab's reports.

A file that can't be written is told, never raised: the verdict stands without it.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from lens_gate.errors import WorldError
from lens_gate.flows.outputs import (
    GITLAB_ANNOTATIONS,
    GITLAB_CODE_QUALITY,
    GITLAB_METRICS,
    write_file,
)
from lens_gate.flows.outside import Outside
from lens_gate.records.publication import Frame
from lens_gate.records.report import Report
from lens_gate.render.code_quality import code_quality
from lens_gate.render.comment import summary
from lens_gate.render.gitlab_report import gitlab_annotations, metrics
from lens_gate.render.outputs import github_output

# Above 1 MiB the runner drops the whole summary of a step. What stands there already counts.
MOST_SUMMARY: Final = 1_000_000
LEAST_SUMMARY: Final = 30_000


def append_summary(report: Report, frame: Frame, outside: Outside) -> Iterator[str]:
    """The job's summary on GitHub, below what the step wrote there before; problems in words."""
    yield from append_markdown(lambda room: summary(report, frame, limit=room), outside)


def append_markdown(text: Callable[[int], str], outside: Outside) -> Iterator[str]:
    """Markdown for the job's summary, made for the bytes that there is room for."""
    path = outside.environ.get("GITHUB_STEP_SUMMARY", "")
    if not path:
        return
    try:
        there = Path(path).stat().st_size if Path(path).exists() else 0
        room = MOST_SUMMARY - there
        if room < LEAST_SUMMARY:
            yield "the job's summary is full: an earlier command of this step wrote it"
            return
        _append(path, ("\n" if there else "") + text(room))
    except (OSError, ValueError) as error:
        yield f"the job's summary can't be written: {_reason(error)}"


def append_outputs(values: Mapping[str, str], outside: Outside) -> Iterator[str]:
    """The step's outputs on GitHub; problems in words."""
    path = outside.environ.get("GITHUB_OUTPUT", "")
    if not path:
        return
    # Drawn anew, so that no value can hold it.
    delimiter = f"lens-gate-{outside.entropy():x}-{outside.entropy():x}"
    try:
        _append(path, github_output(values, delimiter))
    except (OSError, ValueError) as error:
        yield f"the step's outputs can't be written: {_reason(error)}"


def write_gitlab_files(report: Report, frame: Frame, folder: Path) -> Iterator[str]:
    """GitLab's report artifacts; problems in words."""
    links = {"The gate's job": frame.run_url, "The policy": frame.policy_url}
    texts = {
        GITLAB_CODE_QUALITY: code_quality(report),
        GITLAB_ANNOTATIONS: gitlab_annotations(report, {k: v for k, v in links.items() if v}),
        GITLAB_METRICS: metrics(report),
    }
    for name, data in texts.items():
        try:
            write_file(folder / name, data)
        except WorldError as error:
            yield error.message


def _append(path: str, text: str) -> None:
    with Path(path).open("a", encoding="utf-8", errors="replace", newline="\n") as file:
        file.write(text)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)[:200]
