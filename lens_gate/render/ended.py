"""What kept a gate from its verdict, as Markdown: all of it is foreign text until it is escaped."""

from collections.abc import Sequence

from lens_gate.errors import Problem
from lens_gate.render.escape import code, link, one_line, prose
from lens_gate.render.figures import counted

# Escaped, and in whatever script, all of it fits a comment.
MOST_PROBLEMS = 20
_MOST_CHARS = 300
_MOST_DESCRIPTION = 140


def ended(name: str, problems: Sequence[Problem], run_url: str = "") -> str:
    """The problems with their places and remedies; ``name`` is that of the gate's status."""
    lines = [_item(problem) for problem in problems[:MOST_PROBLEMS]]
    if (rest := len(problems) - MOST_PROBLEMS) > 0:
        lines.append(f"- and {counted(rest, 'more problem')}: see the job's log")
    blocks = [
        f"### 🛑 {code(name, 240)} has no verdict",
        "The gate ended before it had one.",
        "\n".join(lines),
        *([link("The job", run_url)] if run_url else []),
    ]
    return "\n\n".join(blocks) + "\n"


def ended_in_short(problems: Sequence[Problem]) -> str:
    """The same as one line of plain text, for a commit's status."""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    first = problems[0]
    text = str(first) if first.file else first.message
    return one_line(f"error: {text}", _MOST_DESCRIPTION - len(more)) + more


def _item(problem: Problem) -> str:
    place = ""
    if problem.file:
        at = f":{problem.line}:{problem.column}" if problem.line else ""
        place = f"{code(f'{problem.file}{at}', 200)}: "
    hint = f"\n  - {prose(problem.hint, _MOST_CHARS)}" if problem.hint else ""
    return f"- {place}{prose(problem.message, _MOST_CHARS)}{hint}"
