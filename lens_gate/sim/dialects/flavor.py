"""How servers of the chat protocol differ: the fields of a row, and what most of them do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lens_gate.sim.dialect import Counts, Facts, Refusal, Timing

Json = Mapping[str, Any]
TEXT = "\0"
"""Stands in a template where the words of a chunk go."""


def totals(counts: Counts, _timing: Timing) -> dict[str, Any]:
    """Usage of three sums."""
    return {
        "prompt_tokens": counts.prompt,
        "total_tokens": counts.prompt + counts.output,
        "completion_tokens": counts.output,
    }


def openai_error(refusal: Refusal) -> dict[str, Any]:
    """The error object that most servers copied."""
    fallback = "invalid_request_error" if refusal.status < 500 else "server_error"
    known = {
        429: ("requests", "rate_limit_exceeded"),
        401: ("invalid_request_error", "invalid_api_key"),
    }
    kind, code = known.get(refusal.status, (fallback, None))
    return {
        "error": {
            "message": refusal.message,
            "type": refusal.type or kind,
            "param": refusal.param,
            "code": refusal.code or code,
        }
    }


def request_id_head(facts: Facts) -> dict[str, str]:
    """One header that names the request."""
    return {"x-request-id": facts.request_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """One server of the chat protocol.

    ``limit_fields``: the fields of the token limit that it reads, the winner first;
    ``default_limit``: the limit without one. ``strict``: unknown parameters are 400. ``refused``:
    these parameters are 422. ``usage``: whether streams tell it; ``usage_with``: in a chunk of its
    own or in that of the finish reason. ``running_usage``: usage can be asked for in every chunk.
    ``null_usage``: the other chunks say ``usage: null``. ``pads``: chunks are padded.

    Templates hold ``TEXT`` where words go: ``role`` opens, ``text`` and ``thought`` are deltas
    (``thought`` ``None``: never shown), ``ends`` is the delta of the finish. ``envelope`` stands in
    every chunk, ``choice`` in every choice. ``prelude``: fields of a chunk before all others;
    ``check``: choices of a chunk after the text.

    ``tally`` makes usage; ``last`` fields of the last chunk, ``first`` of the first one, from the
    request's id; ``usage_id``: the id of a usage chunk. ``reasons``: its own finish reasons.
    ``error``: the body of an error, ``broken``: the data of an error event (``error`` where not
    given), named ``error_name``; ``done_after_error``: the end marker follows. ``silence``: the
    text of its keep-alives. ``list_content``: thought and text share a list in a whole answer.
    ``head``: its response headers.
    """

    name: str
    limit_fields: tuple[str, ...] = ("max_completion_tokens", "max_tokens")
    default_limit: int | None = None
    strict: bool = False
    refused: tuple[str, ...] = ()
    usage: Literal["asked", "always", "never"] = "asked"
    usage_with: Literal["own", "finish"] = "own"
    running_usage: bool = False
    null_usage: bool = False
    usage_id: str | None = None
    pads: bool = False
    role: Json = field(default_factory=lambda: {"role": "assistant", "content": ""})
    text: Json = field(default_factory=lambda: {"content": TEXT})
    thought: Json | None = field(default_factory=lambda: {"reasoning_content": TEXT})
    ends: Json = field(default_factory=dict)
    envelope: Json = field(default_factory=dict)
    choice: Json = field(default_factory=lambda: {"logprobs": None})
    prelude: Json | None = None
    check: Json | None = None
    tally: Callable[[Counts, Timing], dict[str, Any]] = totals
    first: Callable[[str], dict[str, Any]] = lambda _request_id: {}
    last: Callable[[str, Counts, Timing], dict[str, Any]] = lambda _request_id, _counts, _timing: {}
    reasons: Json = field(default_factory=dict)
    error: Callable[[Refusal], dict[str, Any]] = openai_error
    broken: Callable[[Refusal], dict[str, Any]] | None = None
    error_name: bytes | None = None
    done_after_error: bool = False
    silence: bytes = b"keep-alive"
    list_content: bool = False
    head: Callable[[Facts], dict[str, str]] = request_id_head
