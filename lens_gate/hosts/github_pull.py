"""Which pull request a run was about, by what GitHub says of both."""

from collections.abc import Mapping

from lens_gate.errors import WorldError
from lens_gate.hosts.github_api import number_in, text_at
from lens_gate.hosts.github_fork import ForkReport
from lens_gate.hosts.http import Client
from lens_gate.records.json_types import Json


def resolve_pull(client: Client, report: ForkReport) -> int:
    """The number of the one open pull request with exactly this head.

    The list is asked for by the head's owner and branch, since GitHub does not find a fork's pull
    request by its commit, and each entry is then held against the run: the very commit, the fork's
    and our repository by their numbers.

    Raises:
        WorldError: there is none or more than one, or GitHub can't be asked.
    """
    owner = report.head_repository.partition("/")[0]
    params: Mapping[str, str | int] = {
        "state": "open",
        "head": f"{owner}:{report.head_branch}",
        "per_page": 100,
    }
    pulls = client.items(f"/repos/{report.repository}/pulls", params)
    found = [number_in(pull, "number") for pull in pulls if _is_of(pull, report)]
    numbers = [n for n in found if n is not None]
    if len(numbers) == 1:
        return numbers[0]
    what = "No open pull request has" if not numbers else f"{len(numbers)} open pull requests have"
    raise WorldError(
        f"{what} commit {report.head[:12]} of {report.head_repository} as head.",
        "It has moved on or was closed since: a newer run reports the newer commit."
        if not numbers
        else "A report about one commit can't say which of them it is of; close all but one.",
    )


def _is_of(pull: Mapping[str, Json], report: ForkReport) -> bool:
    return (
        text_at(pull, "state") == "open"
        and text_at(pull, "head", "sha") == report.head
        and _repository_id(pull, "head") == report.head_repository_id
        and _repository_id(pull, "base") == report.repository_id
    )


def _repository_id(pull: Mapping[str, Json], end: str) -> int | None:
    side = pull.get(end)
    return number_in(side.get("repo"), "id") if isinstance(side, dict) else None
