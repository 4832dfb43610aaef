"""Random generators from names: the same parts give the same numbers on every machine."""

from hashlib import sha256

import numpy as np


def seed_of(*parts: int | str) -> int:
    """A seed of 63 bits from the parts, by SHA-256.

    Kind and length of each part count, so ("ab", "c"), ("a", "bc") and ("1",), (1,) all differ.
    """
    digest = sha256()
    for part in parts:
        kind = "s" if isinstance(part, str) else "i"
        content = str(part).encode()
        digest.update(f"{kind}{len(content)}:".encode() + content)
    return int.from_bytes(digest.digest()[:8], "big") >> 1


def generator(*parts: int | str) -> np.random.Generator:
    """A generator (PCG64) seeded by ``seed_of(*parts)``."""
    return np.random.Generator(np.random.PCG64(seed_of(*parts)))
