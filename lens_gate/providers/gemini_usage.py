"""What Google reports of tokens: its counts, kept over the chunks of a stream, and their totals.

Usage is repeated on chunks and grows; of each count the last word holds. A sum stands beside the
counts, and is held against them.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from lens_gate.providers.fields import count, items, mapping
from lens_gate.records.exchange import Usage

SEARCHES: Final = "searches"
_MODALITIES: Final = {
    "input_audio": ("promptTokensDetails", "AUDIO"),
    "input_image": ("promptTokensDetails", "IMAGE"),
    "output_audio": ("candidatesTokensDetails", "AUDIO"),
}
_COUNTS: Final = (
    "promptTokenCount",
    "toolUsePromptTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "cachedContentTokenCount",
    "totalTokenCount",
)
_UNNAMED: Final = "tokens that no count names"


def count_in(usage: Mapping[str, object], counts: dict[str, int]) -> None:
    """Take what one chunk says of usage into the counts so far."""
    counts |= {f: n for f in _COUNTS if (n := count(usage.get(f))) is not None}
    counts |= {
        field: tokens
        for field, (details, modality) in _MODALITIES.items()
        if (tokens := _modality(items(usage.get(details)), modality)) is not None
    }
    unnamed = _unnamed(counts)
    if unnamed > 0 or _UNNAMED in counts:
        # Zero takes back what an earlier chunk left open.
        counts[_UNNAMED] = max(0, unnamed)


def usage_of(counts: Mapping[str, int]) -> Usage:
    """Inclusive totals; what no count names is no token of a known price."""
    total_in, total_out = _totals(counts)
    searches = counts.get(SEARCHES)
    unnamed = counts.get(_UNNAMED)
    return Usage(
        input_total=total_in,
        output_total=total_out,
        cache_read=counts.get("cachedContentTokenCount"),
        reasoning=counts.get("thoughtsTokenCount"),
        input_audio=counts.get("input_audio"),
        input_image=counts.get("input_image"),
        output_audio=counts.get("output_audio"),
        charges={
            **({"web_search": searches} if searches else {}),
            **({} if unnamed is None else {_UNNAMED: unnamed}),
        },
    )


def _totals(counts: Mapping[str, int]) -> tuple[int | None, int | None]:
    """Input and output: what tools put into the prompt is input, thoughts are output."""
    prompt, tools = counts.get("promptTokenCount"), counts.get("toolUsePromptTokenCount", 0)
    total_in = None if prompt is None else prompt + tools
    thoughts = counts.get("thoughtsTokenCount")
    visible = counts.get("candidatesTokenCount")
    if visible is not None or thoughts is not None:
        return total_in, (visible or 0) + (thoughts or 0)
    # A count of zero is left out.
    nothing = total_in is not None and counts.get("totalTokenCount") == total_in
    return total_in, 0 if nothing else None


def _unnamed(counts: Mapping[str, int]) -> int:
    """Tokens in Google's own sum that none of its counts names; 0 where it can't be told."""
    total, parts = counts.get("totalTokenCount"), _totals(counts)
    if total is None or parts[0] is None or parts[1] is None:
        return 0
    return total - parts[0] - parts[1]


def _modality(details: Sequence[object], modality: str) -> int | None:
    counts = (
        count(entry.get("tokenCount"))
        for entry in map(mapping, details)
        if entry.get("modality") == modality
    )
    known = [n for n in counts if n is not None]
    return sum(known) if known else None
