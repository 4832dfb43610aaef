"""Experiments spread over processes: the counts depend on the seeds alone."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from zlib import crc32

from bench.verdicts.experiments import EXPERIMENTS
from bench.verdicts.tally import Tally, Total

SEED = 5077431962
_PIECES = 40
_MOST_SAID = 12

Found = dict[str, dict[str, Total]]


def run(
    policies: Mapping[str, int], *, processes: int, said: Callable[[str], None] = print
) -> Found:
    """The totals of each experiment over so many policies."""
    tallies = {name: Tally() for name in policies}
    left = {name: len(list(_pieces(count))) for name, count in policies.items()}
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        jobs = {
            pool.submit(piece, name, start, stop): name
            for name, count in policies.items()
            for start, stop in _pieces(count)
        }
        for job in as_completed(jobs):
            name = jobs[job]
            tallies[name].add(job.result())
            left[name] -= 1
            if not left[name]:
                said(f"{name}: {policies[name]} policies{_means(tallies[name])}")
    return {name: tally.totals for name, tally in tallies.items()}


def _means(tally: Tally) -> str:
    few = len(tally.totals) <= _MOST_SAID
    return "".join(f"; {key} {t.mean:.4g}" for key, t in tally.totals.items()) if few else ""


def _pieces(count: int) -> Iterator[tuple[int, int]]:
    step = max(1, count // _PIECES)
    return ((start, min(count, start + step)) for start in range(0, count, step))


def piece(name: str, start: int, stop: int) -> dict[str, Total]:
    """Some policies of one experiment."""
    tally = Tally()
    for policy in range(start, stop):
        EXPERIMENTS[name].draw([SEED, crc32(name.encode()), policy], tally)
    return tally.totals
