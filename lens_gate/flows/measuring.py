"""Measuring a plan: journal, wires, signals, and the run that comes back."""

import asyncio
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lens_gate import __version__
from lens_gate.flows.networks import control_networks, networks, noted
from lens_gate.flows.outside import Outside
from lens_gate.flows.stopping import stopped_by
from lens_gate.plugins import versions
from lens_gate.providers.interface import Provider
from lens_gate.records.plan import Plan
from lens_gate.records.run import Mode, Run, RunHeader
from lens_gate.runner.duet import AfterLook, to_the_end
from lens_gate.runner.journal import Journal, open_journal, read_run
from lens_gate.runner.measure import Onlookers, hopeless, measure
from lens_gate.runner.wire import Outfit, open_wires
from lens_gate.stats.rng import seed_of
from lens_gate.transport import Credential, Network, measuring_loop


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Secrets and extra headers by target key, resolved.

    ``hidden`` are header values that came from the environment: they are kept out of all text.
    """

    secrets: Mapping[str, Credential]
    headers: Mapping[str, Mapping[str, str]]
    hidden: tuple[str, ...]


NO_KEYS = Keys(secrets={}, headers={}, hidden=())


def new_header(
    plan: Plan,
    outside: Outside,
    *,
    commit: str | None,
    dirty: bool,
    providers: Mapping[str, Provider],
    mode: Mode = "history",
    why: str = "",
    control: str | None = None,
) -> RunHeader:
    """The head of a run that is about to begin.

    ``mode``, ``why`` and ``control`` are the header's own fields.

    Raises:
        LensError: a proxy or a TLS file is not what it should be, or a plug-in is gone.
    """
    created = stamp(outside.now())
    return RunHeader(
        # Chance, not the plan's seed: two runs of one seed within a second are two runs, and must
        # not find each other's prompts in a cache that they want to miss.
        run_id=f"{created}-{outside.entropy() % 16**8:08x}",
        created=created,
        policy=plan.policy.name,
        policy_sha256=plan.policy.sha256,
        commit=commit,
        dirty=dirty,
        seed=plan.seed,
        budget=plan.budget,
        cells=plan.cells,
        environment={
            **environment(),
            **_plug_ins(plan),
            **noted(
                {
                    **control_networks(plan, providers, outside),
                    **networks(plan, providers, outside),
                }
            ),
        },
        mode=mode,
        why=why,
        control=control,
        warnings=plan.warnings,
    )


def _plug_ins(plan: Plan) -> Mapping[str, str]:
    """The third parties' part of what measures; nothing where there is none."""
    found = versions(plan.policy.plugins).items()
    return {"plugins": ", ".join(f"{name} {version}" for name, version in found)} if found else {}


def stamp(moment: datetime) -> str:
    """A moment in UTC as names of runs have it: ``20261121T021500Z``."""
    return moment.strftime("%Y%m%dT%H%M%SZ")


def environment() -> Mapping[str, str]:
    """The client's side, which is part of every measurement."""
    return {
        "lens_gate": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "loop": "asyncio",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """How a plan is carried out: what goes before it in the journal, by which keys, who decides.

    ``providers`` are by target key. ``keys`` and ``control_keys`` are for the targets of the plan's
    two policies. ``after_look`` decides how a duet goes on. ``side_by_side`` sends each prompt to
    all cells in turn.
    """

    header: RunHeader
    journal_path: Path
    providers: Mapping[str, Provider]
    keys: Keys
    control_keys: Keys = NO_KEYS
    after_look: AfterLook = to_the_end
    side_by_side: bool = False


def measure_plan(plan: Plan, how: Conduct, outside: Outside) -> Run:
    """Measure, and read back what the journal kept: what is judged is what was written.

    SIGINT and SIGTERM end the run cleanly, or whatever ``outside`` has in their place; the run's
    end says so. A second signal ends the process.

    Raises:
        WorldError: the journal can't be written, or a simulated provider did not start.
    """
    with open_journal(how.journal_path, how.header) as journal:
        work = _measure(
            _Work(
                plan=plan,
                how=how,
                journal=journal,
                head=_outfit(how.keys, networks(plan, how.providers, outside)),
                control=_outfit(how.control_keys, control_networks(plan, how.providers, outside)),
            ),
            outside,
        )
        with asyncio.Runner(loop_factory=measuring_loop) as runner:
            runner.run(work)
    return read_run(how.journal_path)


def _outfit(keys: Keys, ways: Mapping[str, Network]) -> Outfit:
    return Outfit(secrets=keys.secrets, headers=keys.headers, networks=ways)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """A plan with all that opening its targets takes, and where its samples go."""

    plan: Plan
    how: Conduct
    journal: Journal
    head: Outfit
    control: Outfit


async def _measure(work: _Work, outside: Outside) -> None:
    interrupt = asyncio.Event()
    plan, how = work.plan, work.how
    with stopped_by(interrupt, outside.stop, outside.tell) as why:
        async with open_wires(
            plan,
            providers=how.providers,
            head=work.head,
            control=work.control,
            hidden=(*how.keys.hidden, *how.control_keys.hidden),
            seed_of=lambda target: seed_of(plan.seed, "simulated", target),
            run_id=how.header.run_id,
        ) as wires:
            onlookers = Onlookers(
                observe=outside.observe,
                after_block=hopeless,
                after_look=how.after_look,
                interrupt=interrupt,
                why=lambda: why[0],
                seen=outside.seen,
            )
            await measure(
                plan,
                wires=wires,
                journal=work.journal,
                onlookers=onlookers,
                side_by_side=how.side_by_side,
                own_process=outside.stop is None,
            )
