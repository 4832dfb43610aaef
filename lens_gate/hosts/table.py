"""The hosts: one visible table, one row each, asked in this order; the last one is everywhere.

A host's row decides whose policy is trusted, so it can't be chosen by a policy. One of somebody
else's is chosen by the workflow: ``LENS_GATE_HOST`` names an installed distribution that has one
entry point in the group ``lens_gate.hosts``. Nothing else is loaded, and the names of the rows here
are taken.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol, cast

from lens_gate.errors import LensError
from lens_gate.hosts import generic, github, gitlab
from lens_gate.plugins import HOSTS_GROUP, PlugIn, plugged
from lens_gate.records.context import Context
from lens_gate.records.publication import Publication, Published, Wish

CHOICE: Final = "LENS_GATE_HOST"
_FALSE: Final = frozenset({"", "0", "false", "no", "off"})

Environ = Mapping[str, str]
ReadEvent = Callable[[str], bytes]


class Publish(Protocol):
    """Posts what is wished for. It raises nothing of the world: that is a line in ``problems``."""

    def __call__(
        self, context: Context, publication: Publication, wish: Wish, environ: Environ
    ) -> Published:
        """What came of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A kind of CI.

    Attributes:
        name: What its contexts say as ``host``.
        detects: Whether a job with this environment runs there.
        context: What it says of the job; raises a ``LensError`` where nothing can be trusted.
        publish: Posts a gate's answer there.
    """

    name: str
    detects: Callable[[Environ], bool]
    context: Callable[[Environ, ReadEvent], Context]
    publish: Publish


def host_of(environ: Environ) -> Host:
    """The row of the host that runs this job.

    Raises:
        LensError: ``LENS_GATE_HOST`` names what is no plug-in for a host, or a broken one.
    """
    wanted = environ.get(CHOICE, "").strip()
    if wanted:
        return _plugged_host(wanted)
    return next(row for row in HOSTS.values() if row.detects(environ))


def _on_github(environ: Environ) -> bool:
    return environ.get("GITHUB_ACTIONS") == "true"


def _on_gitlab(environ: Environ) -> bool:
    return environ.get("GITLAB_CI") == "true"


def _anywhere(environ: Environ) -> bool:
    del environ
    return True


def _gitlab_context(environ: Environ, read_event: ReadEvent) -> Context:
    del read_event  # all of it is in the environment
    return gitlab.context(environ)


def _generic_context(environ: Environ, read_event: ReadEvent) -> Context:
    del read_event
    return generic.context(environ)


def _local_context(environ: Environ, read_event: ReadEvent) -> Context:
    del read_event
    ci = environ.get("CI", "").strip().lower() not in _FALSE
    return Context(host="local", event="local", ci=ci)


def _to_github(
    context: Context, publication: Publication, wish: Wish, environ: Environ
) -> Published:
    from lens_gate.hosts import github_publish  # noqa: PLC0415  # requests, which most verbs save

    return github_publish.publish(context, publication, wish, environ)


def _to_gitlab(
    context: Context, publication: Publication, wish: Wish, environ: Environ
) -> Published:
    from lens_gate.hosts import gitlab_publish  # noqa: PLC0415  # likewise

    return gitlab_publish.publish(context, publication, wish, environ)


def _nowhere(context: Context, publication: Publication, wish: Wish, environ: Environ) -> Published:
    del context, publication, wish, environ
    return Published()


HOSTS: Final[Mapping[str, Host]] = {
    row.name: row
    for row in (
        Host(name="github", detects=_on_github, context=github.context, publish=_to_github),
        Host(name="gitlab", detects=_on_gitlab, context=_gitlab_context, publish=_to_gitlab),
        Host(name="generic", detects=generic.speaks, context=_generic_context, publish=_nowhere),
        Host(name="local", detects=_anywhere, context=_local_context, publish=_nowhere),
    )
}


def _plugged_host(wanted: str) -> Host:
    if wanted in HOSTS:
        raise LensError(
            f"{CHOICE} is {wanted!r}, which is built in.",
            f"Remove {CHOICE}: built-in hosts are found by the variables that they set.",
        )
    try:
        found = plugged(HOSTS_GROUP, (wanted,))
    except LensError as error:
        raise LensError(
            f"{CHOICE}: {error.message}.",
            f"Install that distribution in the environment of lens-gate, or remove {CHOICE}.",
        ) from error
    if len(found) != 1:
        raise LensError(
            f"{wanted!r} has {len(found)} entry points in the group {HOSTS_GROUP!r}.",
            "A distribution is one host; its authors must split it.",
        )
    ((name, plug_in),) = found.items()
    return _guarded(_checked(name, plug_in), wanted)


def _checked(name: str, plug_in: PlugIn) -> Host:
    row = plug_in.row
    if not isinstance(row, Host):
        raise LensError(
            f"The plug-in {plug_in.distribution!r} gives a {type(row).__name__} as {name!r}, "
            "no host.",
            "Its entry point must name a lens_gate.hosts.table.Host.",
        )
    if row.name != name or name in HOSTS:
        raise LensError(
            f"The plug-in {plug_in.distribution!r} calls its host {row.name!r} in its row and "
            f"{name!r} as an entry point.",
            f"Both must be the same name, and none of {', '.join(HOSTS)}.",
        )
    return row


def _guarded(row: Host, distribution: str) -> Host:
    """The row with its faults told as its own: foreign code raises anything."""

    def context(environ: Environ, read_event: ReadEvent) -> Context:
        try:
            found = cast("object", row.context(environ, read_event))
        except LensError:
            raise
        except Exception as error:
            raise _broken(distribution, f"raised {type(error).__name__}") from error
        if not isinstance(found, Context) or found.host != row.name:
            raise _broken(distribution, "gives no context of its own")
        return found

    def publish(
        context: Context, publication: Publication, wish: Wish, environ: Environ
    ) -> Published:
        try:
            found = cast("object", row.publish(context, publication, wish, environ))
        except Exception as error:  # noqa: BLE001  # publishing never changes an outcome
            fault = _broken(distribution, f"raised {type(error).__name__}")
        else:
            if isinstance(found, Published):
                return found
            fault = _broken(distribution, f"gives a {type(found).__name__}, no Published")
        return Published(problems=(f"{fault.message} {fault.hint}",))

    return replace(row, context=context, publish=publish)


def _broken(distribution: str, what: str) -> LensError:
    return LensError(
        f"The host of the plug-in {distribution!r} {what}.",
        f"Tell its authors, or remove {CHOICE}.",
    )
