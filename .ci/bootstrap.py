"""Make the project's virtual environment from nothing but Python 3.11 or later.

Usage: python3 .ci/bootstrap.py VENV

Works with and without ensurepip (Debian ships Python without it): where it is missing, one pinned
pip wheel is fetched from PyPI and checked against its hash. pip then installs the uv that uv.lock
names, and uv installs everything else from the lock, every file checked against its hash.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import urllib.parse
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Parquet's library is as large as all others together: `make e2e` adds it.
EXTRAS = ("--all-extras", "--no-extra", "parquet")
PIP_VERSION = "25.3"
PIP_WHEEL_SHA256 = "9655943313a94722b7774661c21049070f6bbb0a1516bf02f7c8d5d9201514cd"


def locked_uv() -> tuple[str, list[str]]:
    """The version of uv that the lock names, and the hashes of its files."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    package = next(p for p in lock["package"] if p["name"] == "uv")
    files = [*package.get("wheels", []), *filter(None, [package.get("sdist")])]
    return package["version"], [f["hash"] for f in files]


def fetch_pip(folder: Path) -> Path:
    """Fetch the pinned pip wheel and check it."""
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/")
    name = f"pip-{PIP_VERSION}-py3-none-any.whl"
    request = urllib.request.Request(
        f"{index}/pip/", headers={"Accept": "application/vnd.pypi.simple.v1+json, text/html;q=0.1"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        page = answer.read().decode("utf-8")
        base = answer.geturl()
    try:
        links = [f["url"] for f in json.loads(page)["files"]]
    except ValueError:
        links = re.findall(r'href="([^"]+)"', page)
    link = next(u for u in links if u.split("#")[0].rsplit("/", 1)[-1] == name)
    with urllib.request.urlopen(urllib.parse.urljoin(base, link), timeout=60) as answer:
        wheel = answer.read()
    found = hashlib.sha256(wheel).hexdigest()
    if found != PIP_WHEEL_SHA256:
        sys.exit(f"bootstrap: {name} has SHA-256 {found}, expected {PIP_WHEEL_SHA256}")
    path = folder / name
    path.write_bytes(wheel)
    return path


def install_uv(python: Path, version: str, hashes: list[str], env: dict[str, str]) -> None:
    """Install the locked uv with pip: the environment's own, or the pinned wheel's."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pip_env = env
        # Debian ships Python without ensurepip, or with one that refuses to work.
        ensure = [python, "-m", "ensurepip", "--default-pip"]
        if subprocess.run(ensure, check=False, env=env, capture_output=True).returncode != 0:
            pip_env = {**env, "PYTHONPATH": str(fetch_pip(folder))}
        wanted = folder / "uv.txt"
        pins = " ".join(f"--hash={h}" for h in hashes)
        wanted.write_text(f"uv=={version} {pins}\n", encoding="utf-8")
        options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "-r", wanted]
        subprocess.run([python, "-m", "pip", "install", *options], check=True, env=pip_env)


def main() -> None:
    """Create the environment, or bring it up to date with the lock."""
    if sys.version_info < (3, 11):
        sys.exit(f"bootstrap: needs Python 3.11 or later, this is {sys.version.split()[0]}")
    target = (ROOT / sys.argv[1]).resolve()
    python = target / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(target, with_pip=False, clear=True, symlinks=os.name != "nt")
    env = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME"}}
    version, hashes = locked_uv()
    uv = python.with_name("uv.exe" if os.name == "nt" else "uv")
    if not uv.exists() or version not in _output([uv, "--version"]).split():
        install_uv(python, version, hashes, env)
    subprocess.run(
        [uv, "sync", "--locked", "--quiet", *EXTRAS, "--python", python],
        check=True,
        cwd=ROOT,
        env={**env, "UV_PROJECT_ENVIRONMENT": str(target), "VIRTUAL_ENV": str(target)},
    )
    (target / ".ready").touch()


def _output(command: list[str | Path]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    main()
