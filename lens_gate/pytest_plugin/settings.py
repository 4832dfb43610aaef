"""What a suite may set: options of the command line, each with a key of the ini file behind it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal, TypeVar

import pytest

from lens_gate.units import parse_usd

if TYPE_CHECKING:
    from collections.abc import Mapping

MissingKey = Literal["auto", "fail", "skip"]
Undecided = Literal["pass", "warn", "fail"]
_MISSING_KEY: Final = ("auto", "fail", "skip")
_UNDECIDED: Final = ("pass", "warn", "fail")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The suite's settings. ``max_usd`` (US dollars) and ``max_requests`` are for all its tests.

    ``output`` is the folder of the report and ``baselines`` that of the stored runs, both relative
    to pytest's root folder. ``history`` is how many stored runs a comparison goes back, ``branch``
    the branch that they belong to. ``target`` is measured where a call names none. ``plugins`` are
    distributions whose providers may be used. ``seed`` ``None``: a fresh one.
    """

    max_usd: Decimal
    max_requests: int
    output: str
    baselines: str
    branch: str
    history: int
    confidence: float
    missing_key: MissingKey
    on_inconclusive: Undecided
    target: str
    plugins: tuple[str, ...]
    update_baselines: bool
    seed: int | None


_INI: Final = (
    ("lens_max_usd", "The most that all tests together may spend, in US dollars [1.00]."),
    ("lens_max_requests", "The most requests that all tests together may send [10000]."),
    ("lens_output", "The folder of report.json, from the root folder [lens-gate-out/pytest]."),
    ("lens_baselines", "The folder of the stored runs, from the root folder [baselines]."),
    ("lens_branch", "The branch to which the stored runs belong [main]."),
    ("lens_history", "How many stored runs a comparison goes back [10]."),
    ("lens_confidence", "1 minus the chance that an unchanged build fails a session [0.99]."),
    ("lens_missing_key", "auto (a fork's run skips, others fail), fail or skip [auto]."),
    ("lens_on_inconclusive", "What becomes of what can't be decided: pass, warn, fail [warn]."),
    ("lens_target", "The target of tests that name none, such as openai:gpt-4.1-mini."),
)


def add_options(parser: pytest.Parser) -> None:
    """Declare options and ini keys."""
    for name, text in _INI:
        parser.addini(name, text, default="")
    parser.addini("lens_plugins", "Distributions whose providers may be used.", type="args")
    group = parser.getgroup("lens-gate", "latency and cost of LLM calls (lens-gate)")
    group.addoption("--lens-max-usd", metavar="USD", help=f"{_INI[0][1]} Key: lens_max_usd.")
    group.addoption("--lens-max-requests", metavar="N", help=_INI[1][1])
    group.addoption("--lens-output", metavar="DIR", help=_INI[2][1])
    group.addoption("--lens-target", metavar="TARGET", help=_INI[9][1])
    group.addoption("--lens-missing-key", choices=_MISSING_KEY, help=_INI[7][1])
    group.addoption("--lens-on-inconclusive", choices=_UNDECIDED, help=_INI[8][1])
    group.addoption(
        "--lens-seed", metavar="N", help="Makes order and simulated noise the same again."
    )
    group.addoption(
        "--lens-update-baselines",
        action="store_true",
        help="Store what was measured as runs that later sessions compare with.",
    )


def read_settings(config: pytest.Config, environ: "Mapping[str, str]" = os.environ) -> Settings:
    """The settings in force: an option before its ini key before the default.

    ``LENS_GATE_MAX_USD`` and ``LENS_GATE_MAX_REQUESTS`` can lower the caps, as they do everywhere.

    Raises:
        pytest.UsageError: a value is not what it should be.
    """

    def read(name: str, default: str, parse: Callable[[str], _Value]) -> _Value:
        option = config.getoption(name, None)
        text = str(option if option is not None else config.getini(name) or default)
        try:
            return parse(text)
        except ValueError as error:
            option_name = f"--{name.replace('_', '-')}"
            where = option_name if option is not None else name
            raise pytest.UsageError(f"{where}: {error}") from None

    seed = config.getoption("lens_seed", None)
    usd, requests = environ.get("LENS_GATE_MAX_USD"), environ.get("LENS_GATE_MAX_REQUESTS")
    try:
        own_usd = parse_usd(usd) if usd else None
        own_requests = _count(requests) if requests else None
    except ValueError as error:
        raise pytest.UsageError(f"LENS_GATE_MAX_USD or LENS_GATE_MAX_REQUESTS: {error}") from None
    max_usd = read("lens_max_usd", "1.00", parse_usd)
    max_requests = read("lens_max_requests", "10000", _count)
    return Settings(
        max_usd=max_usd if own_usd is None else min(max_usd, own_usd),
        max_requests=max_requests if own_requests is None else min(max_requests, own_requests),
        output=read("lens_output", "lens-gate-out/pytest", str),
        baselines=read("lens_baselines", "baselines", _folder),
        branch=read("lens_branch", "main", str),
        history=read("lens_history", "10", _count),
        confidence=read("lens_confidence", "0.99", _confidence),
        missing_key=read("lens_missing_key", "auto", _missing_key),
        on_inconclusive=read("lens_on_inconclusive", "warn", _undecided),
        target=read("lens_target", "", str),
        plugins=tuple(config.getini("lens_plugins")),
        update_baselines=bool(config.getoption("lens_update_baselines", False)),
        seed=None if seed is None else read("lens_seed", "", _seed),
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise ValueError(f"{text!r} is no whole number of at least 1")
    return int(text)


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is no whole number of at least 0")
    return int(text)


def _confidence(text: str) -> float:
    number = float(text)
    if not 0.5 <= number <= 0.9999:
        raise ValueError(f"{text} is no number from 0.5 to 0.9999")
    return number


def _folder(text: str) -> str:
    clean = text.rstrip("/")
    if clean.startswith("/") or ".." in clean.split("/") or "\\" in clean or not clean:
        raise ValueError(f"{text!r} is no folder inside of the root folder")
    return clean


def _missing_key(text: str) -> MissingKey:
    return _one_of(text, _MISSING_KEY)


def _undecided(text: str) -> Undecided:
    return _one_of(text, _UNDECIDED)


def _one_of(text: str, words: tuple[_Value, ...]) -> _Value:
    for word in words:
        if word == text:
            return word
    raise ValueError(f"{text!r} is none of {', '.join(map(str, words))}")
