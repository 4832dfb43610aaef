"""A policy's name alone, from a file that may be wrong in every other way."""

import re

from lens_gate.errors import InputError
from lens_gate.policy.document import parse
from lens_gate.policy.findings import Findings
from lens_gate.policy.node import field

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def name_of(data: bytes) -> str | None:
    """The name, where the file has one that could be a policy's."""
    try:
        found = field(parse(data, file="", findings=Findings()), "name")
    except InputError:
        return None
    value = found.value if found is not None else None
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None
