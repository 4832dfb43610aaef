"""What a scenario sends: rows of CSV and plain text, templates, and prompts made up to a length."""

import pytest

from lens_gate.policy import shelf, synthetic, templates
from lens_gate.policy.load import load
from lens_gate.providers.table import PROVIDERS


def with_prompts(small, prompts, more=""):
    """The small policy with these prompts, in line 11 from column 14 on."""
    return small.replace("prompts: [Hello]", f"prompts: {prompts}{more}")


def said(prompt):
    return [(message.role, message.content) for message in prompt.messages]


@pytest.fixture
def prompts_of(load_text, small):
    def read(prompts, more="", **files):
        named = {name.replace("_", "."): content for name, content in files.items()}
        return load_text(with_prompts(small, prompts, more), named).scenarios["chat"].prompts

    return read


# --- CSV ----------------------------------------------------------------------------------------


def test_columns_of_a_csv_are_prompts_and_variables(prompts_of):
    rows = (
        "id,prompt,system,max_output_tokens,city\r\n"
        'a,"Hi, {{city}}",Be brief.,9,"Oslo\r\nWest"\r\n'
        "\r\n"
        ',"Say ""{{city}}""",,,Rome\r\n'
    )
    first, second = prompts_of("p.csv", p_csv=rows)
    assert (first.id, first.max_output_tokens) == ("a", 9)
    assert said(first) == [("system", "Be brief."), ("user", "Hi, Oslo\r\nWest")]
    assert (len(second.id), second.max_output_tokens) == (12, None)
    assert said(second) == [("user", 'Say "Rome"')]


def test_a_line_separator_of_unicode_ends_no_row(prompts_of):
    (only,) = prompts_of("p.csv", p_csv="prompt\none\u2028two\x0b\x0cthree\n")
    assert said(only) == [("user", "one\u2028two\x0b\x0cthree")]


def test_a_csv_begins_with_a_mark_and_ends_without_a_line(prompts_of):
    (only,) = prompts_of("p.csv", p_csv=b"\xef\xbb\xbfprompt\nx")
    assert said(only) == [("user", "x")]


@pytest.mark.parametrize(
    ("rows", "line", "message", "hint"),
    [
        ("prompt,a\nx\n", 2, "the row has 1 cells, and the first line names 2", "double quotes"),
        ('prompt\n"x\ny\n', 2, "not CSV: unexpected end of data", "double quotes"),
        ('prompt\nx\n"a"b\n', 3, "not CSV", "double quotes"),
        (f"{','.join(map(str, range(1001)))}\nx\n", 1, "names more than 1000 columns", ""),
        ("prompt,prompt\nx,y\n", 1, "two columns are called 'prompt'", "the first line"),
        ("prompt,\nx,y\n", 1, "a column has no name", "the first line"),
        ("city\nOslo\n", 2, "the row has neither prompt nor messages", "give one"),
        ("prompt,a b\nx,y\n", 2, "the key 'a b' must be letters", ""),
        ("prompt,max_output_tokens\nx,many\n", 2, "max_output_tokens must be a whole", ""),
        ("prompt,max_output_tokens\nx,0\n", 2, "max_output_tokens must be a whole", ""),
        ("prompt,id\nx,a\ny,a\n", 3, "the prompt 'a' is here a second time", "line 2"),
        ("prompt,id\nx,a b\n", 2, "id must be a text", ""),
        ('prompt\n"a\nb"\n" "\n{{x}}\n', 5, "the row has no variable 'x'", "none"),
        ("prompt\n", 0, "the file holds no prompt", "a line with the names of the columns"),
        ("", 0, "the file holds no prompt", ""),
        ("prompt\n" + "x" * 140_000, 2, "not CSV: field larger", ".jsonl"),
    ],
)
def test_what_is_wrong_with_a_csv_is_told_by_line(problems_of, small, rows, line, message, hint):
    problem = problems_of(with_prompts(small, "p.csv"), {"p.csv": rows})[-1]
    assert (problem.file, problem.line, problem.column) == ("p.csv", line, min(line, 1))
    assert message in problem.message
    assert hint in problem.hint


# --- plain text ---------------------------------------------------------------------------------


def test_a_line_of_text_is_a_prompt(prompts_of):
    found = prompts_of("p.txt", p_txt="  One?\r\n\n \nTwo, --- and more?")
    assert [said(p)[0][1] for p in found] == ["One?", "Two, --- and more?"]
    assert [p.id for p in found] == ["1-of-2", "2-of-2"]


def test_lines_of_dashes_part_longer_prompts(prompts_of):
    found = prompts_of("p.txt", p_txt="---\n\nOne\n\n  two\n---  \r\n---\nThree\n")
    assert [said(p)[0][1] for p in found] == ["One\n\n  two", "Three"]


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("fine\n\n{{x}}\n", 3, "the row has no variable 'x'"),
        ("fine\n---\n\n\na {{x}}\nb\n", 5, "the row has no variable 'x'"),
        ("\n \n", 0, "the file holds no prompt"),
        ("---\n---\n", 0, "the file holds no prompt"),
    ],
)
def test_what_is_wrong_with_a_text_is_told_by_line(only_problem, small, content, line, message):
    problem = only_problem(with_prompts(small, "p.txt"), {"p.txt": content})
    assert (problem.file, problem.line, problem.column) == ("p.txt", line, min(line, 1))
    assert message in problem.message


# --- templates ----------------------------------------------------------------------------------

ASK = '{file: FILE, template: "Sum up {{ text }} in {{n}} words, {so} {{}}"}'


def test_a_template_is_filled_by_each_row(prompts_of):
    rows = "text,n\n{{n}},5\nb,6\n"
    found = prompts_of(ASK.replace("FILE", "p.csv"), p_csv=rows)
    assert [said(p)[0][1] for p in found] == [
        "Sum up {{n}} in 5 words, {so} {{}}",
        "Sum up b in 6 words, {so} {{}}",
    ]


def test_a_template_takes_a_rows_own_prompt_too(prompts_of):
    (text,) = prompts_of('{file: p.txt, template: "Translate: {{prompt}}"}', p_txt="Hello")
    assert said(text) == [("user", "Translate: Hello")]
    rows = '{"prompt": "x", "variables": {"prompt": "y"}}\n{"variables": {"prompt": "z"}}'
    found = prompts_of('{file: p.jsonl, template: "{{prompt}}!"}', p_jsonl=rows)
    assert [said(p)[0][1] for p in found] == ["y!", "z!"]


def test_a_template_reaches_nothing_but_the_rows_variables(small):
    """No attributes, no items, no formats, no environment: such braces are text."""
    text = "{{a.__class__}} {{a[0]}} {{a|upper}} {a} ${HOME} {{ 7*7 }} {% x %} {{-a}}"
    policy = with_prompts(small, f"{{file: p.csv, template: '{text}'}}")
    found = load(policy.encode(), file="p", read_file=lambda _: b"a\n1\n", providers=PROVIDERS)
    assert said(found.scenarios["chat"].prompts[0]) == [("user", text)]


@pytest.mark.parametrize(
    ("prompts", "content", "place", "message", "hint"),
    [
        (
            '{file: p.csv, template: "{{txet}}"}',
            "text\na\n",
            ("p.csv", 2, 1),
            "the row has no variable 'txet'",
            "the template stands in line 11 of lens-gate.yaml; did you mean text?",
        ),
        (
            '{file: p.csv, template: "{{text}}"}',
            "text,n\n ,1\n",
            ("p.csv", 2, 1),
            "the prompt is empty",
            "",
        ),
        (
            '{file: p.jsonl, template: "{{text}}"}',
            '{"messages": [{"role": "user", "content": "x"}]}',
            ("p.jsonl", 1, 1),
            "the row has messages, and the workload a template",
            "give one of them",
        ),
        ("{file: p.csv, template: ''}", "a\n1\n", ("lens-gate.yaml", 11, 38), "template is", ""),
        ("{}", "", ("lens-gate.yaml", 11, 14), "prompts has neither file nor synthetic", "one"),
        ("{template: x}", "", ("lens-gate.yaml", 11, 14), "prompts has neither file nor", "one"),
        (
            "{file: p.csv, synthetic: {input_tokens: 3}}",
            "a\n",
            ("lens-gate.yaml", 11, 14),
            "prompts has both file and synthetic",
            "one",
        ),
        (
            "{synthetic: {input_tokens: 3}, template: x}",
            "",
            ("lens-gate.yaml", 11, 45),
            "synthetic prompts fill no template",
            "leave it out",
        ),
        ("{file: 3}", "", ("lens-gate.yaml", 11, 21), "file must be the path of", ""),
        ("{file: p.yaml}", "", ("lens-gate.yaml", 11, 21), "the path 'p.yaml' does not end", ""),
        ("{fiel: p.csv}", "", ("lens-gate.yaml", 11, 15), "prompts has no key 'fiel'", "file"),
    ],
)
def test_what_is_wrong_with_a_mapping_of_prompts(
    problems_of, small, prompts, content, place, message, hint
):
    files = {"p.csv": content, "p.jsonl": content}
    problem = problems_of(with_prompts(small, prompts), files)[0]
    assert (problem.file, problem.line, problem.column) == place
    assert message in problem.message
    assert hint in problem.hint


def test_one_file_with_two_templates_is_two_workloads_and_read_once(small):
    text = with_prompts(small, '{file: p.csv, template: "1 {{a}}"}')
    for name, ask in (("two", "2 {{a}}"), ("three", "1 {{a}}")):
        text += f'  {name}:\n    targets: [mini]\n    prompts: {{file: p.csv, template: "{ask}"}}\n'
    read = []

    def read_file(path):
        read.append(path)
        return b"a\nx\n"

    policy = load(text.encode(), file="p", read_file=read_file, providers=PROVIDERS)
    assert [said(s.prompts[0])[0][1] for s in policy.scenarios.values()] == ["1 x", "2 x", "1 x"]
    assert read == ["p.csv"]


def test_the_texts_of_a_policy_are_bounded_together(problems_of, small, monkeypatch):
    """A short template over many rows must not fill the memory of who merely reads a policy."""
    monkeypatch.setattr(shelf, "MAX_ALL_CHARS", 1000)
    rows = "a\n" + "x\n" * 50
    told = problems_of(
        with_prompts(small, f"{{file: p.csv, template: '{'y' * 90}{{{{a}}}}'}}"), {"p.csv": rows}
    )
    large = [p for p in told if "the prompts hold more than" in p.message]
    assert [(p.file, p.line) for p in large] == [("p.csv", 12)]


def test_the_files_of_a_policy_are_counted(problems_of, small, monkeypatch):
    monkeypatch.setattr(shelf, "MAX_FILES", 2)
    text = with_prompts(small, "a.txt")
    for name in "bc":
        text += f"  {name}:\n    targets: [mini]\n    prompts: {name}.txt\n"
    (problem,) = problems_of(text, {f"{name}.txt": "x" for name in "abc"})
    assert problem.message == "the policy names more than 2 files"
    assert problem.line == text.split("\n").index("    prompts: c.txt") + 1


def test_a_file_that_is_not_there_is_told_wherever_it_is_named(problems_of, small):
    text = with_prompts(small, "a.txt") + "  b:\n    targets: [mini]\n    prompts: a.txt\n"
    first, second = problems_of(text)
    assert first.message == "there is no file a.txt"
    assert second.message == "the file 'a.txt' can't be used, as said elsewhere"
    assert second.line == 16


def test_a_row_of_a_template_is_bounded_before_it_is_made(only_problem, small, monkeypatch):
    monkeypatch.setattr(templates, "MAX_ROW_CHARS", 100)
    rows = {"p.csv": f"a\n{'x' * 60}\n"}
    problem = only_problem(with_prompts(small, '{file: p.csv, template: "{{a}}{{a}}"}'), rows)
    assert (problem.file, problem.line) == ("p.csv", 2)
    assert problem.message == "the prompt has more than 100 characters"


def test_a_secret_in_the_path_of_a_mapping_is_told(problems_of, small):
    secret = "sk-" + "Ab1Cd2Ef3Gh4Ij5Kl6Mn"
    told = problems_of(with_prompts(small, f"{{file: {secret}.csv}}"))
    assert any(p.message == "this looks like a secret" for p in told)
    assert secret not in "".join(map(str, told))


# --- synthetic ----------------------------------------------------------------------------------


def test_synthetic_prompts_have_their_length_and_their_seed(prompts_of):
    found = prompts_of("{synthetic: {input_tokens: 40, seed: 7, count: 3}}")
    texts = [said(p)[0][1] for p in found]
    assert [len(text.split()) for text in texts] == [40, 40, 40]
    assert len({text.split()[0] + text.split()[1] for text in texts}) == 3
    assert [p.id for p in found] == [f"synthetic-40-7-{n}" for n in (1, 2, 3)]
    assert [(p.input_tokens, p.max_output_tokens) for p in found] == [(40, None)] * 3
    again = prompts_of("{synthetic: {input_tokens: 40, seed: 7, count: 2}}")
    assert again == found[:2]
    other = prompts_of("{synthetic: {input_tokens: 40, seed: 8, count: 2}}")
    assert said(other[0]) != said(found[0])


def test_the_words_are_those_that_they_always_were(prompts_of):
    """Stored runs pair by them: another version of a library must not make others."""
    (first, *rest) = prompts_of("{synthetic: {input_tokens: 6}}")
    assert said(first) == [("user", "boat drop heat earn mark path")]
    assert len(rest) == 31


REPLAY = "\n    load: {pattern: trace, file: t.csv}\n    samples: {min: 2, max: 3}"


@pytest.fixture
def warned(small):
    """A rule that three requests can't decide may only warn."""
    return small.replace("ttft.typ}", "ttft.typ, severity: warn}")


def test_a_traces_own_lengths_make_its_prompts(load_text, warned):
    trace = "timestamp,input_tokens,output_tokens\n3,7,200\n1,0,0\n2,9,\n4,5,900\n"
    text = with_prompts(warned, "{synthetic: {seed: 1}}", REPLAY)
    chat = load_text(text, {"t.csv": trace}).scenarios["chat"]
    assert chat.follows_trace
    assert chat.prompts_source == "synthetic"
    # No more than samples.max of them, in the order in which they came.
    assert [p.input_tokens for p in chat.prompts] == [1, 9, 7]
    assert [len(said(p)[0][1].split()) for p in chat.prompts] == [1, 9, 7]
    assert [p.max_output_tokens for p in chat.prompts] == [1, None, 200]
    assert chat.max_output_tokens == 200
    own = load_text(text + "    max_output_tokens: 50\n", {"t.csv": trace}).scenarios["chat"]
    assert own.max_output_tokens == 50


def test_a_trace_of_no_answers_has_the_usual_limit(load_text, warned):
    text = with_prompts(warned, "{synthetic: {}}", REPLAY)
    chat = load_text(text, {"t.csv": "timestamp,input_tokens\n1,2\n2,3\n"}).scenarios["chat"]
    assert (chat.max_output_tokens, chat.follows_trace) == (128, True)


def test_prompts_of_ones_own_do_not_follow_a_trace(load_text, warned):
    for prompts in ("[Hello]", "{synthetic: {input_tokens: 5}}"):
        text = with_prompts(warned, prompts, REPLAY)
        chat = load_text(text, {"t.csv": "timestamp,output_tokens\n1,900\n2,900\n"}).scenarios[
            "chat"
        ]
        assert (chat.max_output_tokens, chat.follows_trace) == (128, False)


@pytest.mark.parametrize(
    ("prompts", "more", "place", "message", "hint"),
    [
        ("{synthetic: {}}", "", (11, 26), "synthetic prompts of no length", "add input_tokens"),
        ("{synthetic: {count: 3}}", REPLAY, (11, 27), "count beside the lengths", "each arrival"),
        (
            "{synthetic: {}}",
            REPLAY.replace("t.csv", "bare.csv"),
            (11, 26),
            "2 rows of the trace say no input tokens",
            "a column of token counts",
        ),
        ("{synthetic: {input_tokens: 0}}", "", (11, 41), "input_tokens must be a whole", ""),
        ("{synthetic: {input_tokens: 5, seed: x}}", "", (11, 50), "seed must be a whole", ""),
        ("{synthetic: {tokens: 5}}", "", (11, 27), "synthetic has no key 'tokens'", "input_tok"),
        ("{synthetic: 512}", "", (11, 26), "synthetic must be a mapping", ""),
        (
            "{synthetic: {input_tokens: 1000000, count: 5}}",
            "",
            (11, 26),
            "the synthetic prompts have 5000000 tokens together, more than 4000000",
            "fewer or shorter",
        ),
    ],
)
def test_what_is_wrong_with_synthetic_prompts(
    problems_of, small, prompts, more, place, message, hint
):
    trace = "timestamp,input_tokens\n1,2\n2,3\n"
    files = {"t.csv": trace, "bare.csv": "timestamp\n1\n2\n"}
    problem = problems_of(with_prompts(small, prompts, more), files)[0]
    assert (problem.file, problem.line, problem.column) == ("lens-gate.yaml", *place)
    assert problem.message.startswith(message)
    assert hint in problem.hint


def test_synthetic_prompts_count_towards_the_texts_of_a_policy(problems_of, small, monkeypatch):
    monkeypatch.setattr(shelf, "MAX_ALL_CHARS", 1000)
    (problem,) = problems_of(with_prompts(small, "{synthetic: {input_tokens: 10}}"))
    assert "the prompts hold more than" in problem.message
    assert synthetic.MAX_ALL_TOKENS * 5 < 128 * 1024**2
