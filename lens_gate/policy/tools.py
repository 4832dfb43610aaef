"""Tools: the functions that a model may call, from the policy or from a JSON file."""

from lens_gate.errors import InputError
from lens_gate.policy.document import decode
from lens_gate.policy.findings import Findings
from lens_gate.policy.jsonl import parse_json
from lens_gate.policy.literal_secrets import brief, shown
from lens_gate.policy.node import Node, entries, field, items, json_value
from lens_gate.policy.read import text
from lens_gate.policy.schema import check_tools, json_schema_problem
from lens_gate.policy.shelf import Shelf
from lens_gate.records.json_types import Json
from lens_gate.records.policy import Tool

MAX_FILE_BYTES = 256 * 1024


def build_tools(
    node: Node | None,
    shelf: Shelf,
    known: dict[str, tuple[Tool, ...]],
    findings: Findings,
) -> tuple[Tool, ...]:
    """The tools of a scenario; what is wrong with one is told where it stands.

    ``known`` keeps those of the files already read, by their paths.
    """
    if node is None or not findings.fine(node):
        return ()
    if not isinstance(node.value, str):
        return _listed(node, findings)
    if node.value not in known:
        root = _from_file(node, shelf, findings)
        if root is None:
            return ()
        known[node.value] = _listed(root, findings)
    return known[node.value]


def _listed(listed: Node, findings: Findings) -> tuple[Tool, ...]:
    tools: dict[str, Tool] = {}
    for item in items(listed):
        tool = _tool(item, findings)
        if tool is None:
            continue
        if tool.name in tools:
            findings.add(item.place, f"two tools are called {shown(tool.name)}", "rename one")
        tools[tool.name] = tool
    return tuple(tools.values())


def _from_file(named: Node, shelf: Shelf, findings: Findings) -> Node | None:
    data = shelf.fetch(named, (".json",), findings)
    if data is None:
        return None
    path = text(named)
    try:
        content = decode(data, file=path, limit=MAX_FILE_BYTES)
    except InputError as error:
        findings.problems.update(dict.fromkeys(error.problems))
        return None
    root = parse_json(content, file=path, findings=findings)
    if root is None:
        return None
    check_tools(root, findings)
    return root


def _tool(item: Node, findings: Findings) -> Tool | None:
    """One tool, in our own form or inside OpenAI's ``{type: function, function: ...}``."""
    if not findings.fine(item):
        return None
    wrapped = field(item, "function")
    given = item if wrapped is None else wrapped
    own = [key for key in entries(item) if key not in {"type", "function"}]
    if (wrapped is not None) == bool(own):
        both = "both a name and a function" if own else "neither a name nor a function"
        findings.add(item.place, f"the tool has {both}", "name, description and parameters")
        return None
    name = field(given, "name")
    if name is None and given is item:
        findings.add(item.place, "the tool has no name", "add name: what the model calls")
    if name is None or not findings.fine(given) or not findings.fine(name):
        return None
    parameters = field(given, "parameters")
    schema: dict[str, Json] = {"type": "object", "properties": {}}
    if parameters is not None and findings.fine(parameters):
        _check_parameters(text(name), parameters, findings)
        found = json_value(parameters)
        schema = dict(found) if isinstance(found, dict) else schema
    return Tool(name=text(name), description=text(field(given, "description")), parameters=schema)


def _check_parameters(name: str, parameters: Node, findings: Findings) -> None:
    kind = entries(parameters).get("type")
    if kind is None or text(kind.node) != "object":
        place = kind.node.place if kind else parameters.place
        hint = "parameters: {type: object, properties: {...}}"
        findings.add(place, f"the parameters of {brief(name)} are not of type object", hint)
        return
    bad = json_schema_problem(parameters)
    if bad is not None:
        hint = "parameters are a JSON Schema of draft 2020-12"
        findings.add(bad.place, f"the parameters of {brief(name)} are no JSON Schema here", hint)
