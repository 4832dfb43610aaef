"""Write what the action installs, from uv.lock: `python .ci/export_requirements.py [FOLDER]`.

One file with the package's own requirements, one for what each extra adds to them, and one for the
uv that installs them. Each package is one version with the hashes of its files. A test holds the
committed files against what this makes.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "action" / "requirements"
_HEAD = "# Made from uv.lock by .ci/export_requirements.py.\n"
_EXPORT = [
    *("export", "--frozen", "--offline", "--no-config", "--no-dev", "--no-emit-project"),
    *("--no-header", "--no-annotate", "--quiet", "--format", "requirements.txt"),
]


def requirements() -> dict[str, str]:
    """The text of each file, by its name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = sorted(project["optional-dependencies"])
    base = _exported()
    added = {extra: [p for p in _exported("--extra", extra) if p not in base] for extra in extras}
    return {
        "base.txt": _HEAD + "".join(base),
        **{f"{extra}.txt": _HEAD + "".join(packages) for extra, packages in added.items()},
        "uv.txt": _HEAD + _locked("uv"),
    }


def _exported(*options: str) -> list[str]:
    """The text of each package: its version, its marker, its hashes."""
    uv = str(Path(sys.executable).with_name("uv"))
    command = [uv, *_EXPORT, *options, "--project", str(ROOT)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return re.findall(r"^\S.*\n(?:[ ].*\n)*", text, re.MULTILINE)


def _locked(name: str) -> str:
    """A package of the development environment, its wheels alone."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
    package = next(p for p in lock["package"] if p["name"] == name)
    hashes = " \\\n".join(f"    --hash={hash_}" for hash_ in sorted(_hashes(package)))
    return f"{name}=={package['version']} \\\n{hashes}\n"


def _hashes(package: dict[str, list[dict[str, str]]]) -> set[str]:
    return {wheel["hash"] for wheel in package["wheels"]}


def main() -> None:
    """Write the files, and remove those of extras that are no more."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    texts = requirements()
    for stale in {path.name for path in folder.glob("*.txt")} - set(texts):
        (folder / stale).unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
