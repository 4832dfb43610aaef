"""What several rooms' integration tests need."""

import tomllib
from pathlib import Path

import pytest


def _install(site: Path, project: str, modules: dict[str, str]) -> None:
    """What an installer leaves of a distribution: its modules, and the metadata beside them."""
    table = tomllib.loads(project)["project"]
    site.mkdir(exist_ok=True)
    for name, source in modules.items():
        (site / name).write_text(source, "utf-8")
    info = site / f"{table['name'].replace('-', '_')}-{table['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {table['name']}\nVersion: {table['version']}\n"
    )
    lines = []
    for group, points in table.get("entry-points", {}).items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def install():
    """Puts a distribution into a folder: (folder, text of its pyproject.toml, modules by name)."""
    return _install
