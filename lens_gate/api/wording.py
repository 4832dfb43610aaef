"""What the policy's keys are called in a call: its messages come in the words of its arguments."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from lens_gate.errors import InputError, LensError

IN_A_MEASUREMENT: Final[Mapping[str, str]] = {
    "budget.max_usd": "max_usd",
    "budget.max_duration": "max_duration",
    "samples.max": "requests",
}
IN_A_COMPARISON: Final[Mapping[str, str]] = {
    **IN_A_MEASUREMENT,
    "samples.max": "pairs",
    "samples.min of the gating cells": "the least that is looked at",
    ", and the budget with it,": ", and max_usd with it,",
    "set max_regression to": "give it a margin of",
    "say may_be_inconclusive: true": 'give the rule {"may_be_inconclusive": True}',
    " or samples.min": "",
}


@contextmanager
def hinted() -> Iterator[None]:
    """Have an error's hint in its traceback: in a library nobody else prints it."""
    try:
        yield
    except LensError as error:
        if error.hint:
            error.add_note(error.hint)
        raise


@contextmanager
def worded(words: Mapping[str, str]) -> Iterator[None]:
    """Have the hints and messages of errors say what the caller can set."""
    try:
        yield
    except InputError:
        raise  # of a file, whose words are its own
    except LensError as error:
        message, hint = (_worded(text, words) for text in (error.message, error.hint))
        if (message, hint) == (error.message, error.hint):
            raise
        raise type(error)(message, hint) from None


def _worded(text: str, words: Mapping[str, str]) -> str:
    for theirs, ours in words.items():
        text = text.replace(theirs, ours)
    return text
