"""What came of asking each target once, in plain words: what works, what is wrong, what to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from lens_gate.records.exchange import Failure, Status
from lens_gate.records.policy import Target
from lens_gate.records.sample import Sample
from lens_gate.render.escape import one_line
from lens_gate.render.figures import counted
from lens_gate.units import format_duration, format_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One target: its sample where it was asked, else the problem and its remedy."""

    target: Target
    sample: Sample | None
    problem: str
    remedy: str


# What is probably wrong, and what to do. {key} is where the key comes from, {model} the model,
# {url} the address.
_REMEDIES: Mapping[Status, tuple[str, str]] = MappingProxyType(
    {
        "auth": (
            "the key was refused",
            "check {key}: is it whole, of this provider, and not revoked?",
        ),
        "quota": (
            "the account has no quota left",
            "look at the provider's billing page: a new key does not help",
        ),
        "rate_limited": (
            "a rate limit refused it",
            "the key works: ask again later, and lower rate_limit of this target",
        ),
        "not_found": (
            "there is no such model or address",
            "check model ({model}) and {url}, to which the protocol adds its own path",
        ),
        "bad_request": (
            "the request was refused",
            "check params, and that the model ({model}) takes them",
        ),
        "context_too_long": (
            "the question was too long for the model",
            "check model ({model}): its context does not hold a few words",
        ),
        "content_filter": (
            "a filter refused the question",
            "look at the filters of this deployment: the question was only `Say hi.`",
        ),
        "overloaded": ("the service is overloaded", "the address works: ask again later"),
        "server_error": (
            "the server failed",
            "look at its log, or at the provider's status page",
        ),
        "timeout": (
            "it took too long",
            "check {url} and region; a server that loads its model first needs higher timeouts",
        ),
        "connection": (
            "no connection came about, or it broke",
            "check {url}, the network and its proxy (HTTPS_PROXY, NO_PROXY)",
        ),
        "not_streamed": (
            "the server does not stream",
            "turn streaming on in the server, or set `stream: false` in the scenarios",
        ),
        "malformed": (
            "the answer is not of this protocol",
            "check provider, flavor and {url}: is this another kind of server?",
        ),
        "truncated": (
            "the answer broke off",
            "look for a proxy or a limit between here and there, and at the server's log",
        ),
        "empty": ("the answer was empty", "check model ({model}), and the server's log"),
        "over_limit": (
            "the answer went on beyond its limit",
            "check flavor: it names the field for the limit of output",
        ),
        "client": ("it could not be sent or read", "the words above say why"),
    }
)
# Words of our own about a connection that did not come about, and what helps against just that.
_CAUSES = (
    ("refused: nothing listens", "start the server, or check host and port of {url}"),
    ("no address found", "check the host's name in {url}, and the DNS of this machine"),
    (
        "is not trusted",
        "if the authority is your own, name its file as tls.ca_file (or SSL_CERT_FILE)",
    ),
    ("plain http://", "write http:// in {url}, or let the server speak TLS"),
    ("use https://", "write https:// in {url}"),
    ("the server reset", "look at the server's log; or does it want https:// in {url}?"),
    ("the server closed", "look at the server's log; or does it want https:// in {url}?"),
    ("the proxy", "check HTTPS_PROXY, and NO_PROXY for hosts that are reached without it"),
)
_NO_MONEY = Decimal(0)


def connections(rows: Sequence[Told], cap_usd: Decimal | None) -> str:
    """A block for each target, and a line in the end: how many work, and what it cost."""
    works = sum(row.sample is not None and row.sample.failure is None for row in rows)
    spent = sum((row.sample.settled_usd for row in rows if row.sample), start=_NO_MONEY)
    of_cap = "" if cap_usd is None else f" of {format_usd(cap_usd)}"
    last = f"{works} of {counted(len(rows), 'target')} answered; spent {format_usd(spent)}{of_cap}"
    return "\n\n".join(["\n".join(_block(row)) for row in rows] + [last])


def _block(row: Told) -> list[str]:
    target, sample = row.target, row.sample
    model = "" if target.model == target.provider else f" {one_line(target.model, 80)}"
    name = f"{one_line(target.key, 80)} ({one_line(target.provider, 80)}{model})"
    if sample is None:
        lines = [f"{name}: not asked", f"  problem  {one_line(row.problem, 300)}"]
        return [*lines, f"  remedy   {one_line(row.remedy, 300)}"] if row.remedy else lines
    if sample.failure is None:
        return [f"{name}: works", *_facts(sample)]
    words, remedy = _advice(target, sample.failure)
    http = "" if sample.http_status is None else f", HTTP {sample.http_status}"
    return [
        f"{name}: {words} ({sample.failure.status}{http})",
        f"  said     {one_line(sample.failure.detail, 300)}",
        f"  remedy   {remedy}",
    ]


def _advice(target: Target, failure: Failure) -> tuple[str, str]:
    """What is probably wrong, and what to do."""
    words, remedy = _REMEDIES[failure.status]
    if failure.status == "auth":
        words, remedy = _about_the_key(target, failure)
    if failure.status in ("connection", "malformed"):
        remedy = next((cure for cause, cure in _CAUSES if cause in failure.detail), remedy)
    if failure.retry_after_s is not None:
        remedy = f"{remedy}; it asks to wait {format_duration(failure.retry_after_s)}"
    return words, remedy.format(
        key=_key(target),
        model=one_line(target.model, 80),
        url="base_url"
        if target.base_url is None
        else f"base_url ({one_line(target.base_url, 200)})",
    )


def _about_the_key(target: Target, failure: Failure) -> tuple[str, str]:
    if not _key(target):
        return "it wants a key, and none was sent", "add api_key_env: the variable that holds it"
    if failure.http_status == 403:
        return "the key may not do this", "check what {key} may use: this model, this region?"
    return _REMEDIES["auth"]


def _facts(sample: Sample) -> list[str]:
    marks = sample.marks
    seen = [m for m in (marks.first_text, marks.first_tool) if m is not None]
    stretches = (
        ("connect", marks.connect_start, marks.connected),
        ("TTFT", marks.sent, min(seen, default=None)),
        ("E2E", marks.sent, marks.done),
    )
    times = ", ".join(
        f"{name} {format_duration((end - start) / 1e9)}"
        for name, start, end in stretches
        if start is not None and end is not None
    )
    cost = "not known" if sample.cost_usd is None else format_usd(sample.cost_usd)
    return [
        f"  times    {times}",
        f"  model    {one_line(sample.model or 'not named by the answer', 80)}",
        f"  tokens   {_tokens(sample)}",
        f"  cost     {cost}",
    ]


def _tokens(sample: Sample) -> str:
    usage = sample.usage
    if usage is None or usage.source == "estimated":
        return "not reported: rules on tokens, speed and cost can't be decided here"
    counts = ((usage.input_total, "in"), (usage.output_total, "out"))
    return ", ".join(f"{count} {name}" for count, name in counts if count is not None)


def _key(target: Target) -> str:
    """Where the key comes from, in words; empty where none is sent."""
    source = target.api_key
    if source.env:
        return f"the variable {source.env}"
    if source.file:
        return "the file of api_key_file"
    if source.command:
        return "what api_key_command prints"
    if target.header_env:
        return f"the variable {next(iter(target.header_env.values()))}"
    return f"the {target.credentials} credentials" if target.credentials in _CLOUDS else ""


_CLOUDS = ("aws", "google", "azure")
