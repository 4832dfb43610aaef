"""The files with which to begin: a policy, its prompts and a workflow that work as they are."""

from collections.abc import Mapping
from importlib import resources

_STARTERS = {
    "lens-gate.yaml": "lens-gate.yaml",
    "prompts/chat.jsonl": "chat.jsonl",
    ".github/workflows/lens-gate.yml": "workflow.yml",
}


def init_files() -> Mapping[str, str]:
    """Texts by path from the repository's root."""
    folder = resources.files("lens_gate.policy").joinpath("starter")
    return {path: folder.joinpath(name).read_text("utf-8") for path, name in _STARTERS.items()}
