"""Reading policies: one that is trusted, one of a commit that is not, and the control's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from lens_gate.errors import InputError, LensError
from lens_gate.flows.plugged import provider_rows, untrusted_rows
from lens_gate.policy import load, overlay
from lens_gate.providers.interface import Provider
from lens_gate.providers.table import PROVIDERS
from lens_gate.records.policy import Policy
from lens_gate.repo import Repository, blob_reader, holds

_MOST_CHARS = 300


def read_policy(read: Callable[[str], bytes], name: str) -> tuple[Policy, str]:
    """A trusted policy and its text, by a reader that also reads the files which it names.

    Raises:
        LensError: it can't be read.
        InputError: it has problems: all of them.
    """
    data = read(name)

    def plug(plugins: Sequence[str], _named: Sequence[str]) -> Mapping[str, Provider]:
        return provider_rows(plugins)

    policy = load(data, file=name, read_file=read, providers=PROVIDERS, plug=plug)
    return policy, data.decode("utf-8", "replace")


def read_untrusted(
    repository: Repository, commit: str, name: str, *, called: str, trusted: Sequence[str]
) -> tuple[Policy, str]:
    """A commit's policy and its text. Of its plug-ins only those that are ``trusted`` count.

    Raises:
        LensError: it can't be read.
        InputError: it has problems: all of them.
    """
    read = blob_reader(repository, commit)
    data = read(name)
    policy = load(
        data,
        file=called,
        read_file=read,
        providers=provider_rows(trusted),
        plug=partial(untrusted_rows, trusted),
    )
    return policy, data.decode("utf-8", "replace")


def present(repository: Repository, commit: str, names: Sequence[str]) -> str | None:
    """The first of these names that the commit holds.

    A link, a folder or a submodule of the name counts: reading it is refused, with what it is.
    """
    return next((name for name in names if holds(repository, commit, name)), None)


def policy_with_files_of(repository: Repository, trusted: Policy, tip: str, head: str) -> Policy:
    """The trusted policy, the files that it names read in the head where the head has them.

    That is what a head without a policy asks for: its prompts are what its code will send.

    Args:
        repository: where both commits are.
        trusted: the policy as it is at the tip.
        tip: the commit of the trusted policy.
        head: the commit whose files count.

    Raises:
        LensError: it can't be read.
        InputError: the head's files have problems: all of them.
    """
    own, theirs = blob_reader(repository, tip), blob_reader(repository, head)

    def read(path: str) -> bytes:
        return (theirs if holds(repository, head, path) else own)(path)

    return read_policy(read, trusted.file)[0]


def control_policy(
    repository: Repository,
    trusted: Policy,
    commit: str,
    names: Sequence[str],
    *,
    theirs_alone: bool = False,
) -> tuple[Policy | None, str]:
    """What the control arm sends at this commit, or why it can't send anything.

    It is the trusted policy with the content that the commit's policy asks for. A commit that can't
    be a control is nobody's error: it may be older than the gate.

    Args:
        repository: where the commit is.
        trusted: the policy that decides.
        commit: the control's commit.
        names: where a policy may be, the first that is there counts.
        theirs_alone: leave out the scenarios and targets which the commit does not have. Where the
            trusted policy is the head itself they are new; where it is the target branch's, they
            were added there since, and the control sends what that says. A new target that names
            its control stays: it is measured beside that one.
    """
    where = f"the merge base {commit[:12]}"
    name = present(repository, commit, names)
    if name is None:
        return None, f"{where} has no policy"
    try:
        theirs, _ = read_untrusted(repository, commit, name, called=name, trusted=trusted.plugins)
    except InputError as error:
        first = str(error.problems[0])[:_MOST_CHARS]
        more = len(error.problems) - 1
        also = f", and {more} more problem{'' if more == 1 else 's'}" if more else ""
        return None, f"the policy of {where} is not valid today ({first}{also})"
    except LensError as error:
        return None, f"the policy of {where} can't be read: {error.message[:_MOST_CHARS]}"
    control, _ = overlay(trusted, theirs, provider_rows(trusted.plugins))
    if theirs_alone:
        control = _of_both(control, theirs)
    return control, ""


def _of_both(control: Policy, theirs: Policy) -> Policy:
    """The control with those cells alone that the commit has too, or that name their control."""
    known = {key for key, own in control.targets.items() if own.control is not None}
    known |= theirs.targets.keys()
    scenarios = {
        key: replace(scenario, targets=tuple(t for t in scenario.targets if t in known))
        for key, scenario in control.scenarios.items()
        if key in theirs.scenarios
    }
    return replace(control, scenarios=scenarios)
