"""What came of asking each target once, in plain words: what works, what is wrong, what to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from lens_gate.records.exchange import Status
from lens_gate.records.policy import Target
from lens_gate.records.sample import Sample
from lens_gate.render.escape import one_line
from lens_gate.units import format_duration, format_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One target: its sample where it was asked, else the problem and its remedy."""

    target: Target
    sample: Sample | None
    problem: str
    remedy: str


# What is probably wrong, and what to do; {key} is where the key comes from, {model} the model.
_REMEDIES: Mapping[Status, tuple[str, str]] = MappingProxyType(
    {
        "auth": ("the key was refused", "check {key}, and that it may use this model"),
        "quota": ("the account has no quota left", "look at the provider's billing page"),
        "rate_limited": ("a rate limit refused it", "ask again later, or set rate_limit"),
        "not_found": (
            "there is no such model, deployment or address",
            "check model ({model}) and base_url: the path before /chat/completions belongs to it",
        ),
        "bad_request": ("the request was refused", "check params against what this model takes"),
        "context_too_long": ("the model's context is tiny", "check model ({model})"),
        "content_filter": ("a filter refused the question", "check the filter of this deployment"),
        "overloaded": ("the service is overloaded", "ask again later"),
        "server_error": ("the server failed", "look at its status page or its log"),
        "timeout": ("it took too long", "check base_url and region, or raise timeouts"),
        "connection": (
            "no connection came about, or it broke",
            "check base_url, the network, the proxy (HTTPS_PROXY, NO_PROXY) and tls.ca_file",
        ),
        "not_streamed": (
            "the server does not stream",
            "set `stream: false` in the scenarios, or turn streaming on in the server",
        ),
        "malformed": (
            "the answer is not of this protocol",
            "check provider, flavor and base_url: is this server of another kind?",
        ),
        "truncated": ("the answer broke off", "look for a proxy or a limit between here and there"),
        "empty": ("the answer was empty", "check model ({model}) and the server's log"),
        "over_limit": ("the answer went on beyond its limit", "check flavor: it names the limit"),
        "client": ("it could not be sent", "see the words of the failure"),
    }
)


_NO_MONEY = Decimal(0)


def connections(rows: Sequence[Told]) -> str:
    """A block for each target, and a line in the end."""
    works = sum(row.sample is not None and row.sample.failure is None for row in rows)
    spent = sum((row.sample.settled_usd for row in rows if row.sample), start=_NO_MONEY)
    blocks = ["\n".join(_block(row)) for row in rows]
    last = f"{works} of {len(rows)} targets answered; spent {format_usd(spent)}"
    return "\n\n".join([*blocks, last])


def _block(row: Told) -> list[str]:
    name = f"{row.target.key} ({row.target.provider} {one_line(row.target.model, 80)})"
    sample = row.sample
    if sample is None:
        lines = [f"{name}: not asked", f"  problem  {one_line(row.problem, 300)}"]
        return [*lines, f"  remedy   {one_line(row.remedy, 300)}"] if row.remedy else lines
    if sample.failure is None:
        return [f"{name}: works", *_facts(sample)]
    words, remedy = _REMEDIES[sample.failure.status]
    http = "" if sample.http_status is None else f", HTTP {sample.http_status}"
    said = one_line(sample.failure.detail, 300)
    places = {"key": _key(row.target), "model": one_line(row.target.model, 80)}
    return [
        f"{name}: {words} ({sample.failure.status}{http})",
        f"  said     {said}",
        f"  remedy   {remedy.format(**places)}",
    ]


def _facts(sample: Sample) -> list[str]:
    marks = sample.marks
    times = [("connect", marks.connect_start, marks.connected)]
    times.append(("TTFT", marks.sent, marks.first_text or marks.first_tool))
    times.append(("E2E", marks.sent, marks.done))
    told = ", ".join(
        f"{name} {format_duration((end - start) / 1e9)}"
        for name, start, end in times
        if start is not None and end is not None
    )
    cost = "unknown" if sample.cost_usd is None else format_usd(sample.cost_usd)
    model = f"  model    {one_line(sample.model or 'not named by the answer', 80)}"
    return [f"  times    {told}", model, f"  cost     {cost}"]


def _key(target: Target) -> str:
    source = target.api_key
    if source.env:
        return f"the variable {source.env}"
    if source.file:
        return "api_key_file"
    return "api_key_command" if source.command else "the credentials"
