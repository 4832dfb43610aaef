"""What a scenario sends: prompts of the policy itself, of a file, or made up."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lens_gate.errors import InputError
from lens_gate.policy.findings import Findings
from lens_gate.policy.node import Node, entries, items
from lens_gate.policy.node import field as value_of
from lens_gate.policy.prompts import ENDINGS, NOTHING, Workload, prompts_from_file, workload
from lens_gate.policy.read import text
from lens_gate.policy.shelf import Shelf
from lens_gate.policy.synthetic import synthetic
from lens_gate.records.policy import Arrival, Load, Tool

SYNTHETIC = "synthetic"
INLINE = "inline"


@dataclass(slots=True, kw_only=True)
class Library:
    """What the files of a policy hold, by path (workloads also by template): each is read once."""

    shelf: Shelf
    workloads: dict[tuple[str, str], Workload] = field(default_factory=dict)
    traces: dict[str, tuple[Arrival, ...]] = field(default_factory=dict)
    tools: dict[str, tuple[Tool, ...]] = field(default_factory=dict)


def source_of(prompts: Node | None) -> str:
    """Where prompts come from, in a word: a path, ``inline`` or ``synthetic``."""
    if value_of(prompts, "synthetic") is not None:
        return SYNTHETIC
    return text(value_of(prompts, "file") or prompts, INLINE)


def build_workload(
    scenario: Node, load: Load, most: int, library: Library, findings: Findings
) -> tuple[Workload, bool]:
    """The prompts of a scenario, and whether they follow its trace.

    ``most`` is how many requests are sent at most.
    """
    source = value_of(scenario, "prompts")
    if source is None or not findings.fine(source):
        return NOTHING, False
    follows = False
    if isinstance(source.value, str):
        found = _from_file(source, None, library, findings)
    elif isinstance(source.value, Mapping):
        found, follows = _described(source, load, most, library, findings)
    else:
        rows = [row for row in items(source) if findings.fine(row)]
        found = workload(rows, findings, shelf=library.shelf)
    system = value_of(scenario, "system")
    if system is not None and found.has_system is not None:
        hint = f"see line {found.has_system.line} of {found.has_system.file}; keep one of them"
        findings.add(system.place, "scenario and prompts both bring a system prompt", hint)
    return found, follows


def _described(
    source: Node, load: Load, most: int, library: Library, findings: Findings
) -> tuple[Workload, bool]:
    """Prompts of a mapping: a file with its template, or synthetic ones."""
    file, made = value_of(source, "file"), value_of(source, "synthetic")
    template = value_of(source, "template")
    if (file is None) == (made is None):
        if any(entry.node in findings.blamed for entry in entries(source).values()):
            return NOTHING, False
        both = "both file and synthetic" if file else "neither file nor synthetic"
        findings.blame(source, f"prompts has {both}", "give one of them")
        return NOTHING, False
    if made is not None:
        if template is not None:
            place = entries(source)["template"].place
            findings.add(place, "synthetic prompts fill no template", "leave it out")
        return synthetic(made, load, most, library.shelf, findings)
    if file is None or not findings.fine(file):
        return NOTHING, False
    return _from_file(file, template, library, findings), False


def _from_file(
    named: Node, template: Node | None, library: Library, findings: Findings
) -> Workload:
    path = text(named)
    key = (path, text(template))
    if key not in library.workloads:
        library.workloads[key] = NOTHING
        data = library.shelf.fetch(named, ENDINGS, findings)
        if data is None:
            del library.workloads[key]
            return NOTHING
        try:
            library.workloads[key] = prompts_from_file(
                data, file=path, findings=findings, shelf=library.shelf, template=template
            )
        except InputError as error:
            findings.problems.update(dict.fromkeys(error.problems))
    return library.workloads[key]
