"""The policy's own settings: caps, error rate, what to compare with, allowed endpoints."""

import re
from decimal import Decimal

from lens_gate.policy.endpoints import parse_origin
from lens_gate.policy.files import path_problem
from lens_gate.policy.findings import Findings
from lens_gate.policy.node import Node, field, items
from lens_gate.policy.read import decimal, money, one_of, seconds, text, whole
from lens_gate.records.policy import (
    AllowedEndpoint,
    BaselineSettings,
    Budget,
    Compare,
    OnInconclusive,
)

_COMPARE: dict[str, Compare] = {
    "auto": "auto",
    "interleaved": "interleaved",
    "history": "history",
    "none": "none",
}
_ON_INCONCLUSIVE: dict[str, OnInconclusive] = {"pass": "pass", "warn": "warn", "fail": "fail"}
_MOST_REQUESTS = 10_000_000
_NO_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|@\{|\.lock(/|$)|/\.|^[-./]|[./]$|^@$")


def policy_budget(node: Node | None, findings: Findings) -> Budget:
    """The caps of the whole job."""
    return Budget(
        max_usd=money(field(node, "max_usd")) or Decimal(0),
        max_requests=whole(field(node, "max_requests"), _MOST_REQUESTS),
        max_duration_s=seconds(field(node, "max_duration"), 1.0, findings),
    )


def target_budget(node: Node | None) -> Budget:
    """The caps of one target, inside the job's."""
    requests = field(node, "max_requests")
    return Budget(
        max_usd=money(field(node, "max_usd")),
        max_requests=whole(requests, 1) if requests else None,
        max_duration_s=None,
    )


def confidence(root: Node) -> float:
    """1 minus the chance that an unchanged build fails."""
    return float(decimal(field(root, "confidence"), Decimal("0.99")))


def on_inconclusive(root: Node) -> OnInconclusive:
    """What becomes of a gate that can't decide."""
    return one_of(field(root, "on_inconclusive"), _ON_INCONCLUSIVE, "warn")


def baseline(node: Node | None, findings: Findings) -> BaselineSettings:
    """What runs are compared with."""
    branch, folder = field(node, "branch"), field(node, "dir")
    if branch and findings.fine(branch) and _NO_BRANCH.search(text(branch)):
        findings.blame(branch, "branch is not a name that git allows for a branch")
    if folder and findings.fine(folder):
        problem = path_problem(text(folder))
        if problem:
            findings.blame(folder, f"dir {problem}", "name a folder inside the repository")
    return BaselineSettings(
        compare=one_of(field(node, "compare"), _COMPARE, "auto"),
        branch=text(branch, "main"),
        history=whole(field(node, "history"), 10),
        dir=text(folder, "baselines").rstrip("/"),
    )


def allowed_endpoints(node: Node | None, findings: Findings) -> tuple[AllowedEndpoint, ...]:
    """Where a head may point a target; origins in one spelling, none twice."""
    found: dict[str, AllowedEndpoint] = {}
    for item in items(node):
        origin, key = field(item, "origin"), field(item, "api_key_env")
        if origin is None or not findings.fine(origin):
            continue
        try:
            address = parse_origin(text(origin))
        except ValueError as reason:
            hint = "an origin is scheme and host, such as https://eu.api.openai.com"
            findings.blame(origin, f"origin {reason}", hint)
            continue
        if key and address.scheme == "http" and not address.is_near:
            findings.blame(origin, "a key would travel unencrypted to this origin", "use https")
        elif address.origin in found:
            findings.blame(origin, "this origin is allowed twice", "keep one entry")
        else:
            env = text(key) if key else None
            found[address.origin] = AllowedEndpoint(origin=address.origin, api_key_env=env)
    return tuple(found.values())
