"""The row of a table: what a sample looks like, without a test."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lens_gate.stats.quantiles import sample_quantile
from lens_gate.stats.signed_rank import hodges_lehmann


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A sample in eight numbers, all but ``n`` in the unit of its values.

    ``typ`` is the typical value (Hodges-Lehmann), on logs where all values are above 0; the
    quantiles are those of the sample (type 7).
    """

    n: int
    mean: float
    typ: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float


def describe(values: ArrayLike) -> Description:
    """Describe a sample.

    Raises:
        ValueError: no values, or one of them is not a number.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=None)
    if ordered.size == 0:
        raise ValueError("no values")
    positive = ordered[0] > 0.0
    typ = math.exp(hodges_lehmann(np.log(ordered))) if positive else hodges_lehmann(ordered)
    return Description(
        n=ordered.size,
        mean=float(ordered.mean()),
        typ=typ,
        p50=sample_quantile(ordered, 0.50),
        p90=sample_quantile(ordered, 0.90),
        p95=sample_quantile(ordered, 0.95),
        p99=sample_quantile(ordered, 0.99),
        max=float(ordered[-1]),
    )
