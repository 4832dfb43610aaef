"""What a test asks for, and the order that it comes to: its names, its seed, its folder."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from lens_gate.api import Details, Prompts, Target, Usd
from lens_gate.api.asked import Asked, order_of
from lens_gate.api.comparing import CompareDetails
from lens_gate.api.measuring import DEFAULT_PROMPT
from lens_gate.api.world import world
from lens_gate.errors import LensError
from lens_gate.flows.stopping import Stop
from lens_gate.pytest_plugin.calls import Begun
from lens_gate.pytest_plugin.judging import Gates
from lens_gate.pytest_plugin.session import Call, Session
from lens_gate.records.policy import Place
from lens_gate.stats.rng import seed_of

# A call without a cap of its own is planned whole: whether it fits is the session's to say.
_UNCAPPED_USD: Final = 999_999
_MOST_SEED: Final = 2**53


class Ask(Details, total=False):
    """What ``measure`` may be told; those of ``Details`` besides.

    Keys:
        requests: how many are measured [20].
        concurrency: how many are kept in flight [1].
        max_output_tokens: the longest answer [128].
        max_usd: a cap on this call's money, inside of the session's.
        seed: of the order of prompts, and of simulated providers [from the session's and the name].
        gates: rules, as a policy has them, that are held against it at once.
    """

    requests: int
    concurrency: int
    max_output_tokens: int
    max_usd: Usd
    seed: int
    gates: Gates


class AskComparison(CompareDetails, total=False):
    """What ``compare`` may be told; those of ``lens_gate.compare`` besides.

    Keys:
        pairs: the most that are measured [180].
        margin: the change that rules without one of their own tolerate, as a fraction.
        max_usd: a cap on this call's money, inside of the session's.
        seed: of the order of pairs, of resampling and of simulated providers.
    """

    pairs: int
    margin: float
    max_usd: Usd
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """The test that measures: its id, where it stands, what its markers say, its properties.

    ``own_name`` is false for what is shared by several tests: each call must give a name then.
    ``has_share`` is false where nobody knew, when the tests were collected, that it would measure:
    it has no part of the session's error budget.
    """

    __test__ = False

    nodeid: str
    place: Place
    asked: Mapping[str, Any]
    properties: list[tuple[str, object]]
    own_name: bool = True
    has_share: bool = True


def begun(
    session: Session,
    test: Test,
    name: str,
    targets: Sequence[Target],
    prompts: Prompts | None,
    asked: dict[str, Any],
) -> Begun:
    """The order that a call comes to, under a name that no other test has.

    Raises:
        LensError: what is asked makes no sense, or the name is another test's.
        WorldError: the disk does not take it.
    """
    if "output" in asked:
        raise LensError("output is the session's", "set lens_output: one report for all tests")
    asked.pop("target", None)
    own_prompts = asked.pop("prompts", None)
    stop = asked.setdefault("stop", Stop())
    numbers = Asked(
        requests=asked.pop("requests"),
        concurrency=asked.pop("concurrency", 1),
        max_output_tokens=asked.pop("max_output_tokens", 128),
        max_usd=asked.pop("max_usd", _UNCAPPED_USD),
        seed=asked.pop("seed", seed_of(session.identity.seed, name) % _MOST_SEED),
    )
    details = cast("Details", {"plugins": session.settings.plugins, **asked, "name": name})
    order, cwd = order_of(targets, prompts or own_prompts or DEFAULT_PROMPT, numbers, details)
    other = session.purse().claim(name, test.nodeid)
    if other is not None:
        raise LensError(
            f"{other} measures under the name {name!r} already",
            'give one of them another: lens.measure(..., name="...")',
        )
    return Begun(
        call=Call(name=name, test=test.nodeid, at_ns=time.time_ns()),
        order=order,
        folder=session.new_folder(name),
        outside=world(stop, details.get("on_progress"), cwd),
        stop=stop,
    )
