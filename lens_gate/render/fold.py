"""A closed block of Markdown that opens at a click."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """A closed block. Of those that are left out for length, the highest ``rank`` goes first."""

    text: str
    rank: int


def fold(summary: str, body: str) -> str:
    """The block; ``summary`` is a line of HTML of ours, ``body`` Markdown."""
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"
