"""What is in force, and who said so: flag, environment, policy or default."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from lens_gate.flows.sources import BASE_VARIABLE, Sources
from lens_gate.policy.written import written
from lens_gate.records.policy import Budget
from lens_gate.records.setting import Setting
from lens_gate.units import format_duration, format_usd

PREFIX: Final = "LENS_GATE_"
DEFAULT: Final = "default"
_SHORT: Final = 12

VARIABLES: Final[Mapping[str, tuple[str, str]]] = {
    "policy_path": ("policy", f"{PREFIX}POLICY"),
    "base": ("base", BASE_VARIABLE),
    "scenarios": ("scenario", f"{PREFIX}SCENARIO"),
    "compare": ("baseline.compare", f"{PREFIX}COMPARE"),
    "max_usd": ("budget.max_usd", f"{PREFIX}MAX_USD"),
    "max_requests": ("budget.max_requests", f"{PREFIX}MAX_REQUESTS"),
    "max_duration": ("budget.max_duration", f"{PREFIX}MAX_DURATION"),
}
"""By parameter of the verbs: the setting that it is, and its variable."""

OTHERWISE: Final[Mapping[str, str]] = {
    "seed": "drawn for each run",
    "output": "lens-gate-out",
    "comment": "on",
    "status": "commit",
    "environment": "none",
    "matrix": "none",
    "fail_on": "as on_inconclusive says",
    "require_publish": "false",
}
"""Settings of other verbs, which have a variable of the same name, and what they are without it."""


def explained(
    sources: Sources, budget: Budget, *, said: Mapping[str, str], environ: Mapping[str, str]
) -> tuple[Setting, ...]:
    """Every setting that is no target's and no scenario's, in the order of the policy's page.

    Args:
        sources: the policy and where it comes from.
        budget: its caps, lowered or not.
        said: flag or variable by setting, for what came from one: ``{"budget.max_usd":
            "--max-usd"}``.
        environ: the environment, for the settings of other verbs.
    """
    return (*_of_job(sources, said, environ), *_of_policy(sources, budget, said))


def _of_job(
    sources: Sources, said: Mapping[str, str], environ: Mapping[str, str]
) -> Iterable[Setting]:
    policy = sources.policy
    yield Setting(
        name="policy", value=policy.file, origin=said.get("policy", DEFAULT), ref=_ref(sources)
    )
    base = sources.base or "none"
    yield Setting(name="base", value=base, origin=said.get("base", DEFAULT))
    kept = ", ".join(policy.scenarios) if "scenario" in said else "all"
    yield Setting(name="scenario", value=kept, origin=said.get("scenario", DEFAULT))
    for name, otherwise in OTHERWISE.items():
        variable = f"{PREFIX}{name.upper()}"
        value = environ.get(variable, "")
        origin = variable if value else DEFAULT
        yield Setting(name=name, value=value or otherwise, origin=origin)


def _of_policy(sources: Sources, budget: Budget, said: Mapping[str, str]) -> Iterable[Setting]:
    policy, ref = sources.policy, _ref(sources)
    places = written(sources.policy_text.encode(), file=policy.file)
    settings = policy.baseline
    values = {
        "budget.max_usd": "none" if budget.max_usd is None else format_usd(budget.max_usd),
        "budget.max_requests": str(budget.max_requests),
        "budget.max_duration": format_duration(budget.max_duration_s or 0.0),
        "confidence": f"{policy.confidence:g}",
        "on_inconclusive": policy.on_inconclusive,
        "fail_fast": _truth(policy.fail_fast),
        "confirm": _truth(policy.confirm),
        "plugins": _list(policy.plugins),
        "watch": "not declared" if policy.watch is None else _list(policy.watch),
        "always": _truth(policy.always),
        "allow_endpoints": _list([allowed.origin for allowed in policy.allow_endpoints]),
        "baseline.compare": settings.compare,
        "baseline.branch": settings.branch,
        "baseline.history": str(settings.history),
        "baseline.dir": settings.dir,
    }
    for name, value in values.items():
        place = places.get(name)
        if name in said:
            yield Setting(name=name, value=value, origin=said[name])
        elif place is not None:
            yield Setting(name=name, value=value, origin=f"{place.file}:{place.line}", ref=ref)
        else:
            yield Setting(name=name, value=value, origin=DEFAULT)


def _ref(sources: Sources) -> str:
    """Where the policy was read, shortly."""
    if sources.refs.trust_ref is not None:
        return sources.refs.trust_ref[:_SHORT]
    return "work tree" if sources.commit is not None else "folder"


def _truth(value: bool) -> str:  # noqa: FBT001  # the word for one value
    return "true" if value else "false"


def _list(values: Sequence[str]) -> str:
    return ", ".join(values) or "none"
