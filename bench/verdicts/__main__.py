"""Error rates and power by simulation: `python -m bench.verdicts`, about a quarter of an hour.

Writes `bench/verdicts/results.json` and the tables of `docs/error-rates.md`. With `--quick` (under
a minute) or `--only`, nothing is written and the claims are printed. Ends with 1 where a whole run
contradicts a claim.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from datetime import UTC, datetime

import numpy as np

from bench.verdicts import campaign
from bench.verdicts.claims import CLAIMS
from bench.verdicts.experiments import EXPERIMENTS
from bench.verdicts.model import Service
from bench.verdicts.page import PAGE, filled
from bench.verdicts.policies import DUET_MARGINS, TARGETS, duet_checks
from bench.verdicts.procedures import at_once
from bench.verdicts.results import COMMITTED, Results, dumped, loaded
from bench.verdicts.tables import judged, plain


def main(arguments: list[str]) -> int:
    """Run the campaign; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.verdicts", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of it")
    parser.add_argument("--only", metavar="WORDS", help="experiments whose name has these words")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--page", action="store_true", help="only fill the page from the results")
    options = parser.parse_args(arguments)
    if options.page:
        _fill(loaded(COMMITTED.read_text("utf-8")))
        return 0
    chosen = {
        name: experiment.quick if options.quick else experiment.policies
        for name, experiment in EXPERIMENTS.items()
        if not options.only or options.only in name
    }
    if not chosen:
        parser.error(f"no experiment has {options.only!r} in its name")
    found = campaign.run(chosen, processes=options.processes, said=_said)
    results = Results(
        command="python -m bench.verdicts",
        date=datetime.now(UTC).date().isoformat(),
        machine=f"{os.cpu_count()} cores, {platform.machine()}, Python "
        f"{platform.python_version()}, numpy {np.__version__}",
        seed=campaign.SEED,
        cpu_minutes=round(sum(os.times()[2:4]) / 60, 1),
        decision_s=round(decision_seconds(), 3),
        policies=chosen,
        found=found,
    )
    answers = [judged(results, claim) for claim in CLAIMS if claim.experiment in chosen]
    for answer in answers:
        print(plain(answer))
    held = sum(answer.held for answer in answers)
    missed = sum(answer.against for answer in answers)
    print(
        f"{held} of {len(answers)} claims hold, {missed} missed; {results.cpu_minutes} CPU minutes"
    )
    if options.quick or options.only:
        return 0
    COMMITTED.write_text(dumped(results), "utf-8")
    _fill(results)
    return int(missed > 0)


def _fill(results: Results) -> None:
    PAGE.write_text(filled(PAGE.read_text("utf-8"), results), "utf-8")


def decision_seconds() -> float:
    """CPU time of one decision over thirty checks at n = 200: the median of nine."""
    service = Service(campaign.SEED)
    times = []
    for _ in range(9):
        duets = [service.duet(200) for _ in range(TARGETS)]
        checks = [c for t, duet in enumerate(duets) for c in duet_checks(t, duet, DUET_MARGINS)]
        before = time.process_time()
        at_once(checks)
        times.append(time.process_time() - before)
    return statistics.median(times)


def _said(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
