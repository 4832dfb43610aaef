"""Stored runs for the plug-in's tests: a repository of them, and ways to change what they say."""

import json
import subprocess
from pathlib import Path

from lens_gate.repo import baselines_in_worktree, decode_baseline, encode_baseline

TOKENS = """
def test_tokens(lens):
    result = lens.measure(T, "Say hello.", requests=12, max_output_tokens=16)
    lens.assert_no_regression(result, "output_tokens", margin=MARGIN)
"""


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", *arguments],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


def stored(folder: Path) -> list[str]:
    return [x.path for x in baselines_in_worktree(folder, "baselines")]


def longer(folder: Path, tokens: float) -> None:
    """Rewrites the stored runs as if the answers had had so many tokens."""
    for path in stored(folder):
        baseline = decode_baseline((folder / path).read_bytes(), path)
        values = {**baseline.values, "output_tokens": [tokens] * len(baseline.prompt_ids)}
        data = json.loads(encode_baseline(baseline))
        data["values"] = values
        (folder / path).write_text(json.dumps(data))
