"""A saved report in any format: the built-in ones, and those of plug-ins that were named."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, get_args

from lens_gate.errors import LensError
from lens_gate.plugins import FORMATS_GROUP, PROVIDERS_GROUP, PlugIn, named_row, plugged
from lens_gate.records.detail import Bundle
from lens_gate.render.exports.table import FORMATS, Format, Wants
from lens_gate.sinks.parquet import PARQUET

_BUILT_IN: Final[Mapping[str, Format]] = {**FORMATS, PARQUET.name: PARQUET}


def format_rows(plugins: Sequence[str] = ()) -> Mapping[str, Format]:
    """The table of formats, with those that these distributions add.

    Raises:
        LensError: a plug-in is missing or broken, is no format, or takes a built-in's name.
    """
    found = plugged(FORMATS_GROUP, plugins, beside=(PROVIDERS_GROUP,))
    return {**_BUILT_IN, **{name: _checked(name, plug_in) for name, plug_in in found.items()}}


def encoded(how: Format, bundle: Bundle) -> bytes:
    """The report in this format.

    Raises:
        LensError: the format is of requests, which are not there; or a plug-in's mistake.
    """
    if how.wants == "requests" and bundle.requests is None:
        raise LensError(
            f"{how.name} is of requests, and the journal of run {bundle.report.run_id[:60]!a} is "
            "not beside its report",
            "keep run.jsonl in the folder of report.json; both come from `lens-gate gate`",
        )
    return how.encode(bundle)


def _checked(name: str, plug_in: PlugIn) -> Format:
    row = named_row(name, plug_in, Format, word="format", taken=_BUILT_IN)
    if row.wants not in get_args(Wants):
        raise LensError(
            f"the plug-in {plug_in.distribution!r} says that {name!r} wants {row.wants!r}",
            "a format wants the report or the requests",
        )
    return replace(row, encode=_told(row.encode, name, plug_in.distribution))


def _told(
    encode: Callable[[Bundle], bytes], name: str, distribution: str
) -> Callable[[Bundle], bytes]:
    """The function, whose exceptions and misfits become errors that say whose they are."""

    def called(bundle: Bundle) -> bytes:
        complaint = f"the plug-in {distribution!r} failed in the format {name!r}"
        try:
            given: object = encode(bundle)
        except LensError:
            raise
        except Exception as error:  # foreign code raises anything
            raise LensError(
                f"{complaint}: {type(error).__name__}: {error}", "tell its authors"
            ) from error
        if not isinstance(given, bytes):
            raise LensError(
                f"{complaint}: it gave a {type(given).__name__}, not bytes", "tell its authors"
            )
        return given

    return called
