"""The whole job in under a minute, on simulated providers with the noise of hosted ones.

In a scratch repository: six days' runs of an unchanged service are stored on the base branch. Then
four branches are gated in duets with it: a prompt is reworded, which passes; a slower model, which
fails after a few pairs; a model that only writes more, which fails as longer and not as slower; a
budget too small, which sends nothing. Last, the service itself becomes slow, and history says so.
What is shown is what the gate itself wrote. Beside it stands a rule that fails at +10 % against the
run before, on runs of which nothing changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Final

from lens_gate.errors import EXIT_BUDGET, EXIT_FAILED, EXIT_OK
from lens_gate.flows.baselines import update
from lens_gate.flows.gate import Order, gate, measure_only
from lens_gate.flows.itself import by_cell
from lens_gate.flows.outputs import RUN_FILE, SUMMARY_FILE
from lens_gate.flows.outside import Outside
from lens_gate.flows.planning import Lowered
from lens_gate.judge.fixed_rule import would_fail
from lens_gate.metrics.arms import measured
from lens_gate.records.report import Report, Statistics
from lens_gate.records.run import Run
from lens_gate.repo.repository import Repository
from lens_gate.repo.scratch import commit_all, new_repository, switch
from lens_gate.runner.journal import read_run
from lens_gate.stats.rng import seed_of

DAYS: Final = 6
DEFAULT_SEED: Final = 3
PASSES: Final = 99
"""In how many of a hundred demonstrations the first act passes, by the power of its tests."""

BASE: Final = "main"
CELL: Final = "chat/assistant"

POLICY: Final = """\
version: 1
name: demo
budget: {max_usd: 0.50, max_requests: 400, max_duration: 30m}
targets:
  assistant:
    provider: simulated
    model: swift-1
    simulate:
      profile: hosted          # the noise of a hosted API, at a tenth of its times
      time_scale: 0.1
      ttft: {median: 400ms}
      output_tokens: {median: 40}
      tokens_per_chunk: 2
      models:
        deep-2: {ttft: 1.7, gap: 1.5}
        chatty-2: {output_tokens: 1.6}
scenarios:
  chat:
    title: Short chat answers
    targets: [assistant]
    system: Answer in plain words.
    prompts:
      - {id: errors, prompt: "Which of these two error messages is clearer, and why?"}
      - {id: release, prompt: Summarise the last release notes in three sentences.}
      - {id: invoice, prompt: Write a polite reminder for an unpaid invoice.}
      - {id: retries, prompt: Explain to a new colleague what our retry budget is for.}
    max_output_tokens: 150
    load: {pattern: closed, concurrency: 6}
    gates:
      - {metric: ttft.typ, max_regression: 25%}
      - {metric: itl.typ, max_regression: 25%}
      - {metric: e2e.typ, max_regression: 25%}
      - {metric: cost_usd.mean}
      - {metric: error_rate, max: 20%}
"""
# A stored run is a small one: what is learned from it is how much whole runs differ.
_SMALL: Final = Lowered(max_requests=24)
_NO_MONEY: Final = Lowered(max_usd=Decimal("0.0001"))

_CHANCE: Final = (
    f"With other seeds this act passes in about {PASSES} of 100 cases, and fails in at most 1."
)

Swap = tuple[str, str]
_REWORDED: Final = ("system: Answer in plain words.", "system: Answer in plain, friendly words.")
_SLOWER: Final = ("model: swift-1", "model: deep-2")
_LONGER: Final = ("model: swift-1", "model: chatty-2")
_OVERLOADED: Final = ("ttft: {median: 400ms}", "ttft: {median: 2000ms}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One gate of the demonstration: what was changed, what should come of it, what came.

    ``beside`` is what else there is to say of it, ``in_full`` whether its summary is worth showing.
    """

    title: str
    changed: Swap | None
    expected: int
    report: Report
    summary: str
    beside: str = ""
    in_full: bool = False


def demo(folder: Path, seed: int, outside: Outside) -> Iterator[Act]:
    """Play the demonstration in an empty folder, act by act.

    Raises:
        WorldError: git or the simulated providers did not start.
    """
    # The demonstration is local wherever it runs: CI's own variables are not for its repository.
    stage = _Stage(folder, seed, replace(outside, cwd=folder, environ={}))
    days = stage.stored_days()
    act = stage.duet("1. A prompt is reworded, the model is the same", _REWORDED, EXIT_OK)
    yield replace(act, beside=f"{_fixed_rule(act.report, [*days, stage.last_run()])}\n{_CHANCE}")
    act = stage.duet("2. Another model, which is slower", _SLOWER, EXIT_FAILED)
    yield replace(act, in_full=True)
    yield stage.duet("3. Another model, which only writes more", _LONGER, EXIT_FAILED)
    yield stage.duet("4. A budget that is too small", _SLOWER, EXIT_BUDGET, _NO_MONEY)
    yield stage.later("5. Nothing was changed, and the service became slow", _OVERLOADED)


class _Stage:
    """The repository, and the seed of all that is drawn in it."""

    def __init__(self, folder: Path, seed: int, world: Outside) -> None:
        self._folder, self._seed, self._world = folder, seed, world
        self._repository: Repository = new_repository(folder)
        self._played = 0

    def stored_days(self) -> list[Run]:
        """Measure the base branch on some days, and store the runs there."""
        self._write(None)
        commit_all(self._repository, "Add a policy")
        quiet, runs = replace(self._world, observe=_nothing), []
        for day in range(1, DAYS + 1):
            self._world.tell(f"day {day} of {DAYS}: a small run is measured and stored")
            order = self._order(f"day-{day}", _SMALL)
            runs.append(measure_only(order, quiet))
            update(order.output / RUN_FILE, None, self._world)
        commit_all(self._repository, f"Store {DAYS} runs")
        return runs

    def duet(self, title: str, swap: Swap, expected: int, lowered: Lowered | None = None) -> Act:
        """Gate a branch with one change, pair by pair with the base branch."""
        switch(self._repository, BASE)
        switch(self._repository, f"change-{self._played + 1}", new=True)
        self._write(swap)
        commit_all(self._repository, title)
        order = self._order(f"act-{self._played + 1}", lowered or Lowered())
        return self._act(title, swap, expected, replace(order, base=BASE))

    def later(self, title: str, swap: Swap) -> Act:
        """Gate the base branch by its history, when the service is another one."""
        switch(self._repository, BASE)
        self._write(swap)
        commit_all(self._repository, title)
        return self._act(title, swap, EXIT_FAILED, self._order(f"act-{self._played + 1}", _SMALL))

    def last_run(self) -> Run:
        """The run of the latest act."""
        return read_run(self._folder.parent / f"act-{self._played}" / RUN_FILE)

    def _act(self, title: str, swap: Swap, expected: int, order: Order) -> Act:
        self._world.tell(f"act {title}")
        self._played += 1
        report = gate(order, self._world)
        summary = (order.output / SUMMARY_FILE).read_text(encoding="utf-8")
        return Act(title=title, changed=swap, expected=expected, report=report, summary=summary)

    def _write(self, swap: Swap | None) -> None:
        text = POLICY if swap is None else POLICY.replace(*swap)
        (self._folder / "lens-gate.yaml").write_text(text, encoding="utf-8")

    def _order(self, name: str, lowered: Lowered) -> Order:
        return Order(
            policy_path=None,
            output=self._folder.parent / name,
            lowered=lowered,
            seed=seed_of(self._seed, "demo", name) % 2**48,
        )


def _nothing(_progress: object) -> None:
    """Show nothing."""


def _fixed_rule(report: Report, runs: Sequence[Run]) -> str:
    """What a rule that fails at +10 % against the run before says of runs that are all the same."""
    days = [by_cell(run, "head").get(CELL, {}) for run in runs]
    rules = [(r.metric, r.statistic) for r in report.rows if r.gating and r.kind == "relative"]
    broken = [_broken(rules, before, now) for before, now in pairwise(days)]
    failed = sum(1 for found in broken if found)
    today = f"today's for {', '.join(broken[-1])}" if broken[-1] else "today's not among them"
    counts = ", ".join(str(len(measured(run.samples))) for run in runs)
    return (
        f"A rule that fails at +10 % against the run before would have failed {failed} of "
        f"{len(broken)} runs\nof the same model, {today} ({counts} requests)."
    )


def _broken(
    rules: Sequence[tuple[str, str]],
    before: Mapping[str, Statistics],
    now: Mapping[str, Statistics],
) -> list[str]:
    """The rules that would have failed, with their change."""
    found = []
    for metric, statistic in rules:
        if would_fail(metric, statistic, now, before):
            name = "p50" if statistic == "typ" else statistic
            ratio = now[metric].named(name) / before[metric].named(name)
            found.append(f"{metric} {name} {ratio - 1:+.0%}".replace("%", " %"))
    return found
