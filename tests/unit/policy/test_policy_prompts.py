import json

import pytest

from lens_gate.policy import prompts as room
from lens_gate.policy.findings import MAX_PROBLEMS, Findings
from lens_gate.policy.load import load
from lens_gate.policy.prompts import prompts_from_file as read_prompts
from lens_gate.policy.shelf import Shelf
from lens_gate.providers.table import PROVIDERS


def prompts_from_file(data, *, file, findings):
    return read_prompts(data, file=file, findings=findings, shelf=Shelf(read_file=no_file))


def no_file(path):
    raise AssertionError(f"{path} is named nowhere")


def read(*lines):
    """Prompts and problems (line, column, message) of a file of these lines."""
    findings = Findings()
    data = "\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines).encode()
    found = prompts_from_file(data, file="p.jsonl", findings=findings)
    return found.prompts, [(p.line, p.column, p.message) for p in findings.problems]


def said(prompt):
    return [(message.role, message.content) for message in prompt.messages]


def test_rows():
    prompts, problems = read(
        {"id": "a", "prompt": "Hi", "max_output_tokens": 9},
        "",
        "  \r",
        {
            "id": 7,
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Yes?"},
                {"role": "user", "content": "Well."},
            ],
        },
    )
    assert problems == []
    assert [(p.id, p.max_output_tokens) for p in prompts] == [("a", 9), ("7", None)]
    assert said(prompts[0]) == [("user", "Hi")]
    assert [role for role, _ in said(prompts[1])] == ["system", "user", "assistant", "user"]


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter():
    findings = Findings()
    data = b'\xef\xbb\xbf{"prompt": "a"}\r\n{"prompt": "b"}\r\n'
    found = prompts_from_file(data, file="p.jsonl", findings=findings)
    assert not findings.problems
    assert [said(p)[0][1] for p in found.prompts] == ["a", "b"]


def test_templates_stand_for_the_variables_of_their_row():
    prompts, problems = read(
        {"prompt": "{{name}} is {{ age }}", "variables": {"name": "{{age}}", "age": 4}},
        {"prompt": "{{price}} { {x} } {{x}", "variables": {"price": 0.10}},
    )
    assert problems == []
    assert [said(p)[0][1] for p in prompts] == ["{{age}} is 4", "0.1 { {x} } {{x}"]


def test_a_number_keeps_its_digits():
    prompts, _ = read('{"prompt": "{{p}}", "variables": {"p": 0.10}}')
    assert said(prompts[0]) == [("user", "0.10")]


def test_ids_are_given_or_hashed_or_positions():
    same = {"prompt": "{{x}}", "variables": {"x": "1", "y": "2"}}
    other_order = {"prompt": "again {{x}}", "variables": {"y": "2", "x": "1"}}
    (given, hashed, plain), _ = read({"id": "g", **same}, same, {"prompt": "p"})
    assert given.id == "g"
    assert len(hashed.id) == 12
    assert plain.id == "3-of-3"
    (reordered,), _ = read(other_order)
    assert reordered.id == hashed.id


def test_positions_never_pair_files_of_different_length():
    two, _ = read({"prompt": "a"}, {"prompt": "b"})
    three, _ = read({"prompt": "x"}, {"prompt": "a"}, {"prompt": "b"})
    assert not {p.id for p in two} & {p.id for p in three}


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("{", 2, "not JSON"),
        ('{"prompt": NaN}', 12, "NaN"),
        ('{"prompt": "a", "prompt": "b"}', 17, "second time"),
        ('{"prompt": "a"} x', 17, "follows"),
        ("[]", 1, "the row must be a mapping with prompt or messages, not a list"),
        ("null", 1, "the row must be a mapping"),
        ('"text"', 1, "the row must be a mapping"),
        ("{}", 1, "neither prompt nor messages"),
        ('{"prompt": "a", "messages": [{"role": "user", "content": "b"}]}', 1, "both"),
        ('{"promt": "a"}', 2, "no key 'promt'"),
        ('{"prompt": 3}', 12, "prompt must be a text"),
        ('{"prompt": " \\n"}', 12, "the prompt is empty"),
        ('{"prompt": "{{x}}", "variables": {"x": " "}}', 12, "the prompt is empty"),
        ('{"messages": []}', 14, "messages is empty"),
        ('{"messages": [{"role": "robot", "content": "a"}]}', 24, "role must be system, user"),
        ('{"messages": [{"role": "user"}]}', 15, "has no content"),
        ('{"messages": [{"role": "user", "content": ""}]}', 43, "the prompt is empty"),
        (
            '{"messages": [{"role": "user", "content": ["a"]}]}',
            44,
            "entry 1 of content must be a mapping",
        ),
        ('{"messages": [{"role": "system", "content": "a"}]}', 1, "asks nothing"),
        (
            '{"messages": [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]}',
            1,
            "system message stands behind",
        ),
        ('{"prompt": "{{nmae}}", "variables": {"name": "x"}}', 12, "no variable 'nmae'"),
        ('{"prompt": "{{x}}"}', 12, "no variable 'x'"),
        ('{"prompt": "a", "variables": {"x": [1]}}', 36, "x must be a text or a number"),
        ('{"prompt": "a", "variables": {"x y": 1}}', 31, "the key 'x y' must be letters"),
        ('{"prompt": "a", "id": ""}', 23, "id must be a text"),
        ('{"prompt": "a", "id": "a b"}', 23, "id must be a text"),
        ('{"prompt": "a", "id": 1.5}', 23, "id must be a text"),
        ('{"prompt": "a", "id": true}', 23, "id must be a text"),
        ('{"prompt": "a", "max_output_tokens": 0}', 38, "max_output_tokens must be a whole"),
    ],
)
def test_what_is_wrong_with_a_row_is_told_by_line_and_column(line, column, message):
    _, problems = read({"id": "fine", "prompt": "a"}, line)
    assert len(problems) == 1, problems
    assert problems[0][:2] == (2, column)
    assert message in problems[0][2]


def test_duplicate_ids_name_the_first():
    findings = Findings()
    data = b'{"id": "a", "prompt": "x"}\n{"id": "b", "prompt": "x"}\n{"id": "a", "prompt": "y"}'
    prompts_from_file(data, file="p.jsonl", findings=findings)
    (problem,) = findings.problems
    assert (problem.line, "'a'" in problem.message, "line 1" in problem.hint) == (3, True, True)


def test_equal_variables_make_equal_ids():
    row = {"prompt": "{{x}}", "variables": {"x": 1}}
    _, problems = read(row, row)
    assert [line for line, _, _ in problems] == [2]


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_a_file_without_prompts(data):
    findings = Findings()
    prompts_from_file(data, file="p.jsonl", findings=findings)
    assert [p.message for p in findings.problems] == ["the file holds no prompt"]


def test_the_largest_text_of_a_row_is_bounded_before_it_is_made():
    row = {"prompt": "{{a}}" * 10_000, "variables": {"a": "x" * 10_000}}
    _, problems = read(row)
    assert "characters" in problems[0][2]


def test_many_problems_are_cut_with_a_word():
    _, problems = read(*["{}"] * 1000)
    assert len(problems) == MAX_PROBLEMS + 1
    assert "may be more" in problems[-1][2]
    _, problems = read(*["x"] * 1000)
    assert len(problems) == MAX_PROBLEMS + 1


def test_the_number_of_rows_is_bounded(monkeypatch):
    monkeypatch.setattr(room, "MAX_ROWS", 3)
    prompts, problems = read(*[{"prompt": "a"}] * 5)
    assert len(prompts) == 3
    assert problems == [(4, 1, "there are more than 3 prompts")]


def chat(small, prompts, more=""):
    return small.replace("prompts: [Hello]", f"prompts: {prompts}{more}")


def test_inline_rows_are_texts_or_mappings(load_text, small):
    rows = (
        "[Hi, {id: b, prompt: 'Yo {{n}}', variables: {n: 1}},"
        " {messages: [{role: user, content: x}]}]"
    )
    found = load_text(chat(small, rows)).scenarios["chat"].prompts
    assert [p.id for p in found] == ["1-of-3", "b", "3-of-3"]
    assert [said(p)[-1][1] for p in found] == ["Hi", "Yo 1", "x"]


def test_inline_problems_have_their_places(problems_of, small):
    found = problems_of(chat(small, "[' ', {prompt: '{{x}}'}, {}]"))
    assert [(p.line, p.column) for p in found] == [(11, 15), (11, 29), (11, 39)]


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("../p.jsonl", "'..'"),
        ("/etc/p.jsonl", "relative"),
        ("p.json", "does not end in .jsonl"),
        (".git/p.jsonl", "git's own"),
        ("none.jsonl", "there is no file none.jsonl"),
        ("'https://x.y/p.jsonl?key=1'", ""),
    ],
)
def test_files_that_can_not_be_named(only_problem, small, path, word):
    problem = only_problem(chat(small, path))
    assert word in problem.message
    assert (problem.line, problem.column) == (11, 14)


def test_a_file_that_is_not_utf_8(only_problem, small):
    problem = only_problem(chat(small, "p.jsonl"), {"p.jsonl": b'{"prompt": "a"}\n{"p\xff'})
    assert str(problem).startswith("p.jsonl:2:4: byte 0xff")


def test_a_file_that_two_scenarios_name_is_told_once(problems_of, small):
    two = chat(small, "p.jsonl") + "  more:\n    targets: [mini]\n    prompts: p.jsonl\n"
    assert len(problems_of(two, {"p.jsonl": "{}"})) == 1


def test_a_file_that_two_scenarios_name_is_read_once(small):
    two = chat(small, "p.jsonl") + "  more:\n    targets: [mini]\n    prompts: p.jsonl\n"
    read = []

    def read_file(path):
        read.append(path)
        return b'{"prompt": "x"}'

    policy = load(two.encode(), file="p.yaml", read_file=read_file, providers=PROVIDERS)
    assert read == ["p.jsonl"]
    assert policy.scenarios["chat"].prompts == policy.scenarios["more"].prompts


def test_one_system_prompt_is_enough(only_problem, load_text, small):
    row = '{"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]}'
    files = {"p.jsonl": f'{{"prompt": "x"}}\n{row}'}
    load_text(chat(small, "p.jsonl"), files)
    problem = only_problem(chat(small, "p.jsonl", "\n    system: c"), files)
    assert "both bring a system prompt" in problem.message
    assert "line 2 of p.jsonl" in problem.hint


def test_a_row_without_variables_says_so_in_a_sentence():
    findings = Findings()
    prompts_from_file(b'{"prompt": "{{x}}"}', file="p.jsonl", findings=findings)
    assert [problem.hint for problem in findings.problems] == [
        "variables of this row: none; to send braces as they are, put them into a variable"
    ]
