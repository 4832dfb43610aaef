"""What the site has besides the pages of docs/: files of the repository's root, and links to it.

The pages are written to be read in the repository as well, where ``../SECURITY.md`` is a link that
works. On the site such a link leads to the site's own copy, where it has one, else to the
repository.
"""

import re
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
# Pages of the root that the site shows as well.
SHOWN: Final = ("SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "bench/README.md")
_LINK: Final = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)([^)\s#]+)(#[^)\s]*)?(?=\))")
_ALERT: Final = re.compile(
    r"^> \[!(NOTE|TIP|WARNING|IMPORTANT|CAUTION)\]\n((?:>.*\n?)*)", re.MULTILINE
)


def on_files(files: Any, config: Any) -> Any:  # noqa: ANN401  # mkdocs' own types are not installed with ours
    """Add the pages of the root."""
    from mkdocs.structure.files import File  # noqa: PLC0415  # only while the site is built

    for name in SHOWN:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:  # noqa: ANN401
    """Turn links out of docs/ into ones that work on the site."""
    del files
    source = page.file.src_uri
    at_root = source in SHOWN
    folder = (ROOT / source if at_root else ROOT / "docs" / source).parent

    def moved(match: re.Match[str]) -> str:
        target, anchor = match[1], match[2] or ""
        return _moved(folder, target, source, config.repo_url) + anchor

    return _ALERT.sub(_admonition, _LINK.sub(moved, markdown))


def _moved(folder: Path, target: str, source: str, repository: str) -> str:
    path = (folder / target).resolve()
    if not path.is_relative_to(ROOT):
        return target
    name = path.relative_to(ROOT).as_posix()
    if name == "README.md":
        name = "docs/index.md"
    up = "../" * source.count("/")
    if name in SHOWN:
        return up + name
    if name.startswith("docs/") and not name.startswith("docs/site"):
        return up + name.removeprefix("docs/")
    return f"{repository}/{'tree' if path.is_dir() else 'blob'}/main/{name}"


def _admonition(match: re.Match[str]) -> str:
    body = "\n".join(f"    {line.removeprefix('>').strip()}" for line in match[2].splitlines())
    return f"!!! {match[1].lower()}\n\n{body}\n"
