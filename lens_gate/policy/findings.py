"""Everything that is wrong with a policy, gathered so that it can be said in one go."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

from lens_gate.errors import InputError, Problem
from lens_gate.policy.literal_secrets import escaped, redact
from lens_gate.policy.node import Node
from lens_gate.records.policy import Place

MAX_PROBLEMS = 200
"""Of one file; the rest of it can wait."""

_LONGEST = 700


@dataclass(slots=True)
class Findings:
    """Problems found so far, and the values that were blamed for one.

    A check behind the schema asks ``fine`` before it complains, so that one mistake is told once.
    """

    problems: dict[Problem, None] = field(default_factory=dict)
    blamed: set[Node] = field(default_factory=set)

    def add(self, place: Place, message: str, hint: str = "") -> None:
        """Note a problem at a place; whatever looks like a secret in its words is cut out."""
        problem = Problem(
            file=place.file,
            line=place.line,
            column=place.column,
            message=_tidy(message),
            hint=_tidy(hint),
        )
        self.problems[problem] = None

    def blame(self, node: Node, message: str, hint: str = "") -> None:
        """Note a problem of a value, once: later ones of the same value are not told."""
        if node not in self.blamed:
            self.blamed.add(node)
            self.add(node.place, message, hint)

    def fine(self, node: Node | None) -> bool:
        """Whether the value is there and nothing has been said against it."""
        return node is not None and node not in self.blamed

    def enough(self, start: int, place: Place) -> bool:
        """Whether so much is wrong since there were ``start`` problems that reading ends; says so.

        ``place`` is where it ends.
        """
        if len(self.problems) - start < MAX_PROBLEMS:
            return False
        self.add(place, "there may be more problems from here on", "mend these first")
        return True

    def raise_if_any(self, *, first_file: str) -> None:
        """Raise what was found, by place, the policy's own file first.

        Raises:
            InputError: there is at least one problem.
        """
        if self.problems:
            raise InputError(
                sorted(
                    self.problems,
                    key=lambda p: (p.file != first_file, p.file, p.line, p.column),
                )
            )


def _tidy(words: str) -> str:
    """Words fit for a line: cut, without secrets, without what a terminal would obey."""
    return escaped(redact(words[:_LONGEST]))


def did_you_mean(word: str, known: Iterable[str], *, what: str = "") -> str:
    """A hint: the nearest known word, or all of them where none is near."""
    choices = sorted(known)
    near = difflib.get_close_matches(word.lower()[:64], choices, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    if not choices:
        return f"{what}: none" if what else ""
    listed = ", ".join(choices[:20]) + (", ..." if len(choices) > 20 else "")
    return f"{what or 'known'}: {listed}"
