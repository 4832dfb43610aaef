"""What a plain YAML word stands for: the core schema of YAML 1.2, numbers kept exact.

YAML 1.1 readers see more in a word: ``on`` and ``yes`` as true, ``1_000`` and ``1:30`` as numbers,
``010`` as eight, a date as a date. Here all of these are text, but for ``010``: it is one number to
some readers and another to others, so it is refused.
"""

import re
from decimal import Decimal

from lens_gate.policy.node import Scalar

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_AMBIGUOUS = re.compile(r"[-+]?0[0-9]+")

MAX_DIGITS = 40
MAX_EXPONENT = 30


def resolve(word: str) -> Scalar:
    """The value of a plain (unquoted) word.

    Raises:
        ValueError: the word is a number that can't be used; the message says why.
    """
    if word in _NULL:
        return None
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    if _NOT_FINITE.fullmatch(word):
        raise ValueError("is not a finite number")
    if word[0] not in "+-.0123456789":
        return word
    if _OCTAL.fullmatch(word) or _HEX.fullmatch(word):
        return _sized(word, int(word[:MAX_DIGITS], 0))
    if _FLOAT.fullmatch(word):
        return number(word)
    return word


def number(word: str) -> int | Decimal:
    """The exact value of decimal digits: ``int`` without a point or exponent, else ``Decimal``.

    Raises:
        ValueError: it has a leading zero, or more digits or exponent than any quantity here.
    """
    if _AMBIGUOUS.fullmatch(word):
        raise ValueError("has a leading zero: readers disagree whether it is octal")
    if len(word) > MAX_DIGITS:
        raise ValueError(f"is a number of more than {MAX_DIGITS} digits")
    if _INT.fullmatch(word):
        return int(word)
    exponent = word.lower().partition("e")[2]
    if exponent and abs(int(exponent)) > MAX_EXPONENT:
        raise ValueError("is a number out of any useful range")
    return Decimal(word)


def _sized(word: str, value: int) -> int:
    if len(word) > MAX_DIGITS:
        raise ValueError(f"is a number of more than {MAX_DIGITS} digits")
    return value
