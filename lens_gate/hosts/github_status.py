"""The commit status or check run on a commit: what a required check goes by."""

from collections.abc import Mapping, Sequence
from typing import Final

from lens_gate.hosts.github_api import number_in, unusable
from lens_gate.hosts.http import Client
from lens_gate.records.json_types import Json
from lens_gate.records.publication import Annotation, Publication, Status

STATUS_PERMISSION: Final = "statuses"
CHECK_PERMISSION: Final = "checks"

MAX_DESCRIPTION_CHARS: Final = 140
# GitHub says characters. Its limit is that of a column of 65,535 bytes.
MAX_TEXT_BYTES: Final = 65_535
MAX_TITLE_CHARS: Final = 255
ANNOTATIONS_A_REQUEST: Final = 50
# They are shown a page at a time to a person; the worst come first.
MOST_ANNOTATIONS: Final = 500
_CUT: Final = "\n\nThe rest did not fit here: the job's summary and the report's files have all."
_LEVELS: Final = {"error": "failure", "warning": "warning", "notice": "notice"}


def post_status(client: Client, repository: str, server_url: str, head: str, status: Status) -> str:
    """Sets the commit's status; the link to the commit.

    Raises:
        WorldError: GitHub refused, or can't be reached.
    """
    body: dict[str, Json] = {
        "state": status.state,
        "context": status.name,
        "description": _short(status.description, MAX_DESCRIPTION_CHARS),
    }
    if status.url:
        body["target_url"] = status.url
    client.send("POST", f"/repos/{repository}/statuses/{head}", body)
    return f"{server_url}/{repository}/commit/{head}"


def post_check(
    client: Client, repository: str, server_url: str, publication: Publication, status: Status
) -> str:
    """Makes a check run with the publication's text and annotations; the link to it.

    Raises:
        WorldError: GitHub refused, or can't be reached.
    """
    output: dict[str, Json] = {
        "title": _short(status.description, MAX_TITLE_CHARS),
        "summary": _fitting(publication.text),
    }
    batches = _batches(publication.annotations)
    body: dict[str, Json] = {
        "name": status.name,
        "head_sha": publication.head,
        "status": "completed",
        "conclusion": "success" if status.state == "success" else "failure",
        "output": {**output, "annotations": batches[0]} if batches else output,
    }
    if status.url:
        body["details_url"] = status.url
    answer = client.send("POST", f"/repos/{repository}/check-runs", body)
    number = number_in(answer.data, "id")
    if number is None:
        raise unusable("a new check run without a number")
    for batch in batches[1:]:
        more: Mapping[str, Json] = {"output": {**output, "annotations": batch}}
        # Annotations are added to those that are there: twice would show them twice.
        client.send("PATCH", f"/repos/{repository}/check-runs/{number}", more, again=False)
    return f"{server_url}/{repository}/runs/{number}"


def _batches(annotations: Sequence[Annotation]) -> list[list[Json]]:
    rows: list[Json] = [_annotation(a) for a in annotations[:MOST_ANNOTATIONS]]
    step = ANNOTATIONS_A_REQUEST
    return [rows[at : at + step] for at in range(0, len(rows), step)]


def _annotation(annotation: Annotation) -> Json:
    line = annotation.line or 1  # GitHub has no remarks on a file as a whole
    return {
        "path": annotation.file,
        "start_line": line,
        "end_line": line,
        "annotation_level": _LEVELS[annotation.level],
        "title": _short(annotation.title, MAX_TITLE_CHARS),
        "message": _fitting(annotation.message),
    }


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _fitting(text: str) -> str:
    """The text, cut at the end of a line where it is too long."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= MAX_TEXT_BYTES:
        return text
    room = raw[: MAX_TEXT_BYTES - len(_CUT.encode())].decode("utf-8", "ignore")
    return (room.rpartition("\n")[0] or room) + _CUT
