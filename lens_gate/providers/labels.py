"""What the head of an answer tells of its way: its id, the servers it passed, how it was packed.

By these a request is found again in its provider's own logs, and edges and regions are told apart.
They are labels: nothing is computed from them, and no header is counted on. Sources: the vendors'
documentation and SDKs, as of November 2026.
"""

from collections.abc import Mapping
from typing import Final

from lens_gate.providers.failures import clean
from lens_gate.records.exchange import ResponseHead

COMPRESSION: Final = "content-encoding"
_NAMES: Final = (
    # Request ids: OpenAI and most others, Anthropic, Azure's front, AWS, OpenRouter.
    "x-request-id",
    "request-id",
    "apim-request-id",
    "x-amzn-requestid",
    "x-generation-id",
    # Where it was served, and through whom it came.
    "x-ms-region",
    "cf-ray",
    "x-served-by",
    "via",
    "server-timing",
    COMPRESSION,
)
_CHARS: Final = 200
_UNPACKED: Final = frozenset({"", "identity"})


def labels(head: ResponseHead) -> Mapping[str, str]:
    """The labels of an answer by header, in the order of this module; foreign text, cut.

    ``content-encoding`` is among them only where the answer came compressed.
    """
    found = {name: clean(head.headers.get(name, ""), _CHARS) for name in _NAMES}
    if found[COMPRESSION].lower() in _UNPACKED:
        del found[COMPRESSION]
    return {name: told for name, told in found.items() if told}
