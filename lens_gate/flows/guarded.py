"""A plug-in's row, so that its mistakes are told as its own and never cost a run its bookkeeping.

What it does before a request is sent ends the run with its name. What it does with an answer makes
that request a failure. An answer's bytes are never in doubt: they were timed before.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, ParamSpec, TypeVar

from lens_gate.errors import LensError
from lens_gate.providers.failures import clean
from lens_gate.providers.interface import Decoder, Provider, Watch
from lens_gate.records.exchange import (
    Endpoint,
    Failure,
    HttpRequest,
    ResponseHead,
    StreamEvent,
)
from lens_gate.transport import Redactor

_HINT: Final = "tell its authors"
_Asked = ParamSpec("_Asked")
_Given = TypeVar("_Given")


def guarded(row: Provider, distribution: str) -> Provider:
    """The row with its functions watched over; ``distribution`` is named where one fails."""

    def told(
        name: str,
        function: Callable[_Asked, _Given],
        fits: Callable[[_Given], bool] = lambda _given: True,
    ) -> Callable[_Asked, _Given]:
        return _told(f"the plug-in {distribution!r} failed in {name}", function, fits)

    def watch(head: ResponseHead) -> Watch:
        return told("watch", row.watch(head))

    return replace(
        row,
        encode=told("encode", row.encode, lambda made: isinstance(made, HttpRequest)),
        bound_input=told("bound_input", row.bound_input, _is_a_bound),
        watch=told("watch", watch),
        failure=_telling(row.failure, distribution),
        decoder=_reading(row.decoder, distribution, "decoder"),
        whole=None if row.whole is None else _reading(row.whole, distribution, "whole"),
        server_times=told("server_times", row.server_times),
        rate_limits=told("rate_limits", row.rate_limits),
        relax=told("relax", row.relax),
        refuse=told("refuse", row.refuse),
        unfit=told("unfit", row.unfit),
        regional=None if row.regional is None else told("regional", row.regional),
    )


def _told(
    complaint: str, function: Callable[_Asked, _Given], fits: Callable[[_Given], bool]
) -> Callable[_Asked, _Given]:
    """The function, whose exceptions and misfits become errors that say whose they are."""

    def called(*args: _Asked.args, **kwargs: _Asked.kwargs) -> _Given:
        try:
            given = function(*args, **kwargs)
        except LensError:
            raise
        except Exception as error:  # noqa: BLE001  # foreign code raises anything
            # Without its cause: a traceback would show what is taken out here.
            words = _without_headers(_words(error), args)
            raise LensError(f"{complaint}: {words}", _HINT) from None
        if not fits(given):
            raise LensError(f"{complaint}: it gave {_shown(given)}", _HINT)
        return given

    return called


def _without_headers(words: str, args: tuple[object, ...]) -> str:
    """The words without values of headers: some are secret, and none says what went wrong."""
    given = [value for arg in args if isinstance(arg, Endpoint) for value in arg.headers.values()]
    return Redactor(given)(words) if given else words


def _is_a_bound(tokens: int) -> bool:
    """Money rests on it: a whole number that is not negative, and no boolean."""
    return type(tokens) is int and tokens >= 0


def _telling(
    failure: Callable[[ResponseHead, bytes], Failure], distribution: str
) -> Callable[[ResponseHead, bytes], Failure]:
    def called(head: ResponseHead, body: bytes) -> Failure:
        try:
            given: object = failure(head, body)
        except Exception as error:  # noqa: BLE001  # foreign code raises anything
            return _lost(distribution, "failure", _words(error), head)
        if isinstance(given, Failure):
            return given
        return _lost(distribution, "failure", f"it gave {_shown(given)}", head)

    return called


def _reading(
    make: Callable[[ResponseHead], Decoder], distribution: str, function: str
) -> Callable[[ResponseHead], Decoder]:
    return lambda head: _Reading(make, head, distribution, function)


class _Reading:
    """A decoder that says of itself when it fails; after that it reads no more."""

    def __init__(
        self,
        make: Callable[[ResponseHead], Decoder],
        head: ResponseHead,
        distribution: str,
        function: str,
    ) -> None:
        self._make = make
        self._head = head
        self._named = distribution, function
        self._decoder: Decoder | None = None
        self._failed = False
        self.at_boundary = True
        """Whether no event is under way; true where the decoder does not say."""

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        return self._read(lambda decoder: decoder.feed(data))

    def close(self) -> Sequence[StreamEvent]:
        return self._read(lambda decoder: decoder.close())

    def _read(self, work: Callable[[Decoder], Sequence[StreamEvent]]) -> Sequence[StreamEvent]:
        if self._failed:
            return ()
        try:
            if self._decoder is None:
                self._decoder = self._make(self._head)
            events = _events(work(self._decoder))
            self.at_boundary = bool(getattr(self._decoder, "at_boundary", True))
        except Exception as error:  # noqa: BLE001  # foreign code raises anything
            self._failed = True
            lost = _lost(*self._named, _words(error), self._head)
            return [StreamEvent(kind="error", failure=lost)]
        return events


def _events(given: Sequence[object]) -> list[StreamEvent]:
    events = [event for event in given if isinstance(event, StreamEvent)]
    if len(events) != len(given):
        raise TypeError("not all that it gave are StreamEvents")
    return events


def _lost(distribution: str, function: str, words: str, head: ResponseHead) -> Failure:
    detail = f"the plug-in {distribution!r} failed in {function}: {words}"
    return Failure(status="client", detail=clean(detail), http_status=head.status)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _shown(given: object) -> str:
    """A number as it is; of anything else the kind alone, since it may hold a prompt."""
    return repr(given) if isinstance(given, int | float) else f"a {type(given).__name__}"
