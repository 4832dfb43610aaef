"""The pages as a site: every link leads somewhere, and reading it asks nothing of other hosts."""

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from playwright.sync_api import sync_playwright
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[3]
MKDOCS = Path(sys.executable).with_name("mkdocs")
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic")
# What a browser fetches by itself, by element and attribute; a link waits for its reader.
FETCHED = {
    "script": "src",
    "img": "src",
    "source": "srcset",
    "iframe": "src",
    "object": "data",
    "video": "src",
    "audio": "src",
}
READ = ("", "start/", "policy/", "verdict/", "error-rates/", "commands/", "comparison/")
BASE = "http://site.example/"


class Page(HTMLParser):
    """What a page links to, what it fetches, and what can be linked to in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") != "canonical":
            self.fetched.append(given["href"])
        if FETCHED.get(tag) in given:
            self.fetched.append(given[FETCHED[tag]])


# Not --quiet: warnings that nobody would see are not counted either, and --strict ends nothing.
def build(folder: Path, source: Path = ROOT) -> subprocess.CompletedProcess:
    return subprocess.run(
        [MKDOCS, "build", "--strict", "--site-dir", folder],
        cwd=source,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "built"
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site) -> dict[str, Page]:
    """Every page by its address below the root."""
    return {
        path.relative_to(site).as_posix().removesuffix("index.html"): Page(path)
        for path in site.rglob("*.html")
        if path.name != "404.html"
    }


def problem(link: str, page: str, pages: dict[str, Page], site: Path) -> str:
    """Why an internal link leads nowhere."""
    found = urlsplit(urljoin(BASE + page, link))
    path, anchor = unquote(found.path).lstrip("/"), unquote(found.fragment)
    target = pages.get(path.removesuffix("index.html"))
    if target is None:
        return "" if (site / path).is_file() else f"{page}: no page {link}"
    return "" if not anchor or anchor in target.anchors else f"{page}: no anchor {link}"


def inner(links: list[str]) -> list[str]:
    return [link for link in links if not urlsplit(link).scheme and not link.startswith("//")]


def test_every_link_inside_leads_to_a_page_and_an_anchor(site, pages):
    links = [(page, link) for page, found in pages.items() for link in inner(found.links)]
    assert len(links) > 1000
    assert [said for page, link in links if (said := problem(link, page, pages, site))] == []


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("../policy/#rules", ""),
        ("../policy/#no-such-rule", "start/: no anchor"),
        ("../nowhere/", "start/: no page"),
        ("#your-own-service", ""),
        ("../assets/nothing.png", "start/: no page"),
    ],
)
def test_a_link_that_leads_nowhere_would_be_seen(site, pages, link, said):
    found = problem(link, "start/", pages, site)
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_no_page_names_anything_to_fetch_from_another_host(site, pages):
    fetched = [(page, link) for page, found in pages.items() for link in found.fetched]
    assert len(fetched) > 100
    assert [(page, link) for page, link in fetched if urlsplit(link).netloc] == []
    for sheet in site.rglob("*.css"):
        text = sheet.read_text("utf-8")
        assert "@import" not in text
        assert "url(http" not in text
        assert "url(//" not in text


def test_each_page_of_the_folder_is_in_the_navigation_once():
    def leaves(entry):
        if isinstance(entry, str):
            return [entry]
        children = entry if isinstance(entry, list) else entry.values()
        return [leaf for child in children for leaf in leaves(child)]

    # Tags such as !ENV are mkdocs' own: none is used, so a plain loader reads the file.
    named = leaves(YAML(typ="safe").load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"])
    assert len(named) == len(set(named))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} <= set(named)


def test_the_home_page_leads_to_every_other_page(pages):
    home = {urlsplit(urljoin(BASE, link)).path.strip("/") for link in pages[""].links}
    body = (ROOT / "docs" / "index.md").read_text("utf-8")
    assert {page.strip("/") for page in pages} <= home
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"]({page.name})" in body, page.name


def test_a_broken_link_ends_the_strict_build(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("docs", "bench"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("mkdocs.yml", "README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, source / name)
    page = source / "docs" / "costs.md"
    page.write_text(page.read_text("utf-8") + "\n[gone](policy.md#no-such-key)\n", "utf-8")
    done = build(tmp_path / "built", source)
    assert done.returncode != 0
    assert "no-such-key" in done.stderr


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def served(site):
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=site)
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_a_reader_asks_one_host_alone_and_nothing_is_wider_than_the_screen(served, width, scheme):
    asked, said, wide = [], [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        for name in READ:
            page.goto(served + name, wait_until="networkidle")
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wide.append(name)
        browser.close()
    assert len(asked) > len(READ)
    assert [url for url in asked if not url.startswith((served, "data:", "blob:"))] == []
    assert said == []
    assert wide == []
