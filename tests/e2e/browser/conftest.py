"""A real browser (Debian's chromium), driven by playwright, on pages that a real gate wrote."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

LENS_GATE = Path(sys.executable).with_name("lens-gate")
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
POLICY = """\
version: 1
name: browser
budget: {max_usd: 1.00, max_requests: 400, max_duration: 10m}
targets:
  quick:
    provider: simulated
    model: swift-1
    simulate:
      profile: hosted
      time_scale: 0.02
      output_tokens: {median: 24}
      models: {deep-2: {ttft: 3}}
      faults:
        - {kind: status, status: 500, every: 25, retry_after: "0"}
scenarios:
  chat:
    title: Short <b>answers</b>
    targets: [quick]
    prompts:
      - {id: a, prompt: one}
      - {id: b, prompt: two}
    max_output_tokens: 60
    load: {pattern: closed, concurrency: 4}
    samples: {min: 30, max: 30, warmup: 1}
    gates:
      - {metric: ttft.typ, max_regression: 30%, may_be_inconclusive: true}
      - {metric: e2e.typ, max_regression: 30%, may_be_inconclusive: true}
      - {metric: ttft.p95, max: 5s}
      - {metric: error_rate, max: 60%}
"""


@pytest.fixture(scope="session")
def gated(tmp_path_factory) -> Path:
    """The output folder of a duet in which the head's model is slower."""
    root = tmp_path_factory.mktemp("gated")
    policy = root / "lens-gate.yaml"

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.com")
        subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)

    policy.write_text(POLICY)
    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-q", "-m", "policy")
    git("switch", "-q", "-c", "change")
    policy.write_text(POLICY.replace("model: swift-1", "model: deep-2"))
    git("commit", "-q", "-a", "-m", "another model")
    done = subprocess.run(
        [LENS_GATE, "gate", "--base", "main", "--seed", "7", "--output", "out"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, 1, 3), done.stderr.decode()
    return root / "out"


# While playwright is open a loop runs in this thread, and no test of another file could start one.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page in a browser, and all that it did which it should not."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def drawn(self) -> int:
        """How many requests the timeline shows, once it shows any."""
        timeline = self.page.locator("#timeline")
        self.page.wait_for_function("document.getElementById('timeline').dataset.drawn > 0")
        return int(timeline.get_attribute("data-drawn"))


@pytest.fixture
def visit(chromium) -> Iterator:
    """Opens a file; at the end of the test it has said, asked for and popped up nothing."""
    opened = []

    def open_file(path: Path, fragment: str = "", *, width: int = 1280, **context) -> Opened:
        page = chromium.new_context(viewport={"width": width, "height": 800}, **context).new_page()
        one = Opened(page)
        opened.append(one)
        page.on("console", lambda message: one.said.append(message.text))
        page.on("pageerror", lambda error: one.said.append(str(error)))
        page.on("dialog", lambda dialog: (one.said.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: one.asked.append(request.url))
        page.goto(path.as_uri() + fragment)
        return one

    yield open_file
    for one in opened:
        assert one.said == []
        assert len(one.asked) == 1, one.asked
        one.page.context.close()
