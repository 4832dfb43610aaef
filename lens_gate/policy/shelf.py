"""The files that a policy names: each is read once, and all of them together are bounded.

A head's files are read before anybody has looked at them, so nothing here may grow without end:
neither their number, nor their bytes, nor the text that templates and pictures make of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from lens_gate.errors import LensError
from lens_gate.policy.files import path_problem
from lens_gate.policy.findings import Findings
from lens_gate.policy.literal_secrets import shown
from lens_gate.policy.node import Node
from lens_gate.policy.read import text
from lens_gate.records.policy import Place

MAX_ALL_FILES_BYTES = 64 * 1024 * 1024
MAX_FILES = 500
MAX_ALL_CHARS = 128 * 1024 * 1024
"""Of all prompts together, templates filled in and pictures in base64, each use counted."""


@dataclass(slots=True, kw_only=True)
class Shelf:
    """The files read so far, by path (``None``: it could not be read), and what they made."""

    read_file: Callable[[str], bytes]
    files: dict[str, bytes | None] = field(default_factory=dict)
    size: int = 0
    chars: int = 0

    def fetch(self, named: Node, endings: tuple[str, ...], findings: Findings) -> bytes | None:
        """The bytes of the file that a value names; why there are none is told at that value."""
        path = text(named)
        problem = path_problem(path)
        if not problem and endings and not path.endswith(endings):
            problem = f"does not end in {' or '.join(endings)}"
        if problem:
            hint = "paths are relative to the repository's root, such as prompts/chat.jsonl"
            findings.blame(named, f"the path {shown(path)} {problem}", hint)
            return None
        if path not in self.files:
            self.files[path] = self._read(named, path, findings)
        elif self.files[path] is None:
            findings.blame(named, f"the file {shown(path)} can't be used, as said elsewhere")
        return self.files[path]

    def _read(self, named: Node, path: str, findings: Findings) -> bytes | None:
        if len(self.files) >= MAX_FILES:
            findings.blame(named, f"the policy names more than {MAX_FILES} files")
            return None
        try:
            data = self.read_file(path)
        except LensError as error:
            findings.blame(named, error.message, error.hint)
            return None
        self.size += len(data)
        if self.size > MAX_ALL_FILES_BYTES:
            mib = MAX_ALL_FILES_BYTES // 1024**2
            findings.blame(named, f"with this file the policy's files are larger than {mib} MiB")
            return None
        return data

    def holds(self, chars: int, place: Place, findings: Findings) -> bool:
        """Whether so many more characters fit; the first that do not are told."""
        before, self.chars = self.chars, self.chars + chars
        if before <= MAX_ALL_CHARS < self.chars:
            mib = MAX_ALL_CHARS // 1024**2
            hint = "use fewer, or smaller ones"
            findings.add(place, f"with this one the prompts hold more than {mib} MiB", hint)
        return self.chars <= MAX_ALL_CHARS
