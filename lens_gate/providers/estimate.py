"""Token counts where the server reports none: an estimate, marked as one, which decides nothing.

About four bytes of English text make a token; one event of a stream carries at least one. Hidden
reasoning can't be estimated from text at all, so that the output is rather too small.
"""

import math

from lens_gate.providers.answer import DecodedStream
from lens_gate.records.exchange import ChatRequest, Usage

BYTES_A_TOKEN = 4
"""Of English text, by the documentation of the vendors' tokenizers; other languages need more."""


def estimate(request: ChatRequest, decoded: DecodedStream) -> Usage:
    """The tokens of a request and its answer, by bytes and by events."""
    texts = [message.content for message in request.messages]
    given = sum(
        len(text.encode("utf-8", "surrogatepass")) for text in (*texts, request.system or "")
    )
    return Usage(
        input_total=math.ceil(given / BYTES_A_TOKEN),
        output_total=max(len(decoded.output_ns), math.ceil(decoded.output_chars / BYTES_A_TOKEN)),
        source="estimated",
    )
