"""GitHub's expression language, as far as workflows of ours use it.

Values are put in once and never read again as expressions: ``${{ secrets.X }}`` in a value stays
the text that it is. Functions and operators that are not here are an error, so that a workflow
can't lean on what only this runner would accept.
"""

import json
import re

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>\d+)|(?P<name>[A-Za-z_][\w.-]*)"
    r"|(?P<sign>\|\||&&|==|!=|[!(),]))"
)


class Expressions:
    """Evaluates against contexts (nested mappings) and the states of steps before."""

    def __init__(self, contexts, *, failed=False):
        self._contexts = contexts
        self._functions = {
            "always": lambda: True,
            "success": lambda: not failed,
            "failure": lambda: failed,
            "cancelled": lambda: False,
            "toJSON": lambda value: json.dumps(value, indent=2),
        }

    def filled(self, text):
        """The text with each ``${{ }}`` replaced by its value."""
        return _EXPRESSION.sub(lambda match: shown(self.value(match[1])), str(text))

    def holds(self, condition):
        """A step's ``if``, with or without ``${{ }}``; without a status function: and success."""
        match = _EXPRESSION.fullmatch(str(condition).strip())
        inner = match[1] if match else str(condition)
        asked = re.search(r"\b(?:always|success|failure|cancelled)\(", inner)
        return bool(self.value(inner)) and (asked is not None or self._functions["success"]())

    def value(self, text):
        self._tokens = []
        position = 0
        text = text.strip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            assert match, f"not understood: {text[position:]!r}"
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        found = self._either()
        assert not self._tokens, f"left over: {self._tokens}"
        return found

    def _take(self, *signs):
        if self._tokens and self._tokens[0][0] == "sign" and self._tokens[0][1] in signs:
            return self._tokens.pop(0)[1]
        return None

    def _either(self):
        left = self._both()
        while self._take("||"):
            right = self._both()
            left = left or right
        return left

    def _both(self):
        left = self._equal()
        while self._take("&&"):
            right = self._equal()
            left = left and right
        return left

    def _equal(self):
        left = self._one()
        sign = self._take("==", "!=")
        if sign is None:
            return left
        same = shown(left).lower() == shown(self._one()).lower()
        return same if sign == "==" else not same

    def _one(self):
        if self._take("!"):
            return not self._one()
        if self._take("("):
            found = self._either()
            assert self._take(")")
            return found
        kind, word = self._tokens.pop(0)
        if kind == "text":
            return word[1:-1].replace("''", "'")
        if kind == "number":
            return int(word)
        assert kind == "name", word
        if self._take("("):
            return self._called(word)
        literals = {"true": True, "false": False, "null": None}
        return literals[word] if word in literals else self._looked_up(word)

    def _called(self, name):
        arguments = []
        while not self._take(")"):
            arguments.append(self._either())
            self._take(",")
        return self._functions[name](*arguments)

    def _looked_up(self, path):
        first, *rest = path.split(".")
        found = self._contexts[first]
        for key in rest:
            found = found.get(key, "") if isinstance(found, dict) else ""
        return found


def shown(value):
    """A value as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
