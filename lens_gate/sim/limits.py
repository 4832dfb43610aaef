"""Rate limits as token buckets: full at the start, refilled evenly over a minute."""

from dataclasses import dataclass

from lens_gate.sim.dialect import Allowance


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """How much of ``per_minute`` is left, and when that was so (seconds of any one clock)."""

    per_minute: float
    level: float
    at_s: float


def fresh(per_minute: float, now_s: float) -> Bucket:
    """A full bucket."""
    return Bucket(per_minute=per_minute, level=per_minute, at_s=now_s)


def refilled(bucket: Bucket, now_s: float) -> Bucket:
    """The bucket as it stands at ``now_s``."""
    level = bucket.level + bucket.per_minute * (now_s - bucket.at_s) / 60
    return Bucket(per_minute=bucket.per_minute, level=min(bucket.per_minute, level), at_s=now_s)


def wait_s(bucket: Bucket, cost: float) -> float:
    """Seconds until the bucket holds ``cost``; 0 when it does. A cost above a full one is cut."""
    short = min(cost, bucket.per_minute) - bucket.level
    return max(0.0, short * 60 / bucket.per_minute)


def taken(bucket: Bucket, cost: float) -> Bucket:
    """The bucket after ``cost`` is paid; never below empty."""
    return Bucket(
        per_minute=bucket.per_minute, level=max(0.0, bucket.level - cost), at_s=bucket.at_s
    )


def allowance(bucket: Bucket) -> Allowance:
    """What the response headers say of it."""
    missing = bucket.per_minute - bucket.level
    return Allowance(
        limit=int(bucket.per_minute),
        remaining=int(bucket.level),
        reset_s=missing * 60 / bucket.per_minute,
    )
