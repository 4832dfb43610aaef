"""Stored runs as plain text: a list of them, and one in full."""

from collections.abc import Mapping, Sequence

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.records.baseline import Baseline
from lens_gate.records.report import Statistics
from lens_gate.render.escape import one_line
from lens_gate.render.figures import NOTHING, metric_title, moments, value
from lens_gate.render.grid import plain_grid
from lens_gate.units import format_usd


def stored_listing(runs: Sequence[tuple[str, Baseline]], *, width: int) -> str:
    """A line for each stored run: when, which cell, how many requests, from which commit."""
    if not runs:
        return "there are no stored runs"
    body = [
        [
            one_line(moments(baseline.created), 20),
            one_line(f"{baseline.scenario}/{baseline.target}"),
            len(baseline.prompt_ids),
            sum(baseline.failures.values()),
            one_line(baseline.commit[:12]) or NOTHING,
            f"bad: {one_line(baseline.bad, 40)}" if baseline.bad else "",
            one_line(path, max(20, width)),
        ]
        for path, baseline in runs
    ]
    headers = ("created (UTC)", "cell", "requests", "failed", "commit", "remark", "file")
    return plain_grid(headers, body)


def stored_run(baseline: Baseline, metrics: Mapping[str, Statistics]) -> str:
    """One stored run: provenance, fingerprint, statistics of every metric."""
    facts = [
        ("cell", f"{baseline.scenario}/{baseline.target}"),
        ("created (UTC)", moments(baseline.created)),
        ("commit", baseline.commit),
        ("run", baseline.run_id),
        ("models", ", ".join(baseline.models)),
        ("spent", format_usd(baseline.spent_usd)),
        ("failures", ", ".join(f"{k} x {n}" for k, n in baseline.failures.items()) or "none"),
        *([("marked bad", baseline.bad)] if baseline.bad else []),
        *((f"fixed {name}", text) for name, text in baseline.fingerprint.fixed.items()),
        *((f"compared {name}", text) for name, text in baseline.fingerprint.compared.items()),
    ]
    head = plain_grid((), [[one_line(name, 60), one_line(text, 200)] for name, text in facts])
    body = [
        [
            metric_title(name),
            *(value(x, CATALOGUE[name].unit) for x in (s.typ, s.mean, s.p50, s.p90, s.p95, s.max)),
            s.n,
        ]
        for name, s in metrics.items()
        if name in CATALOGUE
    ]
    headers = ("metric", "typ", "mean", "p50", "p90", "p95", "max", "n")
    return f"{head}\n\n{plain_grid(headers, body)}"
