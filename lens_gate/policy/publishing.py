"""The sinks that a policy names under ``publish``: addresses, names of secrets, labels."""

import re
from pathlib import PurePosixPath
from typing import Final

from lens_gate.policy.endpoints import parse_address
from lens_gate.policy.files import path_problem
from lens_gate.policy.findings import Findings, did_you_mean
from lens_gate.policy.headers import KEY_HEADERS, build_headers
from lens_gate.policy.literal_secrets import looks_random, shown
from lens_gate.policy.node import Node, entries, field, items, strings
from lens_gate.policy.read import seconds, text, truth
from lens_gate.records.destination import (
    DEFAULT_TIMEOUT_S,
    EVENTS,
    SINK_KINDS,
    Destination,
    SinkKind,
)
from lens_gate.render.exports.table import FORMATS

MAX_TIMEOUT_S: Final = 120.0
OWN_FILES: Final = frozenset(
    {
        "run.jsonl",
        "run.jsonl.1",
        "report.json",
        "report.html",
        "summary.md",
        "junit.xml",
        "gl-annotations.json",
        "gl-code-quality-report.json",
        "gl-metrics.txt",
    }
)
"""What the gate itself writes to the output folder."""
_QUERY: Final = re.compile(r"[!\"$-~]*")
KNOWN_FORMATS: Final = frozenset({*FORMATS, "parquet"})
_ANY_KIND: Final = frozenset({"to", "format", "events", "timeout"})
# What the gate itself says with its numbers: a label of the same name would make two series of a
# Pushgateway one, and a tag twice in a line of InfluxDB, which besides keeps ``time`` for itself.
_OWN_LABELS: Final = frozenset(
    {
        *("event", "policy", "run", "mode", "outcome", "commit", "control", "version", "verdict"),
        *("counts", "scenario", "target", "rule", "metric", "statistic", "kind", "arm", "status"),
        *("phase", "part", "type", "le", "quantile", "time"),
    }
)
_OPTIONS: Final = ("url", "path", "database", "retention_policy", "org", "bucket", "job")


def destinations(
    node: Node | None, findings: Findings, *, plugged: bool
) -> tuple[Destination, ...]:
    """The sinks of ``publish``, in their order.

    ``plugged``: the policy names plug-ins, which may bring formats that are not known here.
    """
    found = []
    files: set[str] = set()
    for item in items(node):
        kind = SINK_KINDS.get(text(field(item, "to")))
        if kind is None or not findings.fine(item):
            continue
        _check_keys(item, kind, findings)
        sink = _destination(item, kind, findings, plugged=plugged)
        path = field(item, "path")
        if path is not None and sink.path in files:
            findings.blame(path, "two sinks write this file", "name another file for one of them")
        files.add(sink.path)
        found.append(sink)
    return tuple(found)


def _destination(node: Node, kind: SinkKind, findings: Findings, *, plugged: bool) -> Destination:
    headers, header_env = build_headers(field(node, "headers"), findings)
    secrets = [key for key in ("token_env", "username_env", "password_env") if field(node, key)]
    _check_secrets(node, secrets, (*headers, *header_env), findings)
    _check_url(field(node, "url"), kind, findings, secret=bool(secrets or header_env))
    _check_path(field(node, "path"), findings)
    _check_labels(field(node, "labels"), kind, findings)
    live = truth(field(node, "live"), fallback=False)
    own = {key: text(field(node, key)) for key in _OPTIONS}
    return Destination(
        to=kind.name,
        format=_format(field(node, "format"), kind, findings, plugged=plugged, live=live),
        **own,
        token_env=text(field(node, "token_env")) or None,
        username_env=text(field(node, "username_env")) or None,
        password_env=text(field(node, "password_env")) or None,
        headers=headers,
        header_env=header_env,
        labels={name: text(entry.node) for name, entry in entries(field(node, "labels")).items()},
        timeout_s=_timeout(field(node, "timeout"), findings),
        live=live,
        events=strings(field(node, "events")) or EVENTS,
    )


def _check_keys(node: Node, kind: SinkKind, findings: Findings) -> None:
    """Keys that this kind needs and has not, and those that say nothing to it."""
    known = _ANY_KIND | {*kind.needs, *kind.takes, *kind.one_of}
    known |= {"labels"} if kind.labels else frozenset()
    known |= {"live"} if kind.live else frozenset()
    for key, entry in entries(node).items():
        if key not in known and entry.node not in findings.blamed:
            hint = did_you_mean(key, known, what="keys that it takes")
            findings.add(entry.place, f"{kind.name} takes no {shown(key)}", hint)
    for key in kind.needs:
        if key not in entries(node):
            findings.add(node.place, f"{kind.name} needs {key}", f"add {key}")
    given = [key for key in kind.one_of if key in entries(node)]
    if kind.one_of and len(given) != 1:
        choice = " or ".join(kind.one_of)
        message = f"{kind.name} needs {choice}" + (", not both" if given else "")
        findings.add(node.place, message, "database is of version 1, bucket of version 2")
    for key, of in (("retention_policy", "database"), ("org", "bucket")):
        if key in entries(node) and key in known and of not in entries(node):
            findings.add(entries(node)[key].place, f"{key} goes with {of}", f"add {of}")


def _check_secrets(
    node: Node, secrets: list[str], headers: tuple[str, ...], findings: Findings
) -> None:
    pair = [key for key in secrets if key != "token_env"]
    if len(pair) == 1:
        other = "password_env" if pair == ["username_env"] else "username_env"
        findings.add(entries(node)[pair[0]].place, f"{pair[0]} needs {other}", f"add {other}")
    elif pair and "token_env" in secrets:
        place = entries(node)["token_env"].place
        findings.add(place, "there are a token and a password", "keep one of them")
    if secrets and any(name.lower() in KEY_HEADERS for name in headers):
        place = entries(node)[secrets[0]].place
        findings.add(place, "the key is sent twice, here and in a header", "keep one of them")


def _check_url(node: Node | None, kind: SinkKind, findings: Findings, *, secret: bool) -> None:
    if node is None or not findings.fine(node):
        return
    given, mark, query = text(node).partition("?")
    try:
        address = parse_address(given if kind.name == "http" else text(node))
    except ValueError as reason:
        findings.blame(node, f"url {reason}", "write scheme, host and path")
        return
    if mark and not _QUERY.fullmatch(query):
        findings.blame(node, "url has a character that no query holds", "escape it by its number")
    elif looks_random(query):
        hint = "put it into headers as {env: NAME}, and revoke it"
        findings.blame(node, "the query of this url looks like it holds a secret", hint)
    elif secret and address.scheme == "http" and not address.is_near:
        findings.blame(
            node,
            "a secret would travel unencrypted over plain http",
            "use https; plain http is for loopback and private addresses, or without a secret",
        )


def _check_path(node: Node | None, findings: Findings) -> None:
    if node is None or not findings.fine(node):
        return
    path = text(node)
    problem = path_problem(path.lstrip("/")) if path.strip("/") else "names no file"
    if path.endswith("/"):
        problem = "names no file"
    if problem:
        findings.blame(node, f"path {problem}", "a path such as lens-gate.prom, or an absolute one")
    elif PurePosixPath(path).as_posix().lower() in OWN_FILES:
        hint = "the gate writes its own files there anyway; name another"
        findings.blame(node, f"{path} is a file of the gate's own", hint)


def _check_labels(node: Node | None, kind: SinkKind, findings: Findings) -> None:
    own = _OWN_LABELS | {"job"} if "job" in kind.takes else _OWN_LABELS
    for name, entry in entries(node).items():
        if name in own or name.startswith("__"):
            findings.add(entry.place, f"the label {shown(name)} is set otherwise", "name another")


def _format(
    node: Node | None, kind: SinkKind, findings: Findings, *, plugged: bool, live: bool
) -> str:
    if node is None:
        return kind.live if kind.name == "file" and live else kind.default_format
    name = text(node)
    if not findings.fine(node):
        return name
    if kind.formats and name not in kind.formats:
        hint = f"it takes: {', '.join(kind.formats)}"
        findings.blame(node, f"{kind.name} takes no format {shown(name)}", hint)
    elif name not in KNOWN_FORMATS and not plugged:
        hint = did_you_mean(name, KNOWN_FORMATS, what="formats")
        findings.blame(node, f"there is no format {shown(name)}", hint)
    elif kind.name == "file" and live and name != kind.live:
        hint = f"name the format {kind.live}, or leave live out"
        findings.blame(node, f"a file streams {kind.live}, and the format is {name}", hint)
    return name


def _timeout(node: Node | None, findings: Findings) -> float:
    value = seconds(node, DEFAULT_TIMEOUT_S, findings)
    if node is not None and findings.fine(node) and value > MAX_TIMEOUT_S:
        findings.blame(node, f"timeout is above {MAX_TIMEOUT_S:.0f}s", "a job waits for it")
    return value
