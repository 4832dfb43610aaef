"""What the experiments have to show.

The targets of the decision procedure (unchanged builds, power, looks, the margin, minimum sizes,
same records same verdict), and for each mutant that it breaks one.
"""

from dataclasses import dataclass
from typing import Literal

from bench.verdicts.experiments import EXPERIMENTS, word
from bench.verdicts.policies import GATES


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One number of one experiment, and what it has to be.

    ``most`` and ``least`` bound the mean. ``high`` is the greatest upper end of its two-sided
    95 % interval, ``low`` the least lower end. ``about``: a rate that is exactly this by design may
    be above it by chance, so the interval must reach down to it.
    """

    section: str
    says: str
    experiment: str
    counted: str
    most: float | None = None
    least: float | None = None
    high: float | None = None
    low: float | None = None
    about: float | None = None
    unit: Literal["share", "requests"] = "share"


_RATE, _UPPER = 0.010, 0.016
UNCHANGED_SECTION = "Unchanged builds fail in at most 1.0 % of policies"


def _unchanged() -> list[Claim]:
    return [
        Claim(
            section=UNCHANGED_SECTION,
            says=name.removeprefix("unchanged, "),
            experiment=name,
            counted="build fails",
            most=_RATE,
            high=_UPPER,
        )
        for name in EXPERIMENTS
        if name.startswith("unchanged")
    ]


def _found(says: str, experiment: str, counted: str, least: float) -> Claim:
    section = "Real slowdowns are found (duet, one look, margin 0, all latencies slower)"
    return Claim(section=section, says=says, experiment=experiment, counted=counted, least=least)


def _margins() -> list[Claim]:
    return [
        Claim(
            section="A check exactly at its margin fails and passes in at most 5 %",
            says=f"{way}: {word(gate)} {what}",
            experiment=f"at its margin, {way}",
            counted=f"{word(gate)} {what}",
            most=0.05 if way == "looks" else None,
            about=None if way == "looks" else 0.05,
        )
        for way in ("duet", "looks", "history")
        for gate in GATES
        for what in ("fails", "passes")
    ]


def _together() -> list[Claim]:
    bounds = {
        "unchanged": {"e2e.typ found": 0.0, "ttft.typ found": 0.0},
        "+10 %": {"e2e.typ found": 0.80},
        "+20 %": {"e2e.typ found": 0.99, "ttft.typ found": 0.93},
    }
    return [
        Claim(
            section="Five targets together (50 pairs each, p <= .001; shown, decides nothing)",
            says=f"{change}: {counted}",
            experiment=f"five targets together, {change}",
            counted=counted,
            least=least or None,
            most=None if least else 0.002,
        )
        for change, gates in bounds.items()
        for counted, least in gates.items()
    ]


_LOOKS = "Looks (16 to 400 pairs, one target hit, requests of both arms)"
_MUTANTS = "Mutants: with a part removed, a target above is missed"
CLAIMS: tuple[Claim, ...] = (
    *_unchanged(),
    _found("E2E typ, +50 %, n = 30", "slower by 50%, duet, n = 30", "e2e.typ found", 0.95),
    _found("E2E typ, +20 %, n = 100", "slower by 20%, duet, n = 100", "e2e.typ found", 0.88),
    _found("TTFT typ, +50 %, n = 50", "slower by 50%, duet, n = 50", "ttft.typ found", 0.90),
    _found("TTFT typ, +20 %, n = 200", "slower by 20%, duet, n = 200", "ttft.typ found", 0.85),
    _found("E2E p95, +50 %, n = 200", "slower by 50%, duet, n = 200", "e2e.p95 found", 0.95),
    Claim(
        section=_LOOKS, says="margin 10 %, +50 %: requests to the first fail",
        experiment="+50 %, looks, hosted, margin 10 %", counted="requests to the first fail",
        most=50, unit="requests",
    ),
    Claim(
        section=_LOOKS, says="margin 10 %, +50 %: found",
        experiment="+50 %, looks, hosted, margin 10 %", counted="build fails", least=0.99,
    ),
    Claim(
        section=_LOOKS, says="margin 10 %, +20 %: requests to the first fail",
        experiment="+20 %, looks, hosted, margin 10 %", counted="requests to the first fail",
        most=230, unit="requests",
    ),
    Claim(
        section=_LOOKS, says="margin 10 %, +20 %: found",
        experiment="+20 %, looks, hosted, margin 10 %", counted="build fails", least=0.99,
    ),
    Claim(
        section=_LOOKS, says="margin 20 %, unchanged: requests until all is decided",
        experiment="unchanged, looks, hosted, margin 20 %", counted="requests",
        most=205, unit="requests",
    ),
    Claim(
        section=_LOOKS, says="margin 20 %, unchanged: all checks of a target pass",
        experiment="unchanged, looks, hosted, margin 20 %", counted="all pass", least=0.99,
    ),
    *_together(),
    *_margins(),
    Claim(
        section="Too few pairs never pass; the order of checks changes nothing",
        says="below the minimum size: passes", experiment="below the minimum", counted="passes",
        most=0.0,
    ),
    Claim(
        section="Too few pairs never pass; the order of checks changes nothing",
        says="checks in another order: a verdict differs", experiment="same again",
        counted="verdict differs", most=0.0,
    ),
    Claim(
        section=_MUTANTS, says="no interleaving: unchanged builds fail",
        experiment="no interleaving", counted="build fails", low=_UPPER,
    ),
    Claim(
        section=_MUTANTS, says="no key 1: unchanged builds fail",
        experiment="no key 1", counted="build fails", low=_UPPER,
    ),
    Claim(
        section=_MUTANTS, says="one check alone over the looks, as it is: an unchanged one fails",
        experiment="spending", counted="shares of N", most=_RATE,
    ),
    Claim(
        section=_MUTANTS, says="every look spends everything: an unchanged check fails",
        experiment="spending", counted="no shares", low=_RATE,
    ),
    Claim(
        section=_MUTANTS, says="N follows the money: an unchanged check fails",
        experiment="spending", counted="N follows the money", low=_RATE,
    ),
    Claim(
        section=_MUTANTS, says="unlike prompts, pairs kept: E2E +50 % at n = 30 is found",
        experiment="no pairing", counted="pairs found", least=0.95,
    ),
    Claim(
        section=_MUTANTS, says="unlike prompts, no pairing: E2E +50 % at n = 30 is found",
        experiment="no pairing", counted="shuffled found", high=0.95,
    ),
)  # fmt: skip
