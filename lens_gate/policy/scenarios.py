"""Scenarios: a workload with a load, and the rules on it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as stored

from lens_gate.errors import InputError, LensError
from lens_gate.metrics.catalogue import TargetKind
from lens_gate.policy.files import path_problem
from lens_gate.policy.findings import Findings, did_you_mean
from lens_gate.policy.literal_secrets import brief, shown
from lens_gate.policy.node import Entry, Node, entries, field, items
from lens_gate.policy.prompts import Workload, prompts_from_file, workload
from lens_gate.policy.read import seconds, text, whole
from lens_gate.policy.rules import Surroundings, build_rules
from lens_gate.records.policy import Budget, Compare, Load, SampleBounds, Scenario, Target

MAX_ALL_FILES_BYTES = 64 * 1024 * 1024
"""Of all prompt files of a policy together: a head's are read before anybody has looked at them."""

_NOTHING = Workload(prompts=(), has_system=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a scenario has to know of its policy; files already read are kept by path."""

    targets: Mapping[str, Target]
    kinds: Mapping[str, TargetKind]
    budget: Budget
    compare: Compare
    read_file: Callable[[str], bytes]
    workloads: dict[str, Workload] = stored(default_factory=dict)
    sizes: dict[str, int] = stored(default_factory=dict)


def build_scenario(key: str, entry: Entry, around: Around, findings: Findings) -> Scenario:
    """One scenario, complete, with its prompts read."""
    node = entry.node
    targets = _targets(field(node, "targets"), around, findings)
    samples = _samples(node, targets, around, findings)
    objectives = {
        name: seconds(item.node, 1.0, findings)
        for name, item in entries(field(node, "objectives")).items()
    }
    rules = build_rules(
        field(node, "gates"),
        Surroundings(
            targets=targets,
            kinds={key: around.kinds[key] for key in targets if key in around.kinds},
            samples=samples,
            objectives=objectives,
            compare=around.compare,
        ),
        findings,
    )
    load = field(node, "load")
    source = field(node, "prompts")
    return Scenario(
        key=key,
        title=text(field(node, "title"), key),
        targets=targets,
        prompts=_workload(node, around, findings).prompts,
        prompts_source=text(source, "inline"),
        system=text(field(node, "system")) or None,
        max_output_tokens=whole(field(node, "max_output_tokens"), 128),
        load=Load(
            pattern=text(field(load, "pattern"), "closed"),
            concurrency=whole(field(load, "concurrency"), 2),
        ),
        samples=samples,
        objectives=objectives,
        rules=rules,
        new_in_head=False,
        place=entry.place,
    )


def _targets(node: Node | None, around: Around, findings: Findings) -> tuple[str, ...]:
    chosen: list[str] = []
    for item in items(node):
        key = text(item)
        if not findings.fine(item):
            continue
        if key not in around.targets:
            hint = did_you_mean(key, around.targets, what="targets")
            findings.blame(item, f"there is no target {shown(key)}", hint)
        elif key in chosen:
            findings.blame(item, f"the target {brief(key)} is listed twice", "keep one of them")
        else:
            chosen.append(key)
    return tuple(chosen)


def _samples(
    node: Node, targets: tuple[str, ...], around: Around, findings: Findings
) -> SampleBounds:
    given = field(node, "samples")
    bounds = SampleBounds(
        min=whole(field(given, "min"), 16),
        max=whole(field(given, "max"), 180),
        warmup=whole(field(given, "warmup"), 1),
    )
    place = given.place if given else node.place
    if bounds.min > bounds.max:
        hint = "raise max or lower min"
        message = f"samples.min is {bounds.min}, above samples.max, which is {bounds.max}"
        findings.add(place, message, hint)
    fewest = bounds.min + bounds.warmup
    caps = {"budget.max_requests": around.budget.max_requests}
    for key in targets:
        caps[f"targets.{brief(key)}.budget.max_requests"] = around.targets[key].budget.max_requests
    for name, cap in caps.items():
        if cap is not None and 0 < cap < fewest:
            findings.add(
                place,
                f"samples.min and warmup are {fewest} requests, more than {name}, which is {cap}",
                "raise the cap or lower samples.min",
            )
    return bounds


def _workload(node: Node, around: Around, findings: Findings) -> Workload:
    source = field(node, "prompts")
    if source is None or not findings.fine(source):
        return _NOTHING
    if isinstance(source.value, str):
        found = _from_file(source, around, findings)
    else:
        found = workload([row for row in items(source) if findings.fine(row)], findings)
    system = field(node, "system")
    if system is not None and found.has_system is not None:
        hint = f"see line {found.has_system.line} of {found.has_system.file}; keep one of them"
        findings.add(system.place, "scenario and prompts both bring a system prompt", hint)
    return found


def _from_file(source: Node, around: Around, findings: Findings) -> Workload:
    path = text(source)
    if path in around.workloads:
        return around.workloads[path]
    problem = path_problem(path) or ("" if path.endswith(".jsonl") else "does not end in .jsonl")
    if problem:
        findings.blame(source, f"the path {shown(path)} {problem}", "such as prompts/chat.jsonl")
        return _NOTHING
    found = _NOTHING
    try:
        data = around.read_file(path)
    except LensError as error:
        findings.blame(source, error.message, error.hint)
    else:
        around.sizes[path] = len(data)
        if sum(around.sizes.values()) > MAX_ALL_FILES_BYTES:
            mib = MAX_ALL_FILES_BYTES // 1024**2
            findings.blame(source, f"with this file the prompts are larger than {mib} MiB")
            return _NOTHING
        try:
            found = prompts_from_file(data, file=path, findings=findings)
        except InputError as error:
            for told in error.problems:
                findings.problems[told] = None
    around.workloads[path] = found
    return found
