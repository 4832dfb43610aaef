"""Foreign text as the value of a label, a tag or an attribute: one line, bounded, and still unique.

What a text loses on the way could make two of them one, and two series with the same labels are an
error to those who keep them: a text that was changed carries a digest of what it was.
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache

from lens_gate.render.escape import one_line

MOST = 200
_DIGEST = 8


@lru_cache(maxsize=1024)
def label_value(text: str) -> str:
    """The text in at most 200 characters, without controls and what is invisible."""
    plain = one_line(text, MOST)
    if plain == text:
        return plain
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return f"{one_line(text, MOST - _DIGEST - 1)}~{digest}"


def labels(**texts: str) -> Mapping[str, str]:
    """The labels that say something; one without a value would be none."""
    return {name: label_value(text) for name, text in texts.items() if text}
