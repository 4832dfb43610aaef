"""What a release needs beyond git: `python3 .ci/release.py VERB WORD`.

Verbs: `check TAG`, `major TAG`, `build FOLDER`, `upload FOLDER`.

- ``check`` fails unless the tag is ``vX.Y.Z``, package, project, recipes and component name that
  version, and the changelog tells of it.
- ``major`` prints ``vX``, or nothing where a newer release of that line exists already.
- ``build`` makes wheel and source distribution with build tools of known hashes alone.
- ``upload`` gives them to the package index, as the workflow that is trusted there.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD_TOOLS = ROOT / ".ci" / "build.txt"
UV = ROOT / "action" / "requirements" / "uv.txt"
# Where users are told a version of ours to install.
NAMED = ("templates/*.yml", "examples/github/*.yml", "docs/gitlab.md")
_NAMES = re.compile(r"(?:llm-latency-lens(?:==|:)|/lens-gate@)(\d+\.\d+\.\d+)", re.ASCII)
_TAG = re.compile(r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", re.ASCII)


def check(tag: str, root: Path = ROOT) -> str:
    """What is wrong with releasing this checkout under the tag; empty: nothing."""
    if not _TAG.fullmatch(tag):
        return f"{tag!a} is no vX.Y.Z"
    wanted = tag.removeprefix("v")
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    package = (root / "lens_gate" / "__init__.py").read_text("utf-8")
    if project != wanted or f'__version__ = "{wanted}"' not in package:
        return f"the tag is {tag}, pyproject.toml says {project}; lens_gate/__init__.py must agree"
    for page in sorted(path for pattern in NAMED for path in root.glob(pattern)):
        for found in _NAMES.findall(page.read_text("utf-8")):
            if found != wanted:
                return f"{page.relative_to(root)} names {found}, the tag is {tag}"
    told = (root / "CHANGELOG.md").read_text("utf-8")
    if not re.search(rf"^## \[?{re.escape(wanted)}\b", told, re.MULTILINE):
        return f"CHANGELOG.md has no section {wanted}"
    return ""


def major(tag: str, tags: Iterable[str]) -> str:
    """The major tag, if this release is the newest of its line; else an empty string."""
    asked = _TAG.fullmatch(tag)
    if not asked:
        return ""
    line = [found for name in tags if (found := _TAG.fullmatch(name)) and found[1] == asked[1]]
    newest = max((_order(found) for found in line), default=_order(asked))
    return f"v{asked[1]}" if _order(asked) >= newest else ""


def _order(found: re.Match[str]) -> tuple[int, ...]:
    return tuple(int(part) for part in found.groups())


def build(folder: Path) -> None:
    """Make both distributions in the folder; nothing is taken that has no known hash."""
    with tempfile.TemporaryDirectory() as scratch:
        python = _tools(Path(scratch), BUILD_TOOLS)
        hatch = [python, "-I", "-m", "hatchling", "build", "-d", str(folder.resolve())]
        subprocess.run(hatch, check=True, cwd=ROOT)


def upload(folder: Path) -> None:
    """Publish both distributions; the index knows the workflow by its identity, there is no key."""
    files = sorted(str(path.resolve()) for path in folder.iterdir())
    with tempfile.TemporaryDirectory() as scratch:
        uv = [_tools(Path(scratch), UV), "-I", "-m", "uv", "--no-config"]
        subprocess.run([*uv, "publish", "--trusted-publishing", "always", *files], check=True)


def _tools(scratch: Path, locked: Path) -> str:
    """The interpreter of an environment with these tools and nothing else."""
    venv.create(scratch, with_pip=True)
    python = str(scratch / "bin" / "python")
    pip = [python, "-I", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    hashed = ["--require-hashes", "--only-binary", ":all:", "-r", str(locked)]
    subprocess.run([*pip, *hashed], check=True)
    return python


def _tags() -> list[str]:
    command = ["git", "tag", "--list", "v*.*.*"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.split()


def main() -> int:
    """Run one of the four."""
    verb, word = sys.argv[1:]
    if verb == "check":
        wrong = check(word)
        print(wrong or f"{word} may be released")
        return 1 if wrong else 0
    if verb == "major":
        print(major(word, _tags()))
        return 0
    (upload if verb == "upload" else build)(Path(word))
    return 0


if __name__ == "__main__":
    sys.exit(main())
