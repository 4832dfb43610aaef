"""Holds requests and answers against an OpenAPI description: what is not described is a failure."""

import re
from pathlib import Path

import jsonschema
from ruamel.yaml import YAML


class Description:
    """An OpenAPI document, cut down to paths, parameters and JSON bodies.

    ``request`` and ``answer`` raise ``AssertionError`` for what the document does not allow.
    """

    def __init__(self, path: Path) -> None:
        self._document = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))

    def request(self, method, path, query, body):
        operation, found, values = self._operation(method, path)
        parameters = [*found.get("parameters", ()), *operation.get("parameters", ())]
        given = {"path": values, "query": query}
        for place, words in given.items():
            known = {p["name"]: p["schema"] for p in parameters if p["in"] == place}
            assert set(words) <= set(known), f"{method} {path}: {set(words) - set(known)}"
            for name, value in words.items():
                self._hold(value, known[name])
        expected = self._resolved(operation.get("requestBody"))
        assert (body is not None) == (expected is not None), f"{method} {path}: body {body!r}"
        if expected is not None:
            self._hold(body, expected["content"]["application/json"]["schema"])

    def answer(self, method, path, status, data):
        operation, _, _ = self._operation(method, path)
        assert str(status) in operation["responses"], f"{method} {path}: {status}"
        response = self._resolved(operation["responses"][str(status)])
        self._hold(data, response["content"]["application/json"]["schema"])

    def _operation(self, method, path):
        for template, found in self._document["paths"].items():
            match = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template), path)
            if match and method.lower() in found:
                return found[method.lower()], found, match.groupdict()
        raise AssertionError(f"{method} {path} is not described")

    def _resolved(self, node):
        if node is None or "$ref" not in node:
            return node
        found = self._document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return found

    def _hold(self, value, schema):
        try:
            jsonschema.validate(value, {**schema, "components": self._document["components"]})
        except jsonschema.ValidationError as error:
            raise AssertionError(f"{error.message} at {error.json_path}") from None
