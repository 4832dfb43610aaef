"""What callers may ask of a measurement, and the order that it comes to."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Literal, TypeAlias, TypedDict

from lens_gate.errors import LensError
from lens_gate.flows.adhoc import SCENARIO, AdHoc
from lens_gate.flows.stopping import Stop
from lens_gate.runner.measure import Progress
from lens_gate.units import parse_duration, parse_usd

WHERE = "the call"
_STEP = Decimal("1e-12")
# A policy takes no more as a text.
_TOO_MUCH_USD = 1_000_000

Target: TypeAlias = str | Mapping[str, object]
"""``"openai:gpt-4.1-mini"`` with settings behind commas, or a mapping as a policy has it."""

Prompts: TypeAlias = str | os.PathLike[str] | Sequence[str | Mapping[str, object]]
"""One text, several (or rows as a policy has them), or the path of a file of them."""

Usd: TypeAlias = str | float | Decimal
"""US dollars: ``"0.50"``, ``0.5`` or ``Decimal("0.50")``."""


class Details(TypedDict, total=False):
    """What may be said besides, each with the meaning and the form of the policy's key.

    Keys:
        name: the scenario's key, of small letters, digits and hyphens [adhoc].
        system: the system prompt.
        warmup: requests before it that are not measured, and cost all the same [1].
        cache: the server's prompt cache: leave it, keep prompts out of it, or fill it first.
        load: any load of a policy, such as ``{"pattern": "poisson", "rate": 2}``, instead of
            ``concurrency``.
        scenario: any other key of a policy's scenario: ``stream``, ``connection``, ``tools``,
            ``objectives`` (limits by metric, for goodput).
        max_duration: the cap on time, such as ``"90s"`` or seconds; it ends the run [10m].
        plugins: distributions whose providers may be used.
        output: the folder in which ``run.jsonl`` is kept; without one it is removed in the end.
        on_progress: called after each request, in the measuring thread: it should return at once.
        stop: ends the run when it is asked to, from any thread; what was measured comes back.
    """

    name: str
    system: str
    warmup: int
    cache: Literal["as_is", "bust", "warm"]
    load: Mapping[str, object]
    scenario: Mapping[str, object]
    max_duration: str | float
    plugins: Sequence[str]
    output: str | os.PathLike[str]
    on_progress: Callable[[Progress], None]
    stop: Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What every call must know."""

    requests: int
    concurrency: int
    max_output_tokens: int
    max_usd: Usd
    seed: int | None


def order_of(
    targets: Sequence[Target], prompts: Prompts, asked: Asked, details: Details
) -> tuple[AdHoc, Path]:
    """The order that a call comes to, and the folder in which the files that it names are.

    Where its journal goes is settled later.

    Raises:
        LensError: a value is not what it should be.
        TypeError: there is no such detail.
    """
    unknown = details.keys() - Details.__annotations__.keys()
    if unknown:
        raise TypeError(f"there is no {', '.join(sorted(unknown))}: see lens_gate.Details")
    rows, folder = _prompts(prompts)
    if "load" in details and asked.concurrency != 1:
        raise LensError("the load comes twice", "give one of load and concurrency")
    scenario: dict[str, object] = {
        "prompts": rows,
        "load": details.get("load", {"pattern": "closed", "concurrency": asked.concurrency}),
        "cache": details.get("cache", "as_is"),
        **({"system": details["system"]} if "system" in details else {}),
        **details.get("scenario", {}),
    }
    order = AdHoc(
        targets=targets,
        requests=_count("requests", asked.requests, 1),
        warmup=_count("warmup", details.get("warmup", 1), 0),
        max_output_tokens=_count("max_output_tokens", asked.max_output_tokens, 1),
        max_usd=usd_of(asked.max_usd),
        max_duration_s=seconds_of(details.get("max_duration", "10m")),
        output=Path(),
        seed=None if asked.seed is None else _count("seed", asked.seed, 0),
        scenario=scenario,
        plugins=tuple(details.get("plugins", ())),
        name=details.get("name", SCENARIO),
        where=WHERE,
        whole=True,
    )
    return order, folder


def _prompts(prompts: Prompts) -> tuple[object, Path]:
    if isinstance(prompts, str):
        return [prompts], Path.cwd()
    if isinstance(prompts, os.PathLike):
        path = Path(prompts).absolute()
        return path.name, path.parent
    return list(prompts), Path.cwd()


def _count(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise LensError(f"{name} is {value!r}, no whole number of at least {least}")
    return value


def usd_of(value: Usd) -> Decimal:
    """The amount of ``max_usd``, rounded down to what a ledger counts in.

    Raises:
        LensError: it is none, or a million or more.
    """
    try:
        amount = parse_usd(value)
    except ValueError as error:
        raise LensError(f"max_usd: {error}") from None
    if amount >= _TOO_MUCH_USD:
        raise LensError(f"max_usd is {value!r}", "a call's cap is below a million US dollars")
    # A share of a budget has more digits than a policy takes.
    return amount.quantize(_STEP, rounding=ROUND_FLOOR)


def seconds_of(value: str | float) -> float:
    """The seconds of ``max_duration``.

    Raises:
        LensError: it is no time above zero.
    """
    try:
        seconds = parse_duration(value) if isinstance(value, str) else float(value)
    except (ValueError, TypeError) as error:
        raise LensError(f"max_duration: {error}") from None
    if not 0 < seconds < float("inf"):
        raise LensError(f"max_duration is {value!r}: no time at all measures nothing")
    return seconds
