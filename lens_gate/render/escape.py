"""Foreign text made harmless for the medium that carries it.

Text from a server, a policy or a fork may hold Markdown, HTML, quick actions, terminal sequences or
characters that reverse what the eye reads. It is shown as data: one line, cut, controls visible.
"""

import re
import unicodedata
from collections.abc import Iterable
from html import escape

# Controls, bidirectional and invisible characters, line separators, surrogates, private use.
_REPLACED = {"Cc", "Cf", "Zl", "Zp", "Co", "Cs", "Cn"}
_SPACES = re.compile(r"\s+")
_BACKTICKS = re.compile(r"`+")


def one_line(text: str, limit: int = 120) -> str:
    """A single line of at most ``limit`` characters, controls replaced by U+FFFD."""
    cut = _SPACES.sub(" ", text[: limit * 8]).strip()[: limit + 1]
    # Nothing that is replaced is printable, and most texts are nothing but printable.
    plain = cut if cut.isprintable() else "".join(map(_shown, cut))
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def _shown(char: str) -> str:
    return "\ufffd" if unicodedata.category(char) in _REPLACED else char


def code(text: str, limit: int = 120) -> str:
    """A Markdown code span that holds this text whatever it contains.

    In a code span neither GitHub nor GitLab links mentions, references or commits, runs quick
    actions or reads HTML. A table cell must see to its pipes besides (``cell``).
    """
    plain = _without_marker(one_line(text, limit)) or "-"
    fence = _fence(plain, 1)
    pad = " " if "`" in plain else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def html_code(text: str, limit: int = 120) -> str:
    """A code element for the lines of ours that are HTML."""
    return f"<code>{escape(one_line(text, limit), quote=False)}</code>"


def cell(markdown: str) -> str:
    """Markdown as one cell of a table: a pipe would end it even in a code span.

    It is drawn as a broken bar, since parsers disagree about a backslash before an escaped one.
    """
    return markdown.replace("|", "¦")


def figure(text: str) -> str:
    """A figure of ours in Markdown: only a dollar is at risk, as the start of a formula."""
    return text.replace("$", "\\$")


# Whatever GitHub, GitLab or a Markdown parser takes for more than a word.
_LIVE = re.compile(
    r"""
      [`*\\~#@]                       # code, emphasis, escapes, labels, references, mentions
    | <[a-z/!?] | &[\w#] | ![\w\[]    # HTML, entities and epics, images and merge requests
    | %[\w"{] | \[[\w-]+:             # GitLab: milestones, placeholders, [vulnerability:1]
    | \[\[ | \[toc\]                   # GitLab: pages of its wiki, a table of contents
    | [+-][\]}] | \{[+-]               # GitLab: additions and deletions
    | :// | ^www\. | \Wwww\.          # addresses
    | :: | :[\w+-]+:                  # workflow commands, emoji
    | ^[\W_]*/\w                      # quick actions
    | (?<![^\W_])(?<!\d\.)[0-9a-f]{7,64}(?![^\W_])   # commits
    | \bgh-\d                         # GitHub's short form of an issue
    """,
    re.VERBOSE | re.IGNORECASE,
)
_QUOTED = re.compile(r"(?<![^\s(])`([^`]+)`(?=[\s.,;:)]|$)")
_AROUND = re.compile(r"^([(\"'“]*)(.+?)([)\"'”.,;?]*)$")
_OPERATORS = {"<=": "≤", ">=": "≥", "<": "&lt;", ">": "&gt;", "&": "&amp;"}
# An underscore inside a word is no emphasis.
_ESCAPED = re.compile(r"[\[\]$<]|(?<![^\W_])_|_(?![^\W_])")
_BLOCK = re.compile(r"^(\d{0,9})((?<!\d)[-+=>]|(?<=\d)[.)](?= |$))")


def prose(text: str, limit: int = 600) -> str:
    """A sentence for Markdown outside of code spans, never at risk.

    For sentences of ours that carry figures and now and then foreign words: a word that is more
    than a word to some reader stands in a code span, and so does what the sentence itself quotes
    with backticks. Empty text is a dash, so that no block is left without its content.
    """
    pieces = _QUOTED.split(one_line(text, limit) or "–")
    done = ""
    for index, piece in enumerate(pieces):
        spans = index % 2 == 1
        words = [code(piece, limit)] if spans else [_word(word) for word in piece.split(" ")]
        for number, word in enumerate(words):
            # Two code spans side by side would be read as one.
            touching = done.endswith("`") and word.startswith("`")
            done += (" " if number or touching else "") + word
    return _not_a_block(done)


def _word(word: str) -> str:
    if word in _OPERATORS:
        return _OPERATORS[word]
    if not _LIVE.search(word):
        return _ESCAPED.sub(r"\\\g<0>", word).replace("&", "&amp;")
    return _AROUND.sub(lambda found: f"{found[1]}{code(found[2], len(word))}{found[3]}", word)


def _not_a_block(line: str) -> str:
    """The line with what would begin a list, a quote or an underline escaped."""
    return _BLOCK.sub(r"\1\\\2", line)


# Nothing that would end a link, or what stands around it.
_URL = re.compile(r"https?://[\w.\[\]:-]+(?:/[\w.~%/?&=+#:@-]*)?", re.ASCII)


def link(words: str, url: str) -> str:
    """Markdown of ours as a link; without one where ``url`` is no plain address of the web."""
    return f"[{words}]({url})" if _URL.fullmatch(url) else words


def fenced(text: str, language: str = "") -> str:
    """A fenced block of one line, which its content can't close."""
    return fenced_lines([one_line(text, 500)], language)


def fenced_lines(lines: Iterable[str], language: str = "") -> str:
    """A fenced block of lines that keep their spaces; what is foreign in them is one line each."""
    # A line that begins with a slash is a quick action to some.
    shown = [_without_marker(f" {line}" if line.startswith("/") else line) for line in lines]
    fence = _fence("\n".join(shown), 3)
    return "\n".join([f"{fence}{language}", *shown, fence])


# GitHub's runner obeys `::word` at a line's start and, in its older form, `##[word]` anywhere;
# Azure's `##vso[word]` is of the same kind.
_COMMAND = re.compile(r"(?:^|(?<=[\n\r]))([^\S\n\r]*):(?=:)|#(?=#\w*\[)")


def log(text: str) -> str:
    """Lines for the log of a job, which its host reads for commands: none of them is one.

    To be asked last, when lines have been broken: a word that was harmless inside its sentence may
    have come to stand at a line's start.
    """
    return _COMMAND.sub(lambda found: f"{found[0]} ", text)


def _fence(text: str, least: int) -> str:
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    return "`" * max(least, longest + 1)


def _without_marker(text: str) -> str:
    """Comments are found again by a hidden marker in their source, which no text may forge."""
    return text.replace("<!--", "<!\u2011\u2011")
