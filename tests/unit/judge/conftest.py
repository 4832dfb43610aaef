import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

from bench.verdicts.tally import Tally
from lens_gate.judge import Arm, Check, decide


@pytest.fixture(scope="session")
def tallied():
    """Totals of an experiment of the campaign over so many policies: ``tallied(draw, 40)``."""

    def run(draw, policies, **settings):
        tally = Tally()
        for seed in range(policies):
            draw([20261121, seed], tally, **settings)
        return tally.totals

    return run


@pytest.fixture
def verdict():
    """The verdict on one check: ``verdict("typ", margin=0.2, head=..., base=...)``."""

    def one(kind, *, family=None, confidence=0.99, seed=0, **fields):
        check = Check("rule", kind, **fields)
        return decide([check], family=family, confidence=confidence, seed=seed)[0]

    return one


@pytest.fixture
def spread():
    """``n`` values around ``centre``: a fixed log-logistic shape in a shuffled order."""

    def values(n, centre=1.0, sd=0.3, turn=0):
        grid = [(i + 0.5) / n for i in range(n)]
        shape = [math.log(q / (1 - q)) * sd * math.sqrt(3) / math.pi for q in grid]
        order = np.random.default_rng([n, turn]).permutation(n)
        return [centre * math.exp(shape[i]) for i in order]

    return values


@pytest.fixture
def past(spread):
    """``runs`` stored runs whose centres differ by about ``sd``; deterministic."""

    def arms(runs=10, n=20, sd=0.1, centre=1.0):
        effects = np.random.default_rng(3).standard_normal(runs)
        effects = sd * (effects - effects.mean())
        return [Arm(spread(n, centre * math.exp(u), turn=k)) for k, u in enumerate(effects)]

    return arms


@pytest.fixture(scope="session")
def duet():
    """The module ``duet_cell``."""
    place = Path(__file__).with_name("duet_cell.py")
    spec = importlib.util.spec_from_file_location("duet_cell", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
