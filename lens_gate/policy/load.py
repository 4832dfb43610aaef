"""From the bytes of a policy file to a ``Policy``, or to everything that is wrong with them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from lens_gate.errors import LensError
from lens_gate.policy.document import parse
from lens_gate.policy.findings import Findings
from lens_gate.policy.literal_secrets import is_known_secret
from lens_gate.policy.modes import DUET, relative_modes
from lens_gate.policy.node import Node, entries, field, items, strings, texts
from lens_gate.policy.publishing import destinations
from lens_gate.policy.read import text, truth
from lens_gate.policy.scenarios import Around, build_scenario
from lens_gate.policy.schema import check_policy
from lens_gate.policy.settings import (
    allowed_endpoints,
    baseline,
    confidence,
    on_inconclusive,
    policy_budget,
)
from lens_gate.policy.shelf import Shelf
from lens_gate.policy.targets import build_target, check_controls
from lens_gate.policy.watch import watched_paths
from lens_gate.policy.workloads import Library
from lens_gate.providers.interface import Provider
from lens_gate.providers.table import wire
from lens_gate.records.policy import Compare, Place, Policy, Scenario, Target

MAX_QUESTIONS = 1_000_000
_FREE_TEXT = ("prompts", "system")

Plug: TypeAlias = Callable[[Sequence[str], Sequence[str]], Mapping[str, Provider]]
"""The table of providers for a policy: by its plug-ins, and by the providers that it names."""


def load(
    data: bytes,
    *,
    file: str,
    read_file: Callable[[str], bytes],
    providers: Mapping[str, Provider],
    plug: Plug | None = None,
) -> Policy:
    """The policy that these bytes describe.

    Args:
        data: the policy file's content.
        file: its path, for messages and places.
        read_file: gives the bytes of a file by its path from the repository's root; raises
            ``LensError`` for one that is outside, missing or too large.
        providers: the table of providers.
        plug: gives the table that the policy's plug-ins make of it; raises ``LensError`` where it
            can't. Without it, and where the policy names none, it is ``providers``.

    Raises:
        InputError: with every problem of the policy and of the files that it names, by place.
    """
    findings = Findings()
    root = parse(data, file=file, findings=findings)
    check_policy(root, findings)
    rows = _with_plugins(root, providers, plug, findings)
    policy = build(root, data, file, read_file, rows, findings)
    _find_secrets(root, findings)
    findings.raise_if_any(first_file=file)
    return policy


def _with_plugins(
    root: Node, providers: Mapping[str, Provider], plug: Plug | None, findings: Findings
) -> Mapping[str, Provider]:
    node = field(root, "plugins")
    if node is None or plug is None or not all(map(findings.fine, (node, *items(node)))):
        return providers
    targets = entries(field(root, "targets")).values()
    try:
        return plug(strings(node), [text(field(t.node, "provider")) for t in targets])
    except LensError as error:
        findings.blame(node, error.message, error.hint)
        return providers


def build(
    root: Node,
    data: bytes,
    file: str,
    read_file: Callable[[str], bytes],
    providers: Mapping[str, Provider],
    findings: Findings,
) -> Policy:
    """The policy of a document; it is one to hand out only where ``findings`` stays empty."""
    settings = baseline(field(root, "baseline"), findings)
    budget = policy_budget(field(root, "budget"), findings)
    targets = {
        key: build_target(key, entry, providers, findings)
        for key, entry in entries(field(root, "targets")).items()
        if entry.node not in findings.blamed
    }
    check_controls(field(root, "targets"), targets, settings.compare, findings)
    _check_for_duets(root, targets.values(), settings.compare, findings)
    around = Around(
        targets=targets,
        kinds={
            key: wire(target.provider, {}, target.flavor, providers).kind
            for key, target in targets.items()
            if target.provider in providers
        },
        budget=budget,
        compare=settings.compare,
        library=Library(shelf=Shelf(read_file=read_file)),
    )
    scenarios = {
        key: build_scenario(key, entry, around, findings)
        for key, entry in entries(field(root, "scenarios")).items()
        if entry.node not in findings.blamed
    }
    _check_size(scenarios.values(), findings)
    return Policy(
        name=text(field(root, "name")),
        file=file,
        sha256=hashlib.sha256(data).hexdigest(),
        budget=budget,
        confidence=confidence(root),
        on_inconclusive=on_inconclusive(root),
        baseline=settings,
        allow_endpoints=allowed_endpoints(field(root, "allow_endpoints"), findings),
        targets=targets,
        scenarios=scenarios,
        plugins=strings(field(root, "plugins")),
        watch=watched_paths(field(root, "watch"), findings),
        always=truth(field(root, "always"), fallback=False),
        fail_fast=truth(field(root, "fail_fast"), fallback=False),
        confirm=truth(field(root, "confirm"), fallback=False),
        publish=destinations(
            field(root, "publish"), findings, plugged=bool(strings(field(root, "plugins")))
        ),
    )


def _check_for_duets(
    root: Node, targets: Iterable[Target], compare: Compare, findings: Findings
) -> None:
    """Keys that concern duets only, in a policy that can have none."""
    modes = {mode for target in targets for mode in relative_modes(target, compare)}
    if DUET in modes:
        return
    for key in ("fail_fast", "confirm"):
        given = field(root, key)
        if truth(given, fallback=False):
            hint = "remove it, or let baseline.compare be auto"
            message = f"{key} concerns duets, and baseline.compare is {compare}"
            findings.add(entries(root)[key].place, message, hint)


def _check_size(scenarios: Iterable[Scenario], findings: Findings) -> None:
    """Each cell looks at each of its prompts, so a short policy can make a plan without end."""
    total = 0
    for scenario in scenarios:
        total += len(scenario.prompts) * len(scenario.targets)
        if total > MAX_QUESTIONS:
            message = f"from here on there are more than {MAX_QUESTIONS} prompts to plan for"
            findings.add(scenario.place, message, "each counts once for each target; use fewer")
            return


def _find_secrets(root: Node, findings: Findings) -> None:
    """A key of a known form is a problem wherever it stands, but in what is only content."""
    told = {(p.line, p.column) for p in findings.problems if "secret" in p.message + p.hint}
    for place, found in _policy_texts(root):
        if is_known_secret(found) and (place.line, place.column) not in told:
            hint = "revoke it, and name the environment variable that holds the new one"
            findings.add(place, "this looks like a secret", hint)


def _policy_texts(root: Node) -> Iterator[tuple[Place, str]]:
    for key, entry in entries(root).items():
        if key != "scenarios":
            yield entry.place, key
            yield from texts(entry.node)
    for scenario in entries(field(root, "scenarios")).values():
        for key, entry in entries(scenario.node).items():
            if key not in _FREE_TEXT:
                yield entry.place, key
                yield from texts(entry.node)
            elif key == "prompts":
                named = field(entry.node, "file") or entry.node
                if isinstance(named.value, str):
                    yield named.place, named.value
