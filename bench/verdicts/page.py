"""The page docs/error-rates.md: its prose as it stands there, its tables from results alone."""

import re
from pathlib import Path

from bench.verdicts.results import Results
from bench.verdicts.tables import looks_table, methods_table, sections

PAGE = Path(__file__).parents[2] / "docs" / "error-rates.md"
_BLOCK = re.compile(r"(<!-- measured: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str, results: Results) -> str:
    """The page with its measured parts made anew.

    Raises:
        KeyError: it names a part that is not known.
    """
    parts = {
        "run": _run(results),
        "claims": _claims(results),
        "looks": looks_table(results),
        "methods": methods_table(results),
    }
    return _BLOCK.sub(lambda match: match[1] + parts[match[2]] + match[3], text)


def _run(results: Results) -> str:
    rows = (
        ("Command", f"`{results.command}`"),
        ("Run on", results.date),
        ("Machine", results.machine),
        ("CPU time", f"{results.cpu_minutes:.0f} minutes"),
        ("Seed", str(results.seed)),
        ("One decision over thirty checks at n = 200", f"{results.decision_s} s"),
    )
    return "".join(f"- {name}: {value}\n" for name, value in rows)


def _claims(results: Results) -> str:
    return "\n".join(f"### {title}\n\n{table}" for title, table in sections(results))
