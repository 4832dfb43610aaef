"""The only errors that users see.

A foreign exception is mapped to one of these in the module that owns the foreign library; whatever
else reaches the entry point is a bug of ours and shows its traceback (exit code 70).
"""

from collections.abc import Iterable
from dataclasses import dataclass

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INCONCLUSIVE = 3
EXIT_BUDGET = 4
EXIT_UNMEASURED = 5
EXIT_BUG = 70
EXIT_SIGINT = 130
EXIT_SIGTERM = 143


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a file that the user wrote, where it is, and what to do.

    ``line`` and ``column`` count from 1, as editors do; 0 where the place is not known.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}"


class LensError(Exception):
    """Something that the user can mend: one message, and a hint that names the remedy."""

    exit_code = EXIT_USAGE

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(LensError):
    """Files with problems, all of them at once (exit code 2)."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems))


class WorldError(LensError):
    """Git, a provider, a host or the disk did not do its part (exit code 5)."""

    exit_code = EXIT_UNMEASURED


class BudgetError(LensError):
    """The caps do not allow a measurement that could decide anything (exit code 4)."""

    exit_code = EXIT_BUDGET
