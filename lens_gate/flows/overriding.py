"""What a workflow sets beside the policy: which scenarios, how to compare, what fails the job.

All of it comes from flags and the environment, never from a head's content, and is applied after
the trusted policy was read. Whatever it changes, the report says.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lens_gate.errors import EXIT_FAILED, EXIT_OK, LensError
from lens_gate.flows.sources import Sources
from lens_gate.records.policy import Compare, OnInconclusive, Policy
from lens_gate.records.report import Report

FailOn = Literal["failed", "inconclusive", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """``scenarios``: only these (empty: all of them); ``None``: as the policy says.

    ``fail_on`` is which answers fail the job: a failure alone, an undecided one as well, or none.
    Errors, missing data and exhausted caps fail it in any case.
    """

    scenarios: tuple[str, ...] = ()
    compare: Compare | None = None
    fail_on: FailOn | None = None


AS_WRITTEN = Overrides()


def overridden(sources: Sources, by: Overrides) -> Sources:
    """The sources with every policy of theirs as the workflow has it, and what that is in words.

    Raises:
        LensError: a scenario is none of the policy's.
    """
    if sources.not_measured:
        return sources
    _check(by.scenarios, sources.policy)
    own = sources.policy is sources.trusted
    policy = _changed(sources.policy, by)
    return replace(
        sources,
        policy=policy,
        trusted=policy if own else _changed(sources.trusted, by),
        control=sources.control and _changed(sources.control, by),
        overridden="; ".join(_words(sources.policy, by)),
        compare_by="policy" if by.compare is None else "workflow",
    )


def as_asked(report: Report, by: Overrides) -> Report:
    """The report with the exit code of this job, and with what would do the same by hand."""
    code = report.exit_code
    if by.fail_on == "never" and code == EXIT_FAILED:
        code = EXIT_OK
    flags = [word for name in by.scenarios for word in ("--scenario", name)]
    flags += ["--compare", by.compare] if by.compare else []
    flags += ["--fail-on", by.fail_on] if by.fail_on else []
    reproduce = " ".join(filter(None, (report.reproduce, shlex.join(flags))))
    return replace(report, exit_code=code, reproduce=reproduce)


def _check(wanted: Sequence[str], policy: Policy) -> None:
    unknown = [name for name in dict.fromkeys(wanted) if name not in policy.scenarios]
    if unknown:
        some = "scenario" if len(unknown) == 1 else "scenarios"
        raise LensError(
            f"the policy has no {some} {', '.join(map(repr, unknown))}, and --scenario asks for it",
            f"it has: {', '.join(policy.scenarios)}",
        )


def _changed(policy: Policy, by: Overrides) -> Policy:
    settings = policy.baseline
    if by.compare is not None:
        settings = replace(settings, compare=by.compare)
    scenarios = policy.scenarios
    if by.scenarios:
        scenarios = {key: s for key, s in scenarios.items() if key in by.scenarios}
    return replace(
        policy,
        baseline=settings,
        scenarios=scenarios,
        on_inconclusive=_on_inconclusive(policy.on_inconclusive, by.fail_on),
    )


def _on_inconclusive(policys: OnInconclusive, fail_on: FailOn | None) -> OnInconclusive:
    if fail_on == "inconclusive":
        return "fail"
    return "warn" if fail_on is not None and policys == "fail" else policys


def _words(policy: Policy, by: Overrides) -> Iterator[str]:
    kept = [key for key in policy.scenarios if key in by.scenarios]
    if by.scenarios and len(kept) < len(policy.scenarios):
        yield (
            f"the workflow measures {', '.join(kept)} alone, of {len(policy.scenarios)} scenarios: "
            "the policy's confidence holds for these, not for several such runs together"
        )
    compare = policy.baseline.compare
    if by.compare not in (None, compare):
        yield f"the workflow says `compare: {by.compare}`, the policy `{compare}`"
    undecided = policy.on_inconclusive
    if by.fail_on == "never":
        yield "the workflow says `fail-on: never`: no verdict fails this job"
    elif _on_inconclusive(undecided, by.fail_on) != undecided:
        yield (
            f"the workflow says `fail-on: {by.fail_on}`, the policy `on_inconclusive: {undecided}`"
        )
