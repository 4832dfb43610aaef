"""Conversations in the message form of OpenAI's chat, read into the records of this house.

Text and pictures of the user, answers and tool calls of the assistant, results of tools. The text
parts of one message become one text; its pictures come along in their order.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lens_gate.policy.images import read_image
from lens_gate.policy.literal_secrets import shown
from lens_gate.policy.node import Node, entries, items
from lens_gate.policy.node import field as value_of
from lens_gate.policy.read import text
from lens_gate.policy.templates import Filling
from lens_gate.records.policy import Image, Message, ToolCall


@dataclass(slots=True, kw_only=True)
class _Open:
    """Calls of the assistant that no result has answered yet, by id."""

    calls: dict[str, Node] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)


def conversation(row: Node, listed: Node, filling: Filling) -> tuple[Message, ...]:
    """The messages of a row; what is wrong with them goes to the findings."""
    waiting = _Open()
    messages: list[Message] = []
    for node in items(listed):
        message = _message(node, filling)
        if message is not None:
            _check_turn(node, message, waiting, filling)
            messages.append(message)
    _unanswered(waiting, filling)
    _check_order(row, messages, filling)
    return tuple(messages)


def said_by_user(row: Node, content: Node, filling: Filling, *, template: Node | None) -> Message:
    """The message of a row with ``prompt``, or of one that fills the workload's template."""
    findings = filling.findings
    if template is None:
        words = filling.fill(text(content), content.place)
    else:
        words = filling.fill(text(template), row.place, origin=template.place)
        content = row
    listed = items(value_of(row, "images"))
    found = (read_image(item, filling.shelf, findings) for item in listed)
    images = tuple(image for image in found if image is not None)
    if words is not None and not words.strip() and not listed:
        _tell_empty(content, filling)
    return Message(role="user", content=words or "", images=images)


def _message(node: Node, filling: Filling) -> Message | None:
    role = text(value_of(node, "role"))
    if not filling.findings.fine(node) or not role:
        return None
    calls = tuple(_call(item, filling) for item in items(value_of(node, "tool_calls")))
    content = value_of(node, "content")
    if content is None and not calls:
        filling.findings.add(node.place, "the message has no content", "say what is said")
        return None
    words, images = ("", ()) if content is None else _content(content, filling)
    # What a tool gives back may well be nothing; a call or a picture needs no words.
    needs_words = not (calls or role == "tool" or _has_pictures(content))
    if content is not None and needs_words and words is not None and not words.strip():
        _tell_empty(content, filling)
    return Message(
        role=role,
        content=words or "",
        images=images,
        tool_calls=calls,
        tool_call_id=text(value_of(node, "tool_call_id")) or None,
    )


def _tell_empty(content: Node, filling: Filling) -> None:
    if filling.findings.fine(content):
        filling.findings.blame(content, "the prompt is empty")


def _content(node: Node, filling: Filling) -> tuple[str | None, tuple[Image, ...]]:
    if isinstance(node.value, str):
        return filling.fill(node.value, node.place), ()
    texts: list[str | None] = []
    images: list[Image] = []
    for part in items(node):
        if not (filling.findings.fine(part) and filling.findings.fine(value_of(part, "type"))):
            texts.append(None)
            continue
        words, url = value_of(part, "text"), value_of(value_of(part, "image_url"), "url")
        wanted = words if text(value_of(part, "type")) == "text" else url
        if wanted is None or (words is not None and url is not None):
            hint = "{type: text, text: ...} or {type: image_url, image_url: {url: ...}}"
            filling.findings.blame(part, "a part that is neither a text nor a picture", hint)
            texts.append(None)
        elif wanted is words:
            texts.append(filling.fill(text(words), wanted.place))
        elif (image := read_image(wanted, filling.shelf, filling.findings)) is not None:
            images.append(image)
    whole = [words for words in texts if words is not None]
    return "\n".join(whole) if len(whole) == len(texts) else None, tuple(images)


def _has_pictures(content: Node | None) -> bool:
    return any(value_of(part, "image_url") is not None for part in items(content))


def _call(node: Node, filling: Filling) -> ToolCall:
    function = value_of(node, "function")
    arguments = value_of(function, "arguments")
    if arguments is not None and filling.findings.fine(arguments):
        if not _is_object(text(arguments)):
            hint = 'such as "{\\"city\\": \\"Oslo\\"}"'
            filling.findings.blame(arguments, "arguments must be a JSON object as text", hint)
        filling.shelf.holds(len(text(arguments)), arguments.place, filling.findings)
    return ToolCall(
        id=text(value_of(node, "id")),
        name=text(value_of(function, "name")),
        arguments=text(arguments),
    )


def _is_object(written: str) -> bool:
    try:
        return isinstance(json.loads(written), dict)
    except (ValueError, RecursionError):
        return False


def _check_turn(node: Node, message: Message, waiting: _Open, filling: Filling) -> None:
    """One turn against those before it."""
    findings = filling.findings
    own: Mapping[str, object] = entries(node)
    if message.role != "user" and message.images:
        findings.add(node.place, f"a message of the {message.role} with a picture")
    if message.role != "assistant" and "tool_calls" in own:
        place = entries(node)["tool_calls"].place
        findings.add(place, f"a message of the {message.role} with tool calls")
    if message.role == "tool":
        _check_result(node, message, waiting, filling)
        return
    if "tool_call_id" in own:
        place = entries(node)["tool_call_id"].place
        findings.add(place, f"a message of the {message.role} answers no tool call")
    _unanswered(waiting, filling)
    calls = items(value_of(node, "tool_calls"))
    for item, call in zip(calls, message.tool_calls, strict=True):
        if call.id in waiting.seen:
            findings.add(item.place, f"the tool call {shown(call.id)} is here a second time")
        waiting.seen.add(call.id)
        waiting.calls[call.id] = item


def _check_result(node: Node, message: Message, waiting: _Open, filling: Filling) -> None:
    if message.tool_call_id is None:
        filling.findings.add(node.place, "the message of a tool has no tool_call_id")
    elif waiting.calls.pop(message.tool_call_id, None) is None:
        filling.findings.add(
            node.place,
            f"no tool call {shown(message.tool_call_id)} waits for this result",
            "results stand right behind the message of the assistant that calls",
        )


def _unanswered(waiting: _Open, filling: Filling) -> None:
    for key, item in waiting.calls.items():
        hint = "add a message with role: tool right behind it"
        filling.findings.add(item.place, f"no result answers the tool call {shown(key)}", hint)
    waiting.calls.clear()


def _check_order(row: Node, messages: Sequence[Message], filling: Filling) -> None:
    if not messages:
        return
    if any(message.role == "system" for message in messages[1:]):
        filling.findings.add(row.place, "a system message stands behind another", "put it first")
    if all(message.role == "system" for message in messages):
        filling.findings.add(row.place, "the row asks nothing", "add a message of the user")
