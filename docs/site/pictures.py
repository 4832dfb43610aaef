"""The pictures of README and docs: `python docs/site/pictures.py`, once `make e2e` was run.

A real gate of two simulated models, its comment as a forge shows Markdown, and its report; each in
a light and a dark theme, in Debian's Chromium.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from playwright.sync_api import sync_playwright

IMAGES: Final = Path(__file__).parents[1] / "images"
LENS_GATE: Final = Path(sys.executable).with_name("lens-gate")
_POLICY: Final = """version: 1
name: support-bot
budget: {max_usd: 0.50, max_requests: 400, max_duration: 10m}
targets:
  assistant:
    provider: simulated
    model: MODEL
    simulate: {profile: hosted, time_scale: 0.1, models: {deep-2: {ttft: 1.7, gap: 1.4}}}
scenarios:
  chat:
    targets: [assistant]
    prompts: [What is a queue?, Where is my order?, Why is the sky blue?, How do I cancel?]
    max_output_tokens: 120
    samples: {min: 16, max: 180, warmup: 2}
    load: {pattern: closed, concurrency: 4}
    gates:
      - {metric: ttft.typ}
      - {metric: e2e.typ}
      - {metric: cost_usd.mean}
      - {metric: error_rate, max: 5%}
"""
# As forges set Markdown: system fonts, thin borders, their two grounds.
_STYLE: Final = """
:root { --ink: #1f2328; --ground: #fff; --line: #d1d9e0; --soft: #f6f8fa; --mute: #59636e }
@media (prefers-color-scheme: dark) {
  :root { --ink: #f0f6fc; --ground: #0d1117; --line: #3d444d; --soft: #151b23; --mute: #9198a1 }
}
body { margin: 0; padding: 16px; background: var(--ground); color: var(--ink); width: 1010px;
  font: 14px/1.5 "Noto Sans", "DejaVu Sans", sans-serif }
article { border: 1px solid var(--line); border-radius: 6px }
header { background: var(--soft); border-bottom: 1px solid var(--line); padding: 8px 16px;
  border-radius: 6px 6px 0 0; color: var(--mute) }
header b { color: var(--ink) }
main { padding: 4px 16px 12px }
table { border-collapse: collapse; margin: 8px 0 16px; display: block; overflow: auto }
th, td { border: 1px solid var(--line); padding: 5px 10px; white-space: nowrap }
tr:nth-child(2n) td { background: var(--soft) }
code { background: var(--soft); border-radius: 6px; padding: 2px 5px; font-size: 85% }
h3 { margin: 12px 0 8px; font-size: 1.25em }
"""
_CHROMIUM: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


def _git(folder: Path, *arguments: str) -> None:
    named = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    subprocess.run(["git", *named, *arguments], cwd=folder, check=True, capture_output=True)


def _gate(folder: Path) -> Path:
    """The output folder of a gate whose head is slower."""
    policy = folder / "lens-gate.yaml"
    policy.write_text(_POLICY.replace("MODEL", "swift-1"), "utf-8")
    _git(folder, "init", "--quiet", "--initial-branch", "main")
    _git(folder, "add", ".")
    _git(folder, "commit", "--quiet", "--message", "The assistant")
    _git(folder, "switch", "--quiet", "--create", "think-deeper")
    policy.write_text(_POLICY.replace("MODEL", "deep-2"), "utf-8")
    _git(folder, "commit", "--quiet", "--all", "--message", "A deeper model")
    command = [LENS_GATE, "gate", "--base", "main", "--seed", "6"]
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
    done = subprocess.run(command, cwd=folder, env=kept, check=False, capture_output=True)
    if done.returncode != 1:
        sys.exit(done.stderr.decode())
    return folder / "lens-gate-out"


def _comment(out: Path) -> str:
    text = MarkdownIt("commonmark", {"html": True}).enable("table")
    body = text.render((out / "summary.md").read_text("utf-8"))
    said = "<b>github-actions</b> <span>bot</span> commented"
    return (
        f"<!doctype html><meta charset=utf-8><style>{_STYLE}</style>"
        f"<article><header>{said}</header><main>{body}</main></article>"
    )


def main() -> None:
    """Write the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        out = _gate(Path(scratch))
        (out / "comment.html").write_text(_comment(out), "utf-8")
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=_CHROMIUM)
        for theme in ("light", "dark"):
            page = browser.new_page(
                viewport={"width": 1046, "height": 700},
                color_scheme=theme,
                device_scale_factor=1.25,
            )
            page.goto((out / "comment.html").as_uri())
            page.locator("article").screenshot(path=IMAGES / f"comment-{theme}.png")
        page = browser.new_page(
            viewport={"width": 1100, "height": 900}, color_scheme="light", device_scale_factor=1.25
        )
        page.goto((out / "report.html").as_uri())
        page.screenshot(path=IMAGES / "report-light.png")
        browser.close()


if __name__ == "__main__":
    main()
