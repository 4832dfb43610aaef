"""Everything that is settled before the first request: mode, prices, history, plan, keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lens_gate.errors import LensError
from lens_gate.flows.choosing import Chosen, chosen
from lens_gate.flows.history import History, history_of, read_stored
from lens_gate.flows.measuring import Keys
from lens_gate.flows.mode import Choice
from lens_gate.flows.outside import Outside
from lens_gate.flows.planning import expectations, spreads, unit_prices
from lens_gate.flows.sources import Sources
from lens_gate.policy.plan import make_plan
from lens_gate.policy.refuse import refuse
from lens_gate.policy.unguarded import unguarded
from lens_gate.providers.interface import Provider
from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import CellPlan, Plan
from lens_gate.records.policy import Budget, Credentials, Policy
from lens_gate.records.waiver import LevelShift
from lens_gate.transport import (
    Credential,
    open_credentials,
    read_key_file,
    resolve_key,
    run_key_command,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A plan and what it was made from.

    ``control_commit`` is the commit whose content the control arms send, where it is not the head.
    """

    plan: Plan
    choice: Choice
    providers: Mapping[str, Provider]
    stored: Mapping[str, Sequence[Baseline]]
    histories: Mapping[str, History]
    control_commit: str | None = None


def prepare(
    sources: Sources,
    *,
    budget: Budget,
    seed: int,
    by: Chosen | None = None,
    shifts: Sequence[LevelShift] = (),
) -> Prepared:
    """Make the plan, inside these caps.

    ``by`` is the mode, where it was chosen before; ``shifts`` are accepted levels, before which no
    stored run compares.

    Raises:
        InputError: unknown prices, or rules that could not be decided.
        BudgetError: the caps do not allow the least that could decide anything.
    """
    policy = sources.policy
    mode = by or chosen(sources)
    providers = mode.head.providers
    stored = stored_runs(sources)
    plan = make_plan(
        policy,
        budget=budget,
        seed=seed,
        # Those of the controls are the control side's, whatever this one says of them.
        prices=unit_prices(policy, providers, controls=False),
        providers=providers,
        history=expectations(stored),
        control=mode.control,
    )
    plan = refuse(
        _without_control(plan, mode.choice),
        kinds={key: provider.kind for key, provider in providers.items()},
        spreads=spreads(stored),
    )
    warnings = (*mode.warnings, *plan.warnings, *unguarded(policy))
    plan = replace(plan, warnings=warnings)
    histories = {
        cell.cell: history_of(
            cell,
            stored.get(cell.cell, ()),
            most=policy.baseline.history,
            run_id="",
            shifts=shifts,
        )
        for cell in plan.cells
    }
    return Prepared(
        plan=plan,
        choice=mode.choice,
        providers=providers,
        stored=stored,
        histories=histories,
        control_commit=mode.control_commit,
    )


def _without_control(plan: Plan, choice: Choice) -> Plan:
    """The plan with the reason why cells are measured alone though the policy asks for a duet."""
    if not choice.unpaired:
        return plan

    def told(cell: CellPlan) -> CellPlan:
        meant = not choice.alone or cell.target in choice.alone
        if cell.duet or cell.unpaired or not meant:
            return cell
        return replace(cell, unpaired=choice.unpaired)

    return replace(plan, cells=tuple(map(told, plan.cells)))


def stored_runs(sources: Sources) -> Mapping[str, Sequence[Baseline]]:
    """The stored runs of every cell, newest first; none where the policy compares with nothing."""
    policy = sources.policy
    if policy.baseline.compare == "none":
        return {}
    return read_stored(
        (
            (scenario.key, target)
            for scenario in policy.scenarios.values()
            for target in scenario.targets
        ),
        sources.stored,
    )


def resolve_keys(policy: Policy, outside: Outside) -> Keys:
    """The secrets of the targets that are used, as controls too, and their extra headers.

    Raises:
        LensError: a key is missing, or a cloud's credentials; the hint names what to set.
        WorldError: a cloud does not give a token.
    """
    used = {key for scenario in policy.scenarios.values() for key in scenario.targets}
    used |= {twin for key in used if (twin := policy.targets[key].control) is not None}
    secrets: dict[str, Credential] = {}
    opened: dict[Credentials, Credential] = {}
    headers: dict[str, Mapping[str, str]] = {}
    hidden: list[str] = []
    for key in sorted(used):
        target = policy.targets[key]
        cloud = target.credentials
        if cloud is None or cloud in ("none", "key"):
            secrets[key] = resolve_key(
                target.api_key,
                environ=outside.environ,
                read_file=read_key_file,
                run_command=run_key_command,
            )
        else:
            if cloud not in opened:
                opened[cloud] = open_credentials(cloud, environ=outside.environ)
            secrets[key] = opened[cloud]
        private = _header_values(target.header_env, outside, key)
        hidden += private.values()
        headers[key] = {**target.headers, **private}
    return Keys(secrets=secrets, headers=headers, hidden=tuple(hidden))


def _header_values(names: Mapping[str, str], outside: Outside, target: str) -> Mapping[str, str]:
    values = {}
    for header, variable in names.items():
        # As with keys: a secret that was stored with its line's end is meant without it.
        value = outside.environ.get(variable, "").strip()
        if not value:
            raise LensError(
                f"target {target!r}: header {header} needs the environment variable {variable}",
                f"set {variable} in the job's environment",
            )
        if not (value.isascii() and value.isprintable()):
            raise LensError(
                f"target {target!r}: the value of {variable} has characters that header {header} "
                "can't carry",
                "a header's value is one line of printable ASCII",
            )
        values[header] = value
    return values
