"""The gate of a policy, as `lens-gate gate` has it: files and all, but for the exit."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

from lens_gate.api.apart import Work, awaited, wait_for
from lens_gate.api.asked import Usd, seconds_of, usd_of
from lens_gate.api.journals import with_journal
from lens_gate.api.wording import hinted
from lens_gate.api.world import world
from lens_gate.errors import LensError
from lens_gate.flows.gate import Order, gated
from lens_gate.flows.overriding import FailOn, Overrides
from lens_gate.flows.planning import Lowered
from lens_gate.flows.sinking import push_report
from lens_gate.flows.stopping import Stop
from lens_gate.records.policy import Compare
from lens_gate.records.report import Report
from lens_gate.runner.measure import Progress

DEFAULT_OUTPUT = "lens-gate-out"


class GateDetails(TypedDict, total=False):
    """What may be said of a gate besides; each is the flag of `lens-gate gate` of that name.

    Keys:
        base: in local and manual runs, the ref that the work tree is measured against.
        scenarios: measure these only.
        compare: how to compare, instead of the policy's word.
        max_usd: lower the policy's cap on money, US dollars.
        max_requests: lower its cap on requests.
        max_duration: lower its cap on time, such as ``"5m"`` or seconds.
        fail_on: which answers are failures to ``Report.exit_code``.
        on_progress: called after each request, in the measuring thread: it should return at once.
        stop: ends the gate when it is asked to: the outcome is ``aborted``.
        push: whether the sinks of the policy's ``publish`` get the numbers (they do); one that
            fails changes nothing but what ``on_message`` is told.
        on_message: called with each line that the verb would print of the course of things, what
            came of a push among them.
    """

    base: str
    scenarios: Sequence[str]
    compare: Compare
    max_usd: Usd
    max_requests: int
    max_duration: str | float
    fail_on: FailOn
    on_progress: Callable[[Progress], None]
    stop: Stop
    push: bool
    on_message: Callable[[str], None]


def gate(
    policy: str | os.PathLike[str] | None = None,
    *,
    output: str | os.PathLike[str] = DEFAULT_OUTPUT,
    seed: int | None = None,
    **details: Unpack[GateDetails],
) -> Report:
    """Measure, judge and report under a policy, as `lens-gate gate` does.

    Which commit's policy counts follows from the job's environment, as for the verb; of settings
    only the arguments count, no ``LENS_GATE_*`` variable. The sinks of the trusted policy's
    ``publish`` get the numbers, as with the verb; no host is told, nothing is printed.
    Works in a script, in any thread and in a notebook; in a coroutine use ``gate_async``.

    Args:
        policy: the policy's file; ``None``: ``lens-gate.yaml`` or ``.github/lens-gate.yaml``.
        output: where ``run.jsonl``, ``report.json``, ``summary.md`` and ``junit.xml`` go.
        seed: of the order of prompts, of resampling and of simulated providers.
        **details: see ``GateDetails``.

    Returns:
        The report: ``outcome``, ``exit_code``, ``headline``, ``rows``. A failed gate is no error.

    Raises:
        InputError: the policy has problems: all of them, with their places.
        LensError: there is no policy, or what is asked makes no sense.
        WorldError: git or the disk did not do its part.
        KeyboardInterrupt: by Ctrl-C, once the run is ended.
    """
    with hinted():
        return wait_for(_work(policy, Path(output), seed, details))


async def gate_async(
    policy: str | os.PathLike[str] | None = None,
    *,
    output: str | os.PathLike[str] = DEFAULT_OUTPUT,
    seed: int | None = None,
    **details: Unpack[GateDetails],
) -> Report:
    """As ``gate``, for a coroutine; being cancelled ends it as ``measure_async``."""
    with hinted():
        return await awaited(_work(policy, Path(output), seed, details))


def _work(
    policy: str | os.PathLike[str] | None, output: Path, seed: int | None, details: GateDetails
) -> Work[Report]:
    unknown = details.keys() - GateDetails.__annotations__.keys()
    if unknown:
        raise TypeError(f"there is no {', '.join(sorted(unknown))}: see lens_gate.GateDetails")
    path = None if policy is None else Path(policy).absolute()
    # Sinks that are files lie there too, and their folder is else that of the policy.
    output = output.absolute()
    stop = details.get("stop") or Stop()
    order = Order(
        policy_path=None if path is None else path.name,
        output=output,
        push=details.get("push", True),
        lowered=_lowered(details),
        seed=seed,
        base=details.get("base"),
        overrides=Overrides(
            scenarios=_names(details.get("scenarios", ())),
            compare=details.get("compare"),
            fail_on=details.get("fail_on"),
        ),
    )
    outside = world(stop, details.get("on_progress"), path.parent if path else Path.cwd())
    if "on_message" in details:
        outside = replace(outside, tell=details["on_message"])

    def do(_folder: Path) -> Report:
        done = gated(order, outside)
        push_report(done.report, done.pushing, output, outside)
        return done.report

    return with_journal(do, output=output, stop=stop)


def _names(scenarios: Sequence[str]) -> tuple[str, ...]:
    if isinstance(scenarios, str):
        raise LensError(f"scenarios is {scenarios!r}, a text", f"write [{scenarios!r}]")
    return tuple(scenarios)


def _lowered(details: GateDetails) -> Lowered:
    usd, seconds = details.get("max_usd"), details.get("max_duration")
    return Lowered(
        max_usd=None if usd is None else usd_of(usd),
        max_requests=details.get("max_requests"),
        max_duration_s=None if seconds is None else seconds_of(seconds),
    )
