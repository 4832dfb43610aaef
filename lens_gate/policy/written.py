"""Where a policy's text names a setting: what it does not name has its default."""

from collections.abc import Mapping

from lens_gate.policy.document import parse
from lens_gate.policy.findings import Findings
from lens_gate.policy.node import Node, entries
from lens_gate.records.policy import Place

_LEVELS = 2
_NOT_SETTINGS = frozenset({"targets", "scenarios"})


def written(data: bytes, *, file: str) -> Mapping[str, Place]:
    """The places of the policy's own settings by their dotted keys: ``budget.max_usd``.

    Raises:
        InputError: this is no YAML document.
    """
    return dict(_below(parse(data, file=file, findings=Findings()), "", _LEVELS))


def _below(node: Node, path: str, levels: int) -> list[tuple[str, Place]]:
    found: list[tuple[str, Place]] = []
    for key, entry in entries(node).items():
        if path or key not in _NOT_SETTINGS:
            # A null is as good as nothing.
            if entry.node.value is not None:
                found.append((f"{path}{key}", entry.place))
            if levels > 1:
                found += _below(entry.node, f"{path}{key}.", levels - 1)
    return found
