"""``waivers.yaml``: what was accepted by hand, read and written."""

import io
from collections.abc import Mapping
from datetime import date, datetime

from ruamel.yaml import YAML

from lens_gate.policy.document import parse
from lens_gate.policy.findings import Findings
from lens_gate.policy.node import Node, entries, field, items
from lens_gate.policy.read import share, text
from lens_gate.policy.schema import check_waivers
from lens_gate.records.policy import Place
from lens_gate.records.waiver import Accepted, LevelShift, Waiver
from lens_gate.units import parse_duration, parse_share

FILE = "waivers.yaml"
"""Its name inside the folder of the baselines."""

MAX_DAYS = 90
_MOST = 1e12

_EMPTY = b"""\
# Regressions that are accepted for a while. The gate reads this file where the policy is trusted;
# `lens-gate baseline accept` adds to it.
version: 1
"""


def read_waivers(data: bytes, *, file: str) -> Accepted:
    """What the file accepts.

    Raises:
        InputError: with every problem of the file, by place.
    """
    findings = Findings()
    root = parse(data, file=file, findings=findings)
    check_waivers(root, findings)
    found = Accepted(
        waivers=tuple(
            waiver
            for item in items(field(root, "waivers"))
            if (waiver := _waiver(item, findings)) is not None
        ),
        shifts=tuple(_shift(item, findings) for item in items(field(root, "level_shifts"))),
    )
    findings.raise_if_any(first_file=file)
    return found


def _waiver(item: Node, findings: Findings) -> Waiver | None:
    created, expires = (_day(field(item, key), findings) for key in ("created", "expires"))
    ceiling, limit = field(item, "ceiling"), field(item, "limit")
    if created is None or expires is None or not findings.fine(item):
        return None
    if ceiling is None and limit is None:
        hint = "give ceiling, such as 35%, or for an absolute limit: limit, such as 1.8s"
        findings.blame(item, "a waiver without a ceiling would accept anything", hint)
    if expires < created:
        findings.add(_place(item, "expires"), "expires lies before created")
    elif (expires - created).days > MAX_DAYS:
        findings.add(
            _place(item, "expires"),
            f"a waiver holds for at most {MAX_DAYS} days, and this one for "
            f"{(expires - created).days}",
            "let it end earlier and renew it when it is looked at again",
        )
    accepted = share(ceiling) if ceiling is not None else None
    if findings.fine(ceiling) and accepted is None:
        findings.blame(item, "ceiling is not a share such as 35%")
    elif accepted is not None and not accepted < _MOST:
        findings.blame(item, "a ceiling that far up would accept anything")
    return Waiver(
        rule=text(field(item, "rule")),
        cell=text(field(item, "cell")),
        ceiling=accepted,
        limit=_limit(limit, findings),
        reason=text(field(item, "reason")),
        who=text(field(item, "who")),
        created=created.isoformat(),
        expires=expires.isoformat(),
        place=item.place,
    )


def _shift(item: Node, findings: Findings) -> LevelShift:
    since = field(item, "since")
    if since is not None and findings.fine(since):
        try:
            datetime.strptime(text(since), "%Y%m%dT%H%M%SZ")  # noqa: DTZ007  # only whether it can
        except ValueError:
            findings.blame(since, "is no moment of the calendar", "write it as 20261121T021500Z")
    return LevelShift(
        cell=text(field(item, "cell")),
        since=text(since),
        reason=text(field(item, "reason")),
        who=text(field(item, "who")),
        place=item.place,
    )


def _place(item: Node, key: str) -> Place:
    return entries(item)[key].place


def _day(node: Node | None, findings: Findings) -> date | None:
    if node is None or not findings.fine(node):
        return None
    try:
        return date.fromisoformat(text(node))
    except ValueError:
        findings.blame(node, "is no day of the calendar", "write it as 2026-11-21")
        return None


def _limit(node: Node | None, findings: Findings) -> float | None:
    """A limit in its metric's unit: seconds, a fraction, or a plain number."""
    if node is None or not findings.fine(node):
        return None
    found = limit_of(str(node.value))
    if found is None:
        findings.blame(node, "limit is no quantity such as 1.8s, 5% or 0.003")
    return found


def limit_of(written: str) -> float | None:
    """Seconds of ``1.8s``, the fraction of ``5%``, a plain number; ``None`` for anything else."""
    for read in (parse_duration, parse_share, float):
        try:
            value = read(written)
        except ValueError:
            continue
        return value if 0 <= value < _MOST else None
    return None


def with_entry(data: bytes | None, part: str, entry: Mapping[str, str]) -> bytes:
    """The file with one more entry in ``waivers`` or ``level_shifts``; its comments are kept.

    ``data`` is a valid file, or ``None`` where there is none yet.
    """
    yaml = YAML(typ="rt")
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(_EMPTY if data is None else data)
    if document.get(part) is None:
        document[part] = []
    document[part].append(dict(entry))
    buffer = io.BytesIO()
    yaml.dump(document, buffer)
    return buffer.getvalue()
