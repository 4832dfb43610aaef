from decimal import Decimal

import pytest

from lens_gate.errors import InputError
from lens_gate.policy.document import MAX_BYTES, MAX_VALUES, parse
from lens_gate.policy.findings import Findings
from lens_gate.policy.node import MAX_DEPTH, at_path, entries, plain


def read(text):
    """The tree and the problems that did not stop it, as line, column, message."""
    findings = Findings()
    data = text if isinstance(text, bytes) else text.encode()
    root = parse(data, file="p.yaml", findings=findings)
    return root, [(p.line, p.column, p.message) for p in findings.problems]


def stopped(text):
    with pytest.raises(InputError) as caught:
        read(text)
    return caught.value.problems


def place(node):
    return node.place.line, node.place.column


def test_every_value_knows_its_place():
    root, problems = read("a:\n  b: [10, x]\n  'c d': {e: null}\n")
    assert problems == []
    assert plain(root) == {"a": {"b": [10, "x"], "c d": {"e": None}}}
    assert place(root) == (1, 1)
    assert place(at_path(root, ("a", "b", 1))) == (2, 11)
    assert place(at_path(root, ("a", "c d", "e"))) == (3, 14)
    assert entries(at_path(root, ("a",)))["c d"].place.column == 3
    assert at_path(root, ("a",)).place.file == "p.yaml"


def test_a_path_that_leads_nowhere_ends_at_the_last_value_that_exists():
    root, _ = read("a: [1]\n")
    assert at_path(root, ("a", 5)) is at_path(root, ("a",))
    assert at_path(root, ("a", "x", 0)) is at_path(root, ("a",))


def test_money_is_read_by_its_digits():
    root, _ = read("max_usd: 0.10\n")
    assert plain(root) == {"max_usd": Decimal("0.10")}


def test_quoted_words_and_blocks_are_text():
    root, _ = read("a: '1'\nb: \"true\"\nc: |\n  10\nd: >-\n  x\n  y\n")
    assert plain(root) == {"a": "1", "b": "true", "c": "10\n", "d": "x y"}


def test_every_duplicate_key_is_told_with_its_first_line():
    root, problems = read("a: 1\nb: 2\na: 3\nc: {d: 1, d: 2}\na: 4\n")
    assert [(line, column) for line, column, _ in problems] == [(3, 1), (4, 11), (5, 1)]
    assert all("second time" in message for _, _, message in problems)
    assert plain(root)["a"] == 1


def test_anchors_and_merges_with_the_place_where_the_value_stands():
    root, problems = read(
        "base: &base\n  x: 1\n  y: 2\none: *base\ntwo:\n  <<: *base\n  y: 3\n  z: 4\n"
    )
    assert problems == []
    assert plain(root)["one"] == {"x": 1, "y": 2}
    assert plain(root)["two"] == {"y": 3, "z": 4, "x": 1}
    assert place(at_path(root, ("two", "x"))) == (2, 6)


def test_merging_several_takes_the_first_that_has_the_key():
    root, _ = read("a: &a {k: 1}\nb: &b {k: 2, l: 3}\nc:\n  <<: [*a, *b]\n")
    assert plain(root)["c"] == {"k": 1, "l": 3}


def test_a_quoted_merge_key_is_an_ordinary_key():
    root, _ = read("a: {'<<': {k: 1}}\n")
    assert plain(root) == {"a": {"<<": {"k": 1}}}


def test_what_can_not_be_merged_is_told():
    _, problems = read("a: {<<: 3}\nb: {<<: [{k: 1}, x]}\nc:\n  <<: {k: 1}\n  <<: {l: 1}\n")
    assert [(line, message[:3]) for line, _, message in problems] == [
        (1, "<<:"),
        (2, "<<:"),
        (5, "the"),
    ]


def test_merging_nothing_is_merging():
    root, problems = read("a: {<<: {}, k: 1}\n")
    assert problems == []
    assert plain(root) == {"a": {"k": 1}}


@pytest.mark.parametrize("text", ["1: x", "true: x", "null: x", "? [a]\n: x", "? {a: b}\n: x"])
def test_keys_are_text(text):
    _, problems = read(text)
    assert [(line, "key" in message) for line, _, message in problems] == [(1, True)]


@pytest.mark.parametrize(
    ("text", "line", "column", "word"),
    [
        ("a:\n\tb: 1\n", 2, 1, "YAML takes spaces"),
        ("a: [1, 2\n", 2, 1, "not closed"),
        ("a: 'x\n", 2, 1, "quote"),
        ("a: b: c\n", 1, 5, "': '"),
        ("- a\nb: c\n", 2, 1, "indentation"),
        ("a: @x\n", 1, 4, "@"),
        ("a: `x\n", 1, 4, "`"),
        ("a: %x\n", 1, 4, "%"),
        ("a: *b\n", 1, 4, "&b"),
        ("a: &a [*a]\n", 1, 8, "&a"),
        ("a: {b: 1]\n", 1, 9, "not valid YAML"),
        ("a: 1\n---\nb: 2\n", 2, 1, "second document"),
        ("%YAML 1.1\n---\na: on\n", 2, 1, "directives"),
        ("%TAG ! tag:x,1:\n---\na: 1\n", 2, 1, "directives"),
        ("a: \x07\n", 1, 4, "U+0007"),
        ("a: '\u009f'\n", 1, 5, "U+009F"),
        ("a: '\ufeff'\n", 1, 5, "U+FEFF"),
        (b"a: 1\nb: \xe4\n", 2, 4, "0xe4"),
        (b"\xef\xbb\xbfa: \xff", 1, 4, "0xff"),
        ('a: "\\UFFFFFFFF"\n', 1, 1, "not valid YAML"),
        ("a: !" + "x" * 5000, 1, 4, "4096"),
    ],
)
def test_what_is_no_yaml_is_told_at_its_place(text, line, column, word):
    (problem,) = stopped(text)
    assert (problem.line, problem.column) == (line, column)
    assert word in problem.message


def test_a_directive_of_yaml_1_2_is_fine():
    root, problems = read("%YAML 1.2\n---\na: on\n")
    assert (plain(root), problems) == ({"a": "on"}, [])


def test_a_byte_order_mark_is_no_part_of_the_text():
    root, _ = read(b"\xef\xbb\xbfa: 1\n")
    assert plain(root) == {"a": 1}
    assert place(root) == (1, 1)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_other_encodings_are_named(encoding):
    (problem,) = stopped("a: 1".encode(encoding))
    assert "UTF-8" in problem.message or "U+0000" in problem.message


@pytest.mark.parametrize("text", ["", "\n", "# a comment\n", "---\n...\n---\n"])
def test_a_file_without_content(text):
    problems = stopped(text) if not text.startswith("---") else None
    if problems is None:
        assert "second document" in stopped(text)[0].message
    else:
        assert "empty" in problems[0].message


def test_tags_are_told_each():
    _, problems = read("a: !!python/object:os.system x\nb: !foo {c: 1}\nd: !!str 1\n")
    assert [(line, "tag" in message) for line, _, message in problems] == [
        (1, True),
        (2, True),
        (3, True),
    ]


def test_numbers_that_nobody_can_use_and_half_characters_are_told():
    _, problems = read('a: 010\nb: .inf\nc: "\\ud800"\nd: 1e99\n')
    assert [line for line, _, _ in problems] == [1, 2, 3, 4]


def test_problems_before_a_syntax_error_are_told_with_it():
    problems = stopped("a: 1\na: 2\nb: [\n")
    assert [p.line for p in problems] == [2, 4]


def test_lines_end_at_line_feeds_only():
    root, _ = read("a: 'x\u2028y'\nb: 1\n")
    assert place(at_path(root, ("b",))) == (2, 4)


def test_size_is_bounded():
    (problem,) = stopped(b"#" * (MAX_BYTES + 1))
    assert "1024 KiB" in problem.message
    read(b"a: 1 #" + b"#" * (MAX_BYTES - 6))


def test_depth_is_bounded_also_through_aliases():
    read("a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))
    (problem,) = stopped("[" * 100_000)
    assert "nested" in problem.message
    half = MAX_DEPTH // 2 + 2
    (problem,) = stopped(
        "a: &a " + "[" * half + "]" * half + "\nb: " + "[" * half + "*a" + "]" * half
    )
    assert (problem.line, "nested" in problem.message) == (2, True)


def test_a_billion_laughs_is_refused_before_it_is_expanded():
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    for before, name in zip("abcdefghijklmno", "bcdefghijklmnop", strict=True):
        lines.append(f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]")
    (problem,) = stopped("\n".join(lines))
    assert str(MAX_VALUES) in problem.message


def test_merged_mappings_count_as_written_out():
    base = "b: &b {" + ",".join(f"k{i}: 1" for i in range(2000)) + "}\n"
    (problem,) = stopped(base + "c: {<<: [" + ",".join(["*b"] * 30) + "]}")
    assert str(MAX_VALUES) in problem.message


@pytest.mark.parametrize(
    "text",
    [
        "!" * MAX_BYTES,
        "!" + "a" * (MAX_BYTES - 1),
        "a: !" + "x" * 5000,
        "&a " * 300_000,
        "? " * 500_000,
    ],
)
def test_hostile_repetition_ends_in_one_problem(text):
    # The first two would keep the parser busy for 12 s if they reached it.
    assert len(stopped(text[:MAX_BYTES])) == 1
