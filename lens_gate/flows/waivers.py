"""Accepting by hand: a known regression for a while, or a cell's new level."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from lens_gate.errors import LensError
from lens_gate.flows.measuring import stamp
from lens_gate.flows.outside import Outside
from lens_gate.flows.sources import find_sources
from lens_gate.policy.findings import did_you_mean
from lens_gate.policy.waivers import FILE, MAX_DAYS, limit_of, read_waivers, with_entry
from lens_gate.records.policy import Policy, Rule
from lens_gate.repo import commit_author, open_repository
from lens_gate.units import parse_share

DAYS = 30
"""For how long a waiver holds where nothing else is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What is to be accepted: a rule's ceiling or limit, or with ``new_level`` the cell's level.

    ``ceiling`` and ``limit`` are as people write them: 35%, 1.8s. ``who`` ``None``: who commits
    here.
    """

    cell: str
    reason: str
    rule: str | None = None
    ceiling: str | None = None
    limit: str | None = None
    new_level: bool = False
    days: int = DAYS
    who: str | None = None


def accept(wanted: Acceptance, policy_path: str | None, outside: Outside) -> str:
    """Add it to ``waivers.yaml`` in the work tree; the file's path. Nothing is committed.

    Raises:
        LensError: the policy has no such rule or cell, or something is missing.
        InputError: the file that is there has problems.
    """
    sources = find_sources(outside, policy_path)
    _check(wanted, sources.policy)
    who = wanted.who or _author(outside)
    path = f"{sources.policy.baseline.dir}/{FILE}"
    place = sources.root / path
    before = _existing(place, path)
    part, entry = _entry(wanted, who, outside)
    after = with_entry(before, part, entry)
    read_waivers(after, file=path)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(after)
    except OSError as error:
        raise LensError(f"{path} can't be written: {error.strerror}") from error
    return path


def _existing(place: Path, path: str) -> bytes | None:
    try:
        data = place.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LensError(f"{path} can't be read: {error.strerror}") from error
    read_waivers(data, file=path)
    return data


def _entry(wanted: Acceptance, who: str, outside: Outside) -> tuple[str, Mapping[str, str]]:
    now = outside.now()
    if wanted.new_level:
        since = {"cell": wanted.cell, "since": stamp(now)}
        return "level_shifts", {**since, "reason": wanted.reason, "who": who}
    entry = {"rule": wanted.rule or "", "cell": wanted.cell}
    if wanted.ceiling is not None:
        entry["ceiling"] = wanted.ceiling
    if wanted.limit is not None:
        entry["limit"] = wanted.limit
    return "waivers", {
        **entry,
        "reason": wanted.reason,
        "who": who,
        "created": now.date().isoformat(),
        "expires": (now.date() + timedelta(days=wanted.days)).isoformat(),
    }


def _check(wanted: Acceptance, policy: Policy) -> None:
    cells = {f"{s.key}/{t}": s for s in policy.scenarios.values() for t in s.targets}
    scenario = cells.get(wanted.cell)
    if scenario is None:
        raise LensError(
            f"the policy has no cell {wanted.cell[:80]!r}",
            did_you_mean(wanted.cell, cells, what="cells"),
        )
    if not wanted.reason.strip():
        raise LensError("a reason is missing", "say in a sentence why this is accepted")
    if wanted.new_level:
        if wanted.rule or wanted.ceiling is not None or wanted.limit is not None:
            raise LensError(
                "a new level is of the whole cell", "leave out the rule, the ceiling and the limit"
            )
        return
    target = wanted.cell.partition("/")[2]
    rules = {rule.id: rule for rule in scenario.rules if target in rule.targets}
    if wanted.rule is None or wanted.rule not in rules:
        given = "a rule is missing" if wanted.rule is None else f"no rule {wanted.rule[:80]!r} here"
        raise LensError(given, did_you_mean(wanted.rule or "", rules, what="rules of the cell"))
    _check_amount(wanted, rules[wanted.rule])


def _check_amount(wanted: Acceptance, rule: Rule) -> None:
    absolute = rule.max is not None or rule.min is not None
    if wanted.ceiling is None and wanted.limit is None:
        raise LensError(
            f"up to what {rule.id} is accepted is missing",
            "--ceiling 35% for its margin, or --limit 1.8s for its max or min",
        )
    if wanted.ceiling is not None and not rule.relative:
        raise LensError(f"{rule.id} has no margin", "give --limit for its max or min")
    if wanted.limit is not None and not absolute:
        raise LensError(f"{rule.id} has no max or min", "give --ceiling for its margin")
    if wanted.ceiling is not None:
        try:
            parse_share(wanted.ceiling)
        except ValueError as error:
            raise LensError(f"the ceiling {error}", "write it as 35%") from None
    if wanted.limit is not None and limit_of(wanted.limit) is None:
        raise LensError(f"{wanted.limit[:40]!r} is no limit", "write it as 1.8s, 5% or 0.003")
    if not 1 <= wanted.days <= MAX_DAYS:
        raise LensError(f"a waiver of {wanted.days} days", f"it may hold for 1 to {MAX_DAYS} days")


def _author(outside: Outside) -> str:
    repository = open_repository(outside.cwd)
    name = commit_author(repository) if repository else ""
    if not name:
        raise LensError("git does not know who you are", "give --who NAME")
    return name
