"""The functions that a model may call: in the policy or a JSON file, checked where they stand."""

import json

import pytest

from lens_gate.records.policy import Tool

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def with_tools(small, tools):
    """The small policy with these tools, in line 12 from column 12 on."""
    return small.replace("prompts: [Hello]", f"prompts: [Hello]\n    tools: {tools}")


@pytest.fixture
def tools_of(load_text, small):
    def read(tools, **files):
        named = {name.replace("_", "."): content for name, content in files.items()}
        return load_text(with_tools(small, tools), named).scenarios["chat"].tools

    return read


def test_tools_of_the_policy(tools_of):
    listed = [{"name": "weather", "description": "Now.", "parameters": CITY}, {"name": "time"}]
    assert tools_of(json.dumps(listed)) == (
        Tool(name="weather", description="Now.", parameters=CITY),
        Tool(name="time", description="", parameters={"type": "object", "properties": {}}),
    )
    assert tools_of("null") == ()


def test_tools_of_a_file_in_each_form_of_openai(tools_of):
    listed = [
        {"type": "function", "function": {"name": "a", "description": "A", "parameters": CITY}},
        {"type": "function", "name": "b", "parameters": CITY},
    ]
    found = tools_of("t.json", t_json="\ufeff" + json.dumps(listed, indent="\t"))
    assert found == (
        Tool(name="a", description="A", parameters=CITY),
        Tool(name="b", description="", parameters=CITY),
    )


def test_numbers_of_a_schema_stay_numbers(tools_of):
    (tool,) = tools_of(
        "[{name: a, parameters: {type: object, properties: "
        "{x: {type: number, minimum: 0.5, maximum: 4}}}}]"
    )
    assert tool.parameters["properties"] == {"x": {"type": "number", "minimum": 0.5, "maximum": 4}}


@pytest.mark.parametrize(
    ("tools", "at", "message", "hint"),
    [
        ("[{}]", "{}", "the tool has neither a name nor a function", "name, description"),
        ("[{type: function}]", "{type", "the tool has neither a name nor a function", ""),
        ("[{name: a, function: {name: b}}]", "{name: a", "the tool has both a name and", ""),
        ("[{description: a}]", "{desc", "the tool has no name", "add name"),
        ("[{function: {description: a}}]", "{desc", "function has no name", "add name"),
        ("[{name: a b}]", "a b", "name must be letters, digits, underscores", ""),
        ("[{name: a}, {name: a}]", "{name: a}]", "two tools are called 'a'", "rename"),
        ("[{name: a, type: web_search}]", "web_s", "type must be function", ""),
        ("[{name: a, strict: true}]", "strict", "entry 1 of tools has no key 'strict'", ""),
        ("[{name: a, parameters: 3}]", "3", "parameters must be a JSON Schema of type obj", ""),
        (
            "[{name: a, parameters: {}}]",
            "{}",
            "the parameters of a are not of type object",
            "properties",
        ),
        (
            "[{name: a, parameters: {type: string}}]",
            "string",
            "the parameters of a are not of type object",
            "",
        ),
        (
            "[{name: a, parameters: {type: object, properties: {x: {type: strin}}}}]",
            "strin",
            "the parameters of a are no JSON Schema here",
            "2020-12",
        ),
        (
            "[{name: a, parameters: {type: object, required: city}}]",
            "city",
            "the parameters of a are no JSON Schema here",
            "",
        ),
        ("[]", "[]", "tools is empty", ""),
        ("[a]", "a]", "entry 1 of tools must be a mapping of name", ""),
        ("{name: a}", "{", "tools must be the path of a .json file", ""),
        ("t.yaml", "t", "the path 't.yaml' does not end in .json", ""),
        ("../t.json", "..", "the path '../t.json' leads out", ""),
        ("no.json", "no", "there is no file no.json", "look"),
    ],
)
def test_what_is_wrong_with_tools_of_the_policy(only_problem, small, tools, at, message, hint):
    problem = only_problem(with_tools(small, tools))
    assert (problem.file, problem.line) == ("lens-gate.yaml", 12)
    assert problem.column == 12 + tools.index(at)
    assert problem.message.startswith(message)
    assert hint in problem.hint


@pytest.mark.parametrize(
    ("content", "line", "column", "message"),
    [
        ("", 1, 1, "not JSON: it ends too early"),
        ("[\n  {\n", 3, 1, "not JSON: a key in double quotes"),
        ("[\n]\n[]", 3, 1, "not JSON: something follows the value; a file holds one"),
        ("{\n}", 1, 1, "the file must be a list of at least one tool, not a mapping"),
        ("[]", 1, 1, "the file is empty"),
        ('[\n  {"name": "a"},\n  {"name": "a"}\n]', 3, 3, "two tools are called 'a'"),
        ('[\n  {"name": "a", "name": "b"}\n]', 2, 17, "the key 'name' is here a second time"),
        (
            '[\n  {"name": "a", "parameters":\n    {"type": "object", "properties": []}}\n]',
            3,
            38,
            "the parameters of a are no JSON Schema here",
        ),
        (b"[\n\xff", 2, 1, "byte 0xff is not UTF-8"),
        ("[" + " " * 300_000, 0, 0, "the file is larger than 256 KiB"),
        ("[" * 100, 1, 66, "not JSON: it is nested deeper than 64 levels"),
        ("[" + "0," * 10_001 + "0]", 1, 20_000, "not JSON: there are more than 10000 values"),
    ],
)
def test_what_is_wrong_with_a_file_of_tools(only_problem, small, content, line, column, message):
    problem = only_problem(with_tools(small, "t.json"), {"t.json": content})
    assert (problem.file, problem.line, problem.column) == ("t.json", line, column)
    assert problem.message.startswith(message)


def test_a_secret_among_tools_is_told(problems_of, small):
    secret = "sk-" + "Ab1Cd2Ef3Gh4Ij5Kl6Mn"
    told = problems_of(with_tools(small, f"[{{name: a, description: '{secret}'}}]"))
    assert [p.message for p in told] == ["this looks like a secret"]
