"""What was accepted by hand, as of today: the waivers that hold, and the levels that were moved."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from lens_gate.errors import InputError
from lens_gate.policy import read_worktree_file
from lens_gate.policy.waivers import FILE, read_waivers
from lens_gate.policy.waiving import has_come, state_of, too_far_ahead
from lens_gate.records.policy import Place, Policy
from lens_gate.records.waiver import Accepted, LevelShift, Waiver, WaiverReport
from lens_gate.repo import Repository, list_blobs, read_blob

_ANYWHERE = Place(file="", line=0, column=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedFile:
    """The bytes of ``waivers.yaml`` where it is trusted, and as the head has it in a pull request.

    ``None``: it is not there (or, of ``head``, there is no head apart). ``file`` is its path.
    """

    file: str
    trusted: bytes | None = None
    head: bytes | None = None


def accepted_name(policy: Policy) -> str:
    """The path of the file, from the repository's root."""
    return f"{policy.baseline.dir}/{FILE}"


def accepted_at(
    repository: Repository, policy: Policy, commit: str, head: str | None = None
) -> AcceptedFile:
    """The file as these commits have it.

    Raises:
        LensError: it is no regular file, or too large.
    """
    file = accepted_name(policy)

    def at(ref: str | None) -> bytes | None:
        if ref is None or file not in list_blobs(repository, ref, file):
            return None
        return read_blob(repository, ref, file)

    return AcceptedFile(file=file, trusted=at(commit), head=at(head))


def accepted_on_disk(root: Path, policy: Policy) -> AcceptedFile:
    """The file as it lies here.

    Raises:
        LensError: it is no regular file inside the folder, or too large.
    """
    file = accepted_name(policy)
    there = os.path.lexists(root / file)
    return AcceptedFile(file=file, trusted=read_worktree_file(root)(file) if there else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """The waivers in force, every waiver as the report shows it, and the accepted level shifts."""

    waivers: tuple[Waiver, ...] = ()
    reports: tuple[WaiverReport, ...] = ()
    shifts: tuple[LevelShift, ...] = ()


NOTHING = Holding()


def holding(accepted: AcceptedFile, today: date) -> Holding:
    """What holds today (UTC). Only what is trusted counts; what a head adds is pending.

    Raises:
        InputError: one of the two files has problems: all of its.
    """
    trusted = _read(accepted.trusted, accepted.file, today)
    head = _read(accepted.head, f"{accepted.file} (head)", today)
    reports = tuple(_reports(trusted, head, today))
    return Holding(
        waivers=tuple(found.waiver for found in reports if found.state == "in_force"),
        reports=reports,
        shifts=tuple(shift for shift in trusted.shifts if has_come(shift, today)),
    )


def _read(data: bytes | None, file: str, today: date) -> Accepted:
    if data is None:
        return Accepted()
    found = read_waivers(data, file=file)
    if problems := list(too_far_ahead(found.waivers, today)):
        raise InputError(problems)
    return found


def _reports(trusted: Accepted, head: Accepted, today: date) -> Iterator[WaiverReport]:
    for waiver in trusted.waivers:
        yield WaiverReport(waiver=waiver, state=state_of(waiver, today), used=False)
    known = set(_anywhere(trusted.waivers))
    for waiver, bare in zip(head.waivers, _anywhere(head.waivers), strict=True):
        if bare not in known:
            yield WaiverReport(waiver=waiver, state="pending", used=False)


def _anywhere(waivers: Iterable[Waiver]) -> Iterator[Waiver]:
    return (replace(waiver, place=_ANYWHERE) for waiver in waivers)
