"""Which commit decides what: the trusted policy, the head's content, the stored runs.

Two refs, never mixed: everything that decides comes from the *trust ref*, and
from a head only what the author may ask about. Heads are read as data, through git objects.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lens_gate.errors import LensError, WorldError
from lens_gate.flows.accepting import AcceptedFile, accepted_at, accepted_name, accepted_on_disk
from lens_gate.flows.demoting import held_back, too_alarming
from lens_gate.flows.outside import Outside
from lens_gate.flows.places import POLICY_FILES, candidates, no_policy
from lens_gate.flows.plugged import provider_rows
from lens_gate.flows.reading import (
    control_policy,
    policy_with_files_of,
    present,
    read_policy,
    read_untrusted,
)
from lens_gate.flows.stored import (
    StoredRuns,
    nulls_at,
    nulls_on_disk,
    stored_at,
    stored_on_disk,
)
from lens_gate.hosts.detect import detect, read_event_file
from lens_gate.policy import overlay, read_worktree_file
from lens_gate.records.context import Context
from lens_gate.records.null import NullSession
from lens_gate.records.policy import Change, Compare, Policy
from lens_gate.records.report import Refs
from lens_gate.repo import (
    Repository,
    blob_reader,
    changed_files,
    changed_since,
    fetch_commit,
    fetch_stated,
    head_commit,
    is_dirty,
    links,
    merge_base,
    open_repository,
    resolve,
    target_tip,
)

BASE_VARIABLE = "LENS_GATE_BASE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The policy to follow, where it comes from, and how to read the stored runs.

    ``trusted`` is the policy as it is where it is trusted, ``policy`` the same with what the head
    changes of it. ``stored`` gives the stored runs of a scenario on a target, newest first.
    ``not_measured`` says why nothing may be sent, or is empty.

    ``control`` is the policy that the control arm sends by; where there is a control ref without
    one, ``control_missing`` says why. ``control_note`` says what else than the merge base it is
    read at. ``changed`` are the paths that differ between the merge base and the head, ``links``
    those of symbolic links and submodules in either. ``no_policy`` says that the head has none, or
    is empty. ``base`` is what was asked for as ``--base``. ``nulls`` are the A/A sessions where
    they are trusted; in all three policies, rules that failed too often there only warn.
    ``overridden`` says in words what the workflow has otherwise than the policy, and ``compare_by``
    who says how to compare.
    """

    policy: Policy
    policy_text: str
    context: Context
    refs: Refs
    changes: tuple[Change, ...]
    stored: StoredRuns
    root: Path
    commit: str | None
    trusted: Policy
    accepted: AcceptedFile
    not_measured: str = ""
    control: Policy | None = None
    control_missing: str = ""
    control_note: str = ""
    changed: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    no_policy: str = ""
    base: str | None = None
    nulls: tuple[NullSession, ...] = ()
    overridden: str = ""
    compare_by: Literal["policy", "workflow"] = "policy"


def find_sources(
    outside: Outside,
    policy_path: str | None,
    *,
    base: str | None = None,
    compare: Compare | None = None,
) -> Sources:
    """Read the policy from where it is trusted, and the head's share of it.

    ``base`` is a ref, for local and manual runs: what the work tree is compared with is the commit
    where it left that ref's history. ``compare`` is how the workflow will have it compared, where
    it has a word of its own: whether a merge base is needed follows from it.

    Raises:
        LensError: there is no policy, the repository can't answer, or ``base`` has no place here.
        InputError: the policy (or the head's) has problems: all of them.
    """
    found = _found(outside, policy_path, base, compare)
    alarming = too_alarming(found.trusted, found.nulls)
    trusted = held_back(found.trusted, alarming)
    own = found.policy is found.trusted
    return replace(
        found,
        trusted=trusted,
        policy=trusted if own else held_back(found.policy, alarming),
        control=found.control and held_back(found.control, alarming),
    )


def _found(
    outside: Outside, policy_path: str | None, base: str | None, compare: Compare | None
) -> Sources:
    context = detect(outside.environ, read_event_file)
    if base is not None and context.event not in ("local", "manual"):
        raise LensError(
            f"--base is for local and manual runs, and this is a {context.event} run",
            f"remove --base and {BASE_VARIABLE}: a pull request is compared with its merge base",
        )
    repository = open_repository(outside.cwd)
    if repository is None:
        return _folder(outside, context, policy_path, base)
    names = candidates(outside.cwd, repository.root, policy_path)
    if context.event in ("pull_request", "merge_queue"):
        return _pull_request(repository, context, names, compare)
    if context.event in ("push", "schedule"):
        return _own_commit(repository, context, names)
    return _work_tree(repository, context, names, base)


def _refs(
    *,
    why: str,
    head: str | None,
    trust_ref: str | None = None,
    control_ref: str | None = None,
    dirty: bool = False,
    control_note: str = "",
) -> Refs:
    """Who decides, as far as git knows it; the mode follows from the policy, later."""
    return Refs(
        mode="",
        why=why,
        trust_ref=trust_ref,
        control_ref=control_ref,
        head=head,
        dirty=dirty,
        control_note=control_note,
    )


def _folder(outside: Outside, context: Context, given: str | None, base: str | None) -> Sources:
    if context.event not in ("local", "manual"):
        raise WorldError(
            f"a {context.event} run needs a git repository, and {outside.cwd} is in none",
            "check the repository out before lens-gate runs, with `fetch-depth: 0`",
        )
    if base is not None:
        raise LensError(
            f"--base {base!a} needs a git repository, and {outside.cwd} is in none",
            "without one there is nothing to compare with but stored runs",
        )
    path = Path(outside.cwd, given) if given else None
    root = path.parent if path else outside.cwd
    names = (path.name,) if path else POLICY_FILES
    return _sources_on_disk(root, names, context, None, "the folder (there is no git repository)")


def _work_tree(
    repository: Repository, context: Context, names: Sequence[str], base: str | None
) -> Sources:
    sources = _sources_on_disk(repository.root, names, context, repository, "the work tree")
    return sources if base is None else _compared_with(repository, sources, names, base)


def _compared_with(
    repository: Repository, sources: Sources, names: Sequence[str], base: str
) -> Sources:
    """A work tree's sources, with the control where it left another branch."""
    if sources.commit is None:
        raise LensError(
            f"--base {base!a} needs a commit, and this repository has none", "commit first"
        )
    commit = merge_base(repository, resolve(repository, base), sources.commit)
    control, missing = control_policy(repository, sources.trusted, commit, names, theirs_alone=True)
    return replace(
        sources,
        refs=replace(sources.refs, control_ref=commit),
        control=control,
        control_missing=missing,
        changed=changed_since(repository, commit),
        base=base,
    )


def _sources_on_disk(
    root: Path, names: Sequence[str], context: Context, repository: Repository | None, where: str
) -> Sources:
    name = next((n for n in names if (root / n).is_file()), None)
    if name is None:
        raise no_policy(names, f"in {root}")
    policy, text = read_policy(read_worktree_file(root), name)
    commit = head_commit(repository) if repository else None
    return Sources(
        policy=policy,
        policy_text=text,
        context=context,
        refs=_refs(
            why=f"policy and stored runs are read from {where}: {_why_trusted(context)}",
            head=commit,
            dirty=bool(repository and is_dirty(repository)),
        ),
        changes=(),
        stored=stored_on_disk(root, policy),
        root=root,
        commit=commit,
        trusted=policy,
        accepted=accepted_on_disk(root, policy),
        nulls=nulls_on_disk(root, policy),
    )


def _why_trusted(context: Context) -> str:
    """Why a work tree is: in a CI that lens-gate does not know, for want of another word."""
    unknown = context.host == "local" and context.ci
    return "no target branch was named" if unknown else "nothing in it is foreign"


def _own_commit(repository: Repository, context: Context, names: Sequence[str]) -> Sources:
    commit = resolve(repository, context.trust_ref or "HEAD")
    name = present(repository, commit, names)
    if name is None:
        raise no_policy(names, f"in the commit {commit[:12]}")
    policy, text = read_policy(blob_reader(repository, commit), name)
    return Sources(
        policy=policy,
        policy_text=text,
        context=context,
        refs=_refs(
            why=f"a {context.event} is its own authority: all is read in its commit",
            trust_ref=commit,
            head=commit,
        ),
        changes=(),
        stored=stored_at(repository, commit, policy),
        root=repository.root,
        commit=commit,
        trusted=policy,
        accepted=accepted_at(repository, policy, commit),
        nulls=nulls_at(repository, policy, commit),
    )


def _pull_request(
    repository: Repository, context: Context, names: Sequence[str], compare: Compare | None
) -> Sources:
    if context.target_branch is None:
        raise AssertionError("the host's detection fills this in for a pull request")
    tip = target_tip(repository, context.target_branch, context.target_commit)
    head = _head(repository, context)
    trusted_name = present(repository, tip.commit, names)
    head_name = present(repository, head, names)
    if trusted_name is None:
        return _untrusted(repository, context, head, names, head_name)
    trusted, text = read_policy(blob_reader(repository, tip.commit), trusted_name)
    compare = compare or trusted.baseline.compare
    base = _merge_base(repository, compare, tip.commit, head)
    control, control_ref, note = None, base, ""
    if base is not None:
        control, missing = control_policy(repository, trusted, base, names)
        if control is None:
            # The author chose where to branch off: that must not rid him of the comparison.
            control, control_ref = trusted, tip.commit
            note = f"{missing}, so the control sends what {context.target_branch} does"
    policy, changes = _with_head(repository, trusted, tip.commit, head, head_name)
    return Sources(
        policy=policy,
        policy_text=text,
        context=context,
        refs=_refs(
            why=(
                f"policy and stored runs are read at {context.target_branch} ({tip.why}); "
                "the head gives prompts, model and parameters"
            ),
            trust_ref=tip.commit,
            control_ref=control_ref,
            head=head,
            dirty=False,
            control_note=note,
        ),
        changes=changes,
        stored=stored_at(repository, tip.commit, trusted),
        root=repository.root,
        commit=head,
        trusted=trusted,
        accepted=accepted_at(repository, trusted, tip.commit, head),
        nulls=nulls_at(repository, trusted, tip.commit),
        not_measured=_foreign_branch(context.target_branch, trusted),
        control=control,
        control_note=note,
        changed=() if base is None else changed_files(repository, base, head),
        links=tuple(sorted({p for c in filter(None, (base, head)) for p in links(repository, c)})),
        no_policy="" if head_name else _no_policy_in_head(repository, base, names),
    )


def _head(repository: Repository, context: Context) -> str:
    """The head, once it is here; where a person named it, only while the host has it there."""
    if context.head_ref is not None and context.head_at:
        return fetch_stated(repository, context.head_at, context.head_ref)
    return fetch_commit(repository, context.head_ref or _checked_out(repository))


def _checked_out(repository: Repository) -> str:
    commit = head_commit(repository)
    if commit is None:
        raise WorldError("nothing is checked out here: HEAD is no commit", "check the change out")
    return commit


def _merge_base(repository: Repository, compare: Compare, tip: str, head: str) -> str | None:
    """The merge base. Where nothing is compared with it, a clone that can't tell it will do."""
    try:
        return merge_base(repository, tip, head)
    except WorldError:
        if compare in ("history", "none"):
            return None
        raise


def _with_head(
    repository: Repository, trusted: Policy, tip: str, head: str, name: str | None
) -> tuple[Policy, tuple[Change, ...]]:
    """The trusted policy with what a head may change, and the list of what it changes."""
    if name is None:
        gone = Change(path=trusted.file, trusted="present", head="removed", effect="after_merge")
        theirs = policy_with_files_of(repository, trusted, tip, head)
        policy, changes = overlay(trusted, theirs, provider_rows(trusted.plugins))
        return policy, (gone, *changes)
    # Named so that its problems, and the places of its new rules, are not taken for the trusted's.
    called = f"{name} (head)"
    theirs, _ = read_untrusted(repository, head, name, called=called, trusted=trusted.plugins)
    return overlay(trusted, theirs, provider_rows(trusted.plugins))


def _no_policy_in_head(repository: Repository, base: str | None, names: Sequence[str]) -> str:
    had = base is not None and present(repository, base, names) is not None
    return "the policy is removed" if had else "the head has no policy"


def _foreign_branch(target: str, trusted: Policy) -> str:
    if target == trusted.baseline.branch:
        return ""
    return (
        f"the target branch {target} is not the policy's baseline branch {trusted.baseline.branch}"
    )


def _untrusted(
    repository: Repository,
    context: Context,
    head: str,
    names: Sequence[str],
    head_name: str | None,
) -> Sources:
    """A change that brings the first policy: shown, not measured, since nobody approved it yet."""
    if head_name is None:
        raise no_policy(names, f"at {context.target_branch} or in the head")
    read, text = read_untrusted(repository, head, head_name, called=head_name, trusted=())
    # Whoever makes a table of providers of this policy must not load what nobody approved.
    policy = replace(read, plugins=())
    return Sources(
        policy=policy,
        policy_text=text,
        context=context,
        refs=_refs(why=f"{context.target_branch} has no policy yet", head=head),
        changes=(),
        stored=lambda _scenario, _target: (),
        root=repository.root,
        commit=head,
        trusted=policy,
        accepted=AcceptedFile(file=accepted_name(policy)),
        not_measured=f"{context.target_branch} has no policy yet; this one counts once merged",
    )
