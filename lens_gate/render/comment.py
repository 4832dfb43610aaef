"""The report where a team reads it: a comment on its change, the summary of its job.

Both are the one Markdown text, each within its medium's limit.
"""

from lens_gate.records.publication import Frame
from lens_gate.records.report import Report
from lens_gate.render.markdown import markdown

COMMENT_LIMIT = 65_536
SUMMARY_LIMIT = 1_000_000


def comment(report: Report, frame: Frame, *, limit: int = COMMENT_LIMIT) -> str:
    """A comment of at most ``limit`` characters (GitHub's limit), its hidden lines first."""
    return markdown(report, frame=frame, limit=limit, size=_characters)


def summary(report: Report, frame: Frame, *, limit: int = SUMMARY_LIMIT) -> str:
    """The same as a job's summary, of at most ``limit`` bytes of UTF-8.

    GitHub drops a summary of more than 1 MiB, and other steps may write to theirs.
    """
    return markdown(report, frame=frame, limit=limit, size=_octets)


def _characters(text: str) -> int:
    """UTF-16 units, which are no fewer than any way of counting characters finds."""
    return len(text.encode("utf-16-le")) // 2


def _octets(text: str) -> int:
    return len(text.encode())
