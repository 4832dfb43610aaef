"""The whole job in under a minute, on simulated providers with the noise of hosted ones.

In a scratch repository: eight baseline runs; a gate on an unchanged service, which passes; a gate
after the first token came five times as late and answers grew, which fails; a gate whose budget is
too small, which sends nothing. What is shown is what the gate itself wrote.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from lens_gate.errors import EXIT_BUDGET, EXIT_FAILED, EXIT_OK
from lens_gate.flows.baselines import update
from lens_gate.flows.gate import Order, gate, measure_only
from lens_gate.flows.outputs import RUN_FILE, SUMMARY_FILE
from lens_gate.flows.outside import Outside
from lens_gate.flows.planning import Lowered
from lens_gate.records.report import Report
from lens_gate.repo.scratch import commit_all, new_repository
from lens_gate.stats.rng import seed_of

BASELINE_RUNS = 8
DEFAULT_SEED = 6

_POLICY = """\
version: 1
name: demo
budget: {{max_usd: 0.50, max_requests: 200, max_duration: 5m}}
baseline: {{history: 8}}
targets:
  quick: {{provider: simulated, simulate: {{dialect: openai, {quick}}}}}
  thorough: {{provider: simulated, simulate: {{dialect: anthropic, {thorough}}}}}
scenarios:
  chat:
    title: Short chat answers
    targets: [quick, thorough]
    prompts:
      - Which of these two error messages is clearer, and why?
      - Summarise the last release notes in three sentences.
      - Write a polite reminder for an unpaid invoice.
      - Explain to a new colleague what our retry budget is for.
    max_output_tokens: 400
    load: {{pattern: closed, concurrency: 4}}
    samples: {{min: 16, max: 20, warmup: 1}}
    gates:
      - {{metric: ttft.typ}}
      - {{metric: itl.typ}}
      - {{metric: e2e.typ}}
      - {{metric: cost_usd.mean}}
      - {{metric: error_rate, max: 20%}}
      - {{metric: output_tokens.mean, max_drift: 15%, severity: warn}}
"""
_USUAL = (
    "profile: hosted, time_scale: 0.1, "
    "ttft: {{median: {ttft}}}, output_tokens: {{median: {tokens}}}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One gate of the demonstration: what was done, what should come of it, what came."""

    title: str
    expected: int
    report: Report
    summary: str


def demo(folder: Path, seed: int, outside: Outside) -> Iterator[Act]:
    """Play the demonstration in an empty folder, act by act.

    Raises:
        WorldError: git or the simulated providers did not start.
    """
    # The demonstration is local wherever it runs: CI's own variables are not for its repository.
    world = replace(outside, cwd=folder, environ={})
    repository = new_repository(folder)
    _write_policy(folder, quick=_behaviour("400ms", 60), thorough=_behaviour("700ms", 80))
    commit_all(repository, "Add a policy")
    for number in range(BASELINE_RUNS):
        outside.tell(f"baseline run {number + 1} of {BASELINE_RUNS}")
        out = folder.parent / f"baseline-{number}"
        measure_only(_order(out, seed, f"baseline {number}"), replace(world, observe=_nothing))
        update(out / RUN_FILE, None, world)
    commit_all(repository, f"Store {BASELINE_RUNS} baseline runs")

    yield _act("1. Nothing changed", EXIT_OK, _order(folder.parent / "1", seed, "same"), world)

    _write_policy(folder, quick=_behaviour("2000ms", 90), thorough=_behaviour("700ms", 80))
    commit_all(repository, "A change that makes the first token late and the answers longer")
    slow = _order(folder.parent / "2", seed, "slow")
    yield _act(
        "2. `quick`: TTFT five times as long, answers half as long again", EXIT_FAILED, slow, world
    )

    small = replace(
        _order(folder.parent / "3", seed, "small"), lowered=Lowered(max_usd=Decimal("0.0001"))
    )
    yield _act("3. A budget that is too small", EXIT_BUDGET, small, world)


def _nothing(_progress: object) -> None:
    """Show nothing."""


def _behaviour(ttft: str, tokens: int) -> str:
    return _USUAL.format(ttft=ttft, tokens=tokens)


def _write_policy(folder: Path, *, quick: str, thorough: str) -> None:
    text = _POLICY.format(quick=quick, thorough=thorough)
    (folder / "lens-gate.yaml").write_text(text, encoding="utf-8")


def _order(output: Path, seed: int, name: str) -> Order:
    return Order(
        policy_path=None,
        output=output,
        lowered=Lowered(),
        seed=seed_of(seed, "demo", name) % 2**48,
    )


def _act(title: str, expected: int, order: Order, world: Outside) -> Act:
    report = gate(order, world)
    summary = (order.output / SUMMARY_FILE).read_text(encoding="utf-8")
    return Act(title=title, expected=expected, report=report, summary=summary)
