"""Conversations, tool calls and pictures, in the message form of OpenAI's chat."""

import base64
import json

import pytest

from lens_gate.policy import images
from lens_gate.records.policy import Image, ToolCall

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 8
JPEG = b"\xff\xd8\xff\xe0" + b"\x00" * 8
GIF = b"GIF89a" + b"\x00" * 8
WEBP = b"RIFF\x00\x00\x00\x00WEBPVP8 "


def data_url(data, kind="image/png"):
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


@pytest.fixture
def rows(load_text, small):
    """The prompts of a .jsonl file of these rows, with other files by name."""

    def read(*lines, **files):
        content = "\n".join(json.dumps(line) for line in lines)
        named = {name.replace("__", "/").replace("_", "."): data for name, data in files.items()}
        text = small.replace("[Hello]", "p.jsonl")
        return load_text(text, {"p.jsonl": content, **named}).scenarios["chat"].prompts

    return read


@pytest.fixture
def told(problems_of, small):
    """Problems of the second row, as (line, column, message, hint)."""

    def read(line, **files):
        written = line if isinstance(line, str) else json.dumps(line)
        named = {name.replace("__", "/").replace("_", "."): data for name, data in files.items()}
        content = '{"prompt": "fine"}\n' + written
        found = problems_of(small.replace("[Hello]", "p.jsonl"), {"p.jsonl": content, **named})
        assert {p.file for p in found} == {"p.jsonl"}
        return [(p.line, p.column, p.message, p.hint) for p in found]

    return read


def call(key="c1", name="weather", arguments='{"city": "{{city}}"}'):
    return {
        "id": key,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def test_a_conversation_with_tool_calls_and_their_results(rows):
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather in {{city}}?"},
        {"role": "assistant", "content": None, "tool_calls": [call(), call("c2", "time", "{}")]},
        {"role": "tool", "tool_call_id": "c2", "content": ""},
        {"role": "tool", "tool_call_id": "c1", "content": "It rains in {{city}}."},
        {"role": "assistant", "content": "It rains.", "tool_calls": [call("c3")]},
        {"role": "tool", "tool_call_id": "c3", "content": [{"type": "text", "text": "Still."}]},
        {"role": "user", "content": "And now?"},
    ]
    (prompt,) = rows({"messages": turns, "variables": {"city": "Oslo"}})
    asked, said, first, second = prompt.messages[1:5]
    assert (asked.role, asked.content) == ("user", "Weather in Oslo?")
    assert (said.role, said.content) == ("assistant", "")
    # Arguments are sent as they are: they are the model's own words.
    assert said.tool_calls == (
        ToolCall(id="c1", name="weather", arguments='{"city": "{{city}}"}'),
        ToolCall(id="c2", name="time", arguments="{}"),
    )
    assert (first.role, first.content, first.tool_call_id) == ("tool", "", "c2")
    assert (second.content, second.tool_call_id) == ("It rains in Oslo.", "c1")
    assert prompt.messages[5].content == "It rains."
    assert prompt.messages[6].content == "Still."


USER = '{"role": "user", "content": "a"}'
ASKS = '{"role": "assistant", "tool_calls": [{"id": "c", "function": '
CALLS = ASKS + '{"name": "n", "arguments": "{}"}}]}'


@pytest.mark.parametrize(
    ("turns", "at", "message", "hint"),
    [
        (f"[{USER}, {CALLS}]", '{"id"', "no result answers the tool call 'c'", "role: tool"),
        (
            f"[{USER}, {CALLS}, {USER}]",
            '{"id"',
            "no result answers the tool call 'c'",
            "right behind",
        ),
        (
            f'[{USER}, {{"role": "tool", "tool_call_id": "x", "content": "r"}}]',
            '{"role": "tool"',
            "no tool call 'x' waits for this result",
            "right behind",
        ),
        (
            f'[{USER}, {{"role": "tool", "content": "r"}}]',
            '{"role": "tool"',
            "the message of a tool has no tool_call_id",
            "",
        ),
        (
            '[{"role": "user", "content": "a", "tool_call_id": "c"}]',
            '"tool_call_id"',
            "a message of the user answers no tool call",
            "",
        ),
        (
            (
                '[{"role": "user", "content": "a", "tool_calls": '
                '[{"id": "c", "function": {"name": "n", "arguments": "{}"}}]}, '
                '{"role": "tool", "tool_call_id": "c", "content": "r"}]'
            ),
            '"tool_calls"',
            "a message of the user with tool calls",
            "",
        ),
        (
            (
                f'[{USER}, {ASKS}{{"name": "n", "arguments": "[1]"}}}}]}}, '
                '{"role": "tool", "tool_call_id": "c", "content": "r"}]'
            ),
            '"[1]"',
            "arguments must be a JSON object as text",
            "Oslo",
        ),
        (
            (
                f'[{USER}, {ASKS}{{"name": "n", "arguments": "x"}}}}]}}, '
                '{"role": "tool", "tool_call_id": "c", "content": "r"}]'
            ),
            '"x"',
            "arguments must be a JSON object as text",
            "",
        ),
        (
            (
                f'[{USER}, {ASKS}{{"name": "a b", "arguments": "{{}}"}}}}]}}, '
                '{"role": "tool", "tool_call_id": "c", "content": "r"}]'
            ),
            '"a b"',
            "name must be letters, digits, underscores",
            "",
        ),
        (f'[{USER}, {{"role": "assistant"}}]', '{"role": "ass', "the message has no content", ""),
        ('[{"role": "user", "content": null}]', '{"role"', "the message has no content", ""),
        (
            '[{"role": "user", "content": []}]',
            "[]",
            "content is empty",
            "",
        ),
        (
            '[{"role": "user", "content": [{"type": "text", "text": " "}]}]',
            '[{"type"',
            "the prompt is empty",
            "",
        ),
        (
            '[{"role": "user", "content": [{"type": "text", "text": "{{x}}"}]}]',
            '"{{x}}"',
            "the row has no variable 'x'",
            "",
        ),
        (
            '[{"role": "user", "content": [{"type": "text"}]}]',
            '{"type"',
            "a part that is neither a text nor a picture",
            "{type: text",
        ),
        (
            (
                '[{"role": "user", "content": [{"type": "text", "text": "a", '
                '"image_url": {"url": "https://x.y/z"}}]}]'
            ),
            '{"type"',
            "a part that is neither a text nor a picture",
            "",
        ),
        (
            '[{"role": "user", "content": [{"type": "input_audio"}]}]',
            '"input_audio"',
            "type must be text or image_url",
            "",
        ),
        (
            (
                '[{"role": "user", "content": [{"type": "image_url", '
                '"image_url": {"url": "https://x.y/z", "detail": "low"}}]}]'
            ),
            '"detail"',
            "image_url has no key 'detail'",
            "",
        ),
        (
            (
                '[{"role": "system", "content": [{"type": "image_url", '
                '"image_url": {"url": "https://x.y/z"}}]}, {"role": "user", "content": "a"}]'
            ),
            '{"role": "system"',
            "a message of the system with a picture",
            "",
        ),
        (
            (
                f"[{USER}, {CALLS}, "
                '{"role": "tool", "tool_call_id": "c", "content": "r"}, '
                '{"role": "assistant", "tool_calls": [{"type": "function", "id": "c", '
                '"function": {"name": "n", "arguments": "{}"}}]}, '
                '{"role": "tool", "tool_call_id": "c", "content": "r"}]'
            ),
            '{"type"',
            "the tool call 'c' is here a second time",
            "",
        ),
    ],
)
def test_what_is_wrong_with_a_turn_has_its_place(told, turns, at, message, hint):
    line = f'{{"messages": {turns}}}'
    ((number, column, said, remedy),) = told(line)
    assert (number, column) == (2, line.index(at) + 1)
    assert said.startswith(message)
    assert hint in remedy


def test_a_result_that_comes_late_answers_nothing(told):
    late = '{"role": "tool", "tool_call_id": "c", "content": "r"}'
    line = f'{{"messages": [{USER}, {CALLS}, {USER}, {late}]}}'
    assert [(column, said) for _, column, said, _ in told(line)] == [
        (line.index('{"id"') + 1, "no result answers the tool call 'c'"),
        (line.index('{"role": "tool"') + 1, "no tool call 'c' waits for this result"),
    ]


@pytest.mark.parametrize("key", ["system", "images"])
def test_what_belongs_into_a_message_can_not_stand_beside_it(told, key):
    value = '"brief"' if key == "system" else '["https://x.y/z"]'
    line = f'{{"messages": [{USER}], "{key}": {value}}}'
    assert told(line) == [
        (2, line.index(f'"{key}"') + 1, f"{key} beside messages", "put it into a message")
    ]


def test_a_rows_own_system_prompt_comes_first_and_is_filled(rows):
    (prompt,) = rows({"prompt": "a", "system": "Be {{how}}.", "variables": {"how": "brief"}})
    assert [(m.role, m.content) for m in prompt.messages] == [
        ("system", "Be brief."),
        ("user", "a"),
    ]


def test_a_bad_template_in_a_rows_system_prompt(told):
    line = '{"prompt": "a", "system": "{{x}}"}'
    assert [(x[1], x[2]) for x in told(line)] == [(27, "the row has no variable 'x'")]


# --- pictures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "kind"),
    [(PNG, "image/png"), (JPEG, "image/jpeg"), (GIF, "image/gif"), (WEBP, "image/webp")],
)
def test_a_picture_is_known_by_its_content_and_not_by_its_name(rows, data, kind):
    inline = data_url(data, kind)
    (prompt,) = rows(
        {"prompt": "What is this?", "images": ["pics/a.png", inline]}, pics__a_png=data
    )
    image = Image(base64=base64.b64encode(data).decode(), media_type=kind)
    assert prompt.messages[0].images == (image, image)


def test_pictures_by_address_by_part_and_without_a_word(rows):
    url = "https://example.com/a.png?w=1&h=2"
    parts = [
        {"type": "text", "text": "One {{n}}"},
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": "two"},
        {"type": "image_url", "image_url": {"url": "a.gif"}},
    ]
    one, two, three = rows(
        {"messages": [{"role": "user", "content": parts}], "variables": {"n": 1}},
        {"prompt": " ", "images": [url]},
        {"messages": [{"role": "user", "content": parts[1:2]}]},
        a_gif=GIF,
    )
    assert one.messages[0].content == "One 1\ntwo"
    assert [i.url or i.media_type for i in one.messages[0].images] == [url, "image/gif"]
    assert two.messages[0].images == three.messages[0].images == (Image(url=url),)
    assert three.messages[0].content == ""


@pytest.mark.parametrize(
    ("picture", "message", "hint"),
    [
        ("../secret.png", "the path '../secret.png' leads out of its folder by '..'", ""),
        ("/etc/passwd", "the path '/etc/passwd' must be relative", ""),
        ("~/.ssh/id.png", "the path '~/.ssh/id.png' must be relative", ""),
        (".git/config.png", "leads into git's own folder", ""),
        ("C:\\\\a.png", "is no address of a picture", ""),
        ("file:///etc/passwd", "'file:///etc/passwd' is no address of a picture", "https://"),
        ("http://169.254.169.254/a.png", "on a machine or network of one's own", "as a file"),
        ("http://intranet/a.png", "on a machine or network of one's own", "as a file"),
        ("ftp://x.y/a.png", "'ftp://x.y/a.png' is no address of a picture", ""),
        ("https:///a.png", "is no address of a picture", ""),
        ("https://me:word@x.y/a.png", "[not shown] is no address of a picture", ""),
        ("https://x.y/a b.png", "is no address of a picture", ""),
        ("https://x.y/" + "a" * 4000, "is no address of a picture", ""),
        ("https://x.y/\\u0007", "is no address of a picture", ""),
        ("pics/none.png", "there is no file pics/none.png", "look where it is"),
        ("pics/a.svg", "does not end in .png or .jpg", ""),
        ("text.png", "the file 'text.png' is no picture", "PNG, JPEG, GIF or WebP"),
        ("empty.png", "the file 'empty.png' is no picture", ""),
        ("data:image/png,AAAA", "a data: URL of another form", "base64"),
        ("data:image/png;base64,AA*A", "the data: URL holds no base64", ""),
        ("data:image/png;base64,AAAA", "the data: URL is no picture", ""),
        (data_url(GIF), "the data: URL says 'image/png', and holds image/gif", "what it holds"),
    ],
)
def test_a_picture_that_can_not_be_named(told, picture, message, hint):
    line = f'{{"prompt": "a", "images": ["{picture}"]}}'
    files = {"text_png": b"#!/bin/sh", "empty_png": b""}
    ((number, column, said, remedy),) = told(line, **files)
    assert (number, column) == (2, 28)
    assert message in said
    assert hint in remedy


def test_a_picture_is_bounded(told, monkeypatch):
    monkeypatch.setattr(images, "MAX_IMAGE_BYTES", 10)
    ((_, column, said, _),) = told('{"prompt": "a", "images": ["a.png"]}', a_png=PNG)
    assert (column, said) == (28, "the file 'a.png' is a picture of more than 0 MiB")


def test_pictures_count_towards_the_texts_of_a_policy(told, monkeypatch):
    """One picture, named by many rows, would else be encoded for each of them."""
    from lens_gate.policy import shelf

    monkeypatch.setattr(shelf, "MAX_ALL_CHARS", 30)
    found = told('{"prompt": "a", "images": ["a.png", "a.png"]}', a_png=PNG)
    assert ["prompts hold more than" in said for _, _, said, _ in found] == [True]


def test_the_number_of_pictures_is_bounded(told):
    line = json.dumps({"prompt": "a", "images": ["https://x.y/z"] * 21})
    ((_, column, said, _),) = told(line)
    assert (column, said) == (27, "images has more than 20 of them")
