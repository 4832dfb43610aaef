"""Any other CI: what the pipeline's definition says about a job.

Each CI has words of its own for a pull request, and what is no pull request there is not told from
one that nobody mentioned. So the definition of the pipeline says it, in the same words everywhere:
``LENS_GATE_TARGET_BRANCH`` is the branch that a change goes to, empty where there is no change.
Whose definition counts is the CI's to guard; ``docs/other-ci.md`` has it for each.

Without it the work tree would be trusted, which in a pull request is its author's. A job that looks
like one by its CI's own variables is therefore refused until the definition has spoken.
"""

from collections.abc import Mapping

from lens_gate.errors import LensError
from lens_gate.hosts.checked import branch_name, commit_id, quoted
from lens_gate.records.context import Context

TARGET = "LENS_GATE_TARGET_BRANCH"
HEAD = "LENS_GATE_HEAD"
FORK = "LENS_GATE_FORK"
# A variable that only jobs of pull requests have: the CI, and the variable of the target branch.
SIGNS: Mapping[str, tuple[str, str]] = {
    "CHANGE_TARGET": ("Jenkins", "CHANGE_TARGET"),
    "SYSTEM_PULLREQUEST_TARGETBRANCH": ("Azure Pipelines", "SYSTEM_PULLREQUEST_TARGETBRANCH"),
    "BUILDKITE_PULL_REQUEST": ("Buildkite", "BUILDKITE_PULL_REQUEST_BASE_BRANCH"),
    "CIRCLE_PULL_REQUEST": ("CircleCI", ""),
    "BITBUCKET_PR_ID": ("Bitbucket Pipelines", "BITBUCKET_PR_DESTINATION_BRANCH"),
    "DRONE_PULL_REQUEST": ("Drone", "DRONE_TARGET_BRANCH"),
    "CI_COMMIT_PULL_REQUEST": ("Woodpecker", "CI_COMMIT_TARGET_BRANCH"),
    "TRAVIS_PULL_REQUEST": ("Travis CI", "TRAVIS_BRANCH"),
    "APPVEYOR_PULL_REQUEST_NUMBER": ("AppVeyor", "APPVEYOR_REPO_BRANCH"),
}
_HEADS = "refs/heads/"
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


def speaks(environ: Mapping[str, str]) -> bool:
    """Whether there is something to be settled here: a word of the definition's, or a sign."""
    return any(environ.get(name) for name in (TARGET, HEAD, FORK)) or _sign(environ) is not None


def context(environ: Mapping[str, str]) -> Context:
    """The context of a job that the pipeline's definition describes.

    Without a target branch it is a local run. The head is the commit that is checked out, unless
    ``LENS_GATE_HEAD`` names one.

    Raises:
        LensError: a variable is damaged, or the CI shows a pull request of which the definition
            says nothing.
    """
    if not environ.get(TARGET):
        _refuse_half_said(environ)
        return Context(host="local", event="local", ci=True)
    branch = branch_name(environ[TARGET].removeprefix(_HEADS), TARGET)
    head = environ.get(HEAD, "")
    return Context(
        host="generic",
        event="pull_request",
        target_branch=branch,
        trust_ref=_HEADS + branch,
        head_ref=None if head in ("", "HEAD") else commit_id(head, HEAD),
        is_fork=_is_fork(environ),
        ci=True,
    )


def _refuse_half_said(environ: Mapping[str, str]) -> None:
    """There is no target branch: refuse what makes sense only with one."""
    sign = _sign(environ)
    if sign is not None:
        name, own = SIGNS[sign]
        says = f"`{TARGET}` to the value of `{own}`" if own else f"`{TARGET}`"
        raise LensError(
            f"This is a pull request by {sign} ({name}), and {TARGET} does not say which branch it "
            "goes to: its author's own policy would be followed.",
            f"In the pipeline's definition, set {says}; see docs/other-ci.md. Where nothing in "
            f"the work tree is foreign, unset {sign}.",
        )
    if environ.get(HEAD) or _is_fork(environ):
        name = HEAD if environ.get(HEAD) else FORK
        raise LensError(
            f"{name} is set and {TARGET} is not.",
            f"Set {TARGET} to the branch that the change goes to, or unset {name}.",
        )


def _sign(environ: Mapping[str, str]) -> str | None:
    """The variable by which a CI marks a job as a pull request's, where there is one."""
    return next((name for name in SIGNS if environ.get(name, "").lower() not in _FALSE), None)


def _is_fork(environ: Mapping[str, str]) -> bool:
    """Whether the definition says so.

    No word means no: for a fork a missing key is no error, and a job that ends well is all that
    some of these CIs ask for before they merge.
    """
    value = environ.get(FORK, "")
    if value.strip().lower() in _TRUE | _FALSE:
        return value.strip().lower() in _TRUE
    raise LensError(f"{FORK} is {quoted(value)}.", "Write true or false.")
