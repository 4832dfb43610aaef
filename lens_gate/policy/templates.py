"""Templates: ``{{name}}`` in a text stands for a variable of the row, and for nothing else.

What is put in is not looked at again, so that a variable can hold ``{{``. Single braces, and double
ones around anything but a name, are text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lens_gate.policy.findings import Findings, did_you_mean
from lens_gate.policy.literal_secrets import shown
from lens_gate.policy.shelf import Shelf
from lens_gate.records.policy import Place

MAX_ROW_CHARS = 4 * 1024 * 1024

_TEMPLATE = re.compile(r"\{\{[ \t]{0,8}([A-Za-z_][A-Za-z0-9_]{0,62})[ \t]{0,8}\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """What the texts of one row are made with."""

    variables: Mapping[str, str]
    shelf: Shelf
    findings: Findings

    def fill(self, template: str, place: Place, *, origin: Place | None = None) -> str | None:
        """The text with its templates replaced; ``None`` where that fails, told at ``place``.

        ``origin`` is where the template stands, if that is elsewhere.
        """
        size = len(template)
        for match in _TEMPLATE.finditer(template):
            name = match.group(1)
            if name not in self.variables:
                hint = f"{self._near(name)}; to send braces as they are, put them into a variable"
                if origin is not None:
                    hint = f"the template stands in line {origin.line} of {origin.file}; {hint}"
                self.findings.add(place, f"the row has no variable {shown(name)}", hint)
                return None
            size += len(self.variables[name])
        if size > MAX_ROW_CHARS:
            self.findings.add(place, f"the prompt has more than {MAX_ROW_CHARS} characters")
            return None
        if not self.shelf.holds(size, place, self.findings):
            return None
        return _TEMPLATE.sub(lambda match: self.variables[match.group(1)], template)

    def _near(self, name: str) -> str:
        return did_you_mean(name, self.variables, what="variables of this row")
