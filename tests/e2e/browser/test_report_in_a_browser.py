"""The report as its readers meet it: seen, heard, typed at, printed, on a telephone, attacked."""

import json
from dataclasses import replace

import pytest

from lens_gate.flows.paging import Behind, html_report
from lens_gate.render.report_json import read_report
from lens_gate.runner.journal import read_run

MANY = 20_000
TWO_FRAMES = """() => new Promise((done) => {
  requestAnimationFrame(() => requestAnimationFrame(done));
})"""


@pytest.fixture(scope="session")
def report(gated):
    return json.loads((gated / "report.json").read_text("utf-8"))


def colour(page, name: str) -> str:
    return page.evaluate(f"getComputedStyle(document.body).{name}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_drawn_whole_in_both_themes(visit, gated, report, scheme) -> None:
    opened = visit(gated / "report.html", color_scheme=scheme)
    page = opened.page
    requests = (gated / "run.jsonl").read_text().count('"type":"sample"')
    assert opened.drawn() == requests > 60
    assert page.locator("h1").inner_text().split()[-1] in ("failed", "passed", "inconclusive")
    assert page.locator(".headline").inner_text() == report["headline"]
    ground = colour(page, "backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is (scheme == "light")
    # The charts follow the theme: their ink is that of the page's side of the palette.
    ink = page.evaluate("getComputedStyle(document.querySelector('.lens-fill-ink')).fill")
    assert ink == ("rgb(31, 35, 40)" if scheme == "light" else "rgb(230, 237, 243)")
    # Outcome, what to do and the picture of all checks are on the first screen.
    for place in ("h1", ".next"):
        assert page.locator(place).bounding_box()["y"] < 400
    assert page.locator("svg.lens-chart").first.bounding_box()["y"] < 700


def test_the_theme_can_be_chosen_and_is_remembered(visit, gated) -> None:
    page = visit(gated / "report.html", color_scheme="light").page
    button = page.locator("#theme")
    assert button.inner_text() == "Theme: system"
    button.click()
    button.click()
    assert button.inner_text() == "Theme: dark"
    assert colour(page, "backgroundColor") != "rgb(255, 255, 255)"
    button.click()
    assert colour(page, "backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("width", [320, 360, 768])
def test_nothing_is_wider_than_a_narrow_screen(visit, gated, width) -> None:
    opened = visit(gated / "report.html", width=width)
    opened.drawn()
    page = opened.page
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    wide = page.locator(".chart.wide")
    assert wide.is_visible() is (width > 640)


def test_a_link_to_a_rule_opens_its_evidence(visit, gated) -> None:
    first = visit(gated / "report.html").page
    anchors = first.eval_on_selector_all(".check", "all => all.map((one) => one.id)")
    assert all(name.startswith("rule-chat-quick-") for name in anchors)
    folded = first.eval_on_selector_all(
        "details:not([open]) .check", "all => all.map((one) => one.id)"
    )
    assert folded
    page = visit(gated / "report.html", f"#{folded[-1]}").page
    check = page.locator(f"#{folded[-1]}")
    assert check.is_visible()
    page.wait_for_function(
        "name => { const box = document.getElementById(name).getBoundingClientRect();"
        " return box.top >= -1 && box.top < innerHeight; }",
        arg=folded[-1],
    )
    # From the table it is one key away.
    first.locator(f"#checks-table a[href='#{folded[0]}']").focus()
    first.keyboard.press("Enter")
    assert first.locator(f"#{folded[0]}").is_visible()


def names(page) -> list[str]:
    return page.eval_on_selector_all(
        "#checks-table tbody tr:not([hidden])", "rows => rows.map((row) => row.cells[0].innerText)"
    )


def test_checks_sort_by_number_and_say_so(visit, gated, report) -> None:
    page = visit(gated / "report.html").page
    head = page.locator("#checks-table th").nth(4)
    values = "rows => rows.map((row) => row.cells[4].dataset.sort || null)"

    def column():
        found = page.eval_on_selector_all("#checks-table tbody tr", values)
        return [None if one is None else float(one) for one in found]

    given = [row["verdict"]["head_value"] for row in report["rows"]]
    known = sorted(one for one in given if one is not None)
    unknown = [None] * (len(given) - len(known))
    assert len(known) > 1
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert column() == known + unknown
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "descending"
    assert column() == known[::-1] + unknown


def test_what_has_no_value_sorts_last_either_way(visit, gated) -> None:
    page = visit(gated / "report.html").page
    button = page.locator("#checks-table th").nth(5).locator("button")
    last = "document.querySelector('#checks-table tbody tr:last-child').cells[5].dataset.sort"
    for _ in range(2):
        button.click()
        assert page.evaluate(last) in ("", None)


def test_checks_are_filtered_by_words_and_verdicts(visit, gated, report) -> None:
    page = visit(gated / "report.html").page
    assert len(names(page)) == len(report["rows"]) == 4
    page.locator("input[type=search]").fill("error")
    assert names(page) == ["error rate"]
    assert page.locator("form[data-for] output").inner_text() == "1 of 4"
    page.locator("input[type=search]").fill("")
    passed = sum(row["verdict"]["verdict"] == "pass" for row in report["rows"])
    page.locator("select[data-key=verdict]").select_option("pass")
    assert len(names(page)) == passed < 4


def test_the_keyboard_reaches_everything_and_focus_can_be_seen(visit, gated) -> None:
    page = visit(gated / "report.html").page
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    assert skip.evaluate("one => one === document.activeElement")
    assert skip.bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.tagName"))
        width = page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
        style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert style != "none"
        assert width >= 2
    assert {"A", "BUTTON", "SUMMARY", "SELECT", "INPUT"} <= seen


def test_the_timeline_moves_and_zooms_by_keys(visit, gated) -> None:
    opened = visit(gated / "report.html")
    whole, page = opened.drawn(), opened.page

    def after(key: str) -> int:
        page.keyboard.press(key)
        page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        return opened.drawn()

    page.locator("#timeline").focus()
    assert after("+") < whole
    near = after("+")
    assert near < whole
    after("ArrowRight")
    assert after("0") == whole
    page.locator("button[data-zoom=in]").click()
    page.locator("#timeline-view").select_option("ttft")
    assert 0 < opened.drawn() < whole  # failures have no TTFT


def test_requests_are_picked_sorted_and_turned_over(visit, gated) -> None:
    opened = visit(gated / "report.html")
    whole, page = opened.drawn(), opened.page
    table = page.locator("#request-table table").first
    rows = table.locator("tbody tr")
    assert rows.count() == 50
    assert table.locator("th[aria-sort]").inner_text() == "E2E"
    page.locator(".pager button", has_text="Last").click()
    assert rows.count() == (whole % 50 or 50)
    page.locator("#pick-arm").select_option(label="control")
    kept = opened.drawn()
    assert 0 < kept < whole
    assert page.locator("#picked").inner_text() == f"{kept} of {whole} requests"
    button = rows.first.locator("button")
    button.click()
    picked = page.locator("#timeline-pick").inner_text()
    assert picked.startswith(f"Request {button.inner_text()} (chat/quick, control, prompt ")
    assert rows.first.get_attribute("class") == "picked"


def test_a_failed_request_says_how(visit, gated) -> None:
    opened = visit(gated / "report.html")
    opened.drawn()
    page = opened.page
    page.locator("#pick-status").select_option(label="server error")
    page.locator("#request-table tbody tr button").first.click()
    assert "server error: " in page.locator("#timeline-pick").inner_text()


def test_a_chart_tells_the_number_under_the_pointer(visit, gated) -> None:
    page = visit(gated / "report.html").page
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    chart = page.locator(".chart[data-unit=s] svg[data-x]").first
    chart.scroll_into_view_if_needed()
    chart.hover(position={"x": 200, "y": 90})
    assert chart.locator(".hover-words").text_content().split()[-1] in ("s", "ms", "µs")


def test_on_paper_all_is_unfolded_in_black_on_white(visit, gated) -> None:
    opened = visit(gated / "report.html", color_scheme="dark")
    page = opened.page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("details:not([open])").count() == 0
    assert colour(page, "backgroundColor") == "rgb(255, 255, 255)"
    assert colour(page, "color") == "rgb(0, 0, 0)"
    for gone in ("#theme", "nav.contents", "#timeline-figure", "form.filters >> nth=0", ".pager"):
        assert not page.locator(gone).is_visible()
    assert page.get_by_text("Failed requests and the slowest ones").first.is_visible()
    assert page.pdf()[:5] == b"%PDF-"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0


def test_without_scripts_everything_is_there_to_read(visit, gated, report) -> None:
    page = visit(gated / "report.html", java_script_enabled=False).page
    assert page.locator("#checks-table tbody tr").count() == len(report["rows"])
    assert page.get_by_text("Failed requests and the slowest ones").first.is_visible()
    for gone in ("#theme", "#timeline-figure", "form.filters >> nth=0"):
        assert not page.locator(gone).is_visible()


def test_who_wants_no_motion_has_none(visit, gated) -> None:
    page = visit(gated / "report.html", reduced_motion="reduce").page
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


def test_screen_readers_hear_names_and_tables(visit, gated) -> None:
    page = visit(gated / "report.html").page
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.get_by_role("table", name="All checks, the worst first").count() == 1
    assert page.get_by_role("navigation", name="On this page").count() == 1
    assert page.get_by_role("img", name="All checks, the worst first").first.is_visible()
    assert page.get_by_role("searchbox", name="Search").count() == 1
    unnamed = page.eval_on_selector_all(
        "button, select, input, canvas, svg[role=img]",
        "all => all.filter((one) => !(one.innerText || one.getAttribute('aria-label')"
        " || (one.labels && one.labels.length))).length",
    )
    assert unnamed == 0


HOSTILE = (
    "</script><script>alert(1)</script><img src=http://127.0.0.1:9/x onerror=alert(2)>"
    '<svg onload=alert(3)>" onfocus="alert(4)" autofocus x="\' <!-- <style>*{display:none}</style>'
    "<a href='javascript:alert(5)'>x</a> \u202e\u2066 \U0001f600"
)


def poison(value):
    """All strings of a JSON value that are no words of ours."""
    if isinstance(value, dict):
        return {key: one if key in KEPT else poison(one) for key, one in value.items()}
    if isinstance(value, list):
        return [poison(one) for one in value]
    return HOSTILE if isinstance(value, str) and not value.replace(".", "").isdigit() else value


KEPT = frozenset(
    {
        *("schema", "outcome", "metric", "statistic", "unit", "better", "kind", "created"),
        *("effect", "margin_from", "by", "loaded_by", "state", "run_id", "needs_usd"),
    }
)


def test_a_hostile_report_runs_nothing_and_asks_for_nothing(visit, gated, tmp_path) -> None:
    raw = json.loads((gated / "report.json").read_text("utf-8"))
    kept = [(row["verdict"]["verdict"], row["mode"]) for row in raw["rows"]]
    bad = poison(raw)
    for row, (verdict, mode) in zip(bad["rows"], kept, strict=True):
        row["verdict"]["verdict"], row["mode"] = verdict, mode
    for cell in bad["cells"]:
        for look in cell["duet"]["looks"]:
            look["decided"] = {}
        for record in (cell, cell["duet"]):
            for key in ("failures", "metrics", "moved", "bins"):
                record[key] = {
                    HOSTILE if key == "failures" else k: v for k, v in record.get(key, {}).items()
                }
    report = read_report(json.dumps(bad).encode())
    run = read_run(gated / "run.jsonl")
    samples = tuple(
        replace(
            one, prompt_id=HOSTILE, model=HOSTILE, scenario=HOSTILE, target=HOSTILE,
            failure=one.failure and replace(one.failure, detail=HOSTILE),
        )
        for one in run.samples
    )  # fmt: skip
    page_file = tmp_path / "hostile.html"
    page_file.write_bytes(html_report(report, Behind(run=replace(run, samples=samples))))
    opened = visit(page_file)
    page = opened.page
    assert opened.drawn() == len(samples)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    for button in page.locator("#request-table tbody button").all()[:3]:
        button.click()
    page.mouse.wheel(0, 4000)
    assert (
        page.locator(
            "img, iframe, object, main script, main style, main a[href^=javascript]"
        ).count()
        == 0
    )
    assert page.locator("h1").is_visible()
    assert "alert(1)" in page.locator("h1").inner_text()
    # A script that got in all the same could not run: the page's own policy forbids it.
    page.evaluate(
        "document.body.append(Object.assign("
        "document.createElement('script'), {text: 'window.ran = 1'}))"
    )
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in text for text in opened.said)
    opened.said.clear()


def test_twenty_thousand_requests_open_and_can_be_used(visit, gated, tmp_path) -> None:
    """What it takes is printed by bench/report_page.py; here it has to come to be done at all."""
    report = read_report((gated / "report.json").read_bytes())
    run = read_run(gated / "run.jsonl")
    own = run.samples
    samples = tuple(replace(own[n % len(own)], seq=n) for n in range(MANY))
    page_file = tmp_path / "many.html"
    page_file.write_bytes(html_report(report, Behind(run=replace(run, samples=samples))))
    assert page_file.stat().st_size < 3_000_000
    opened = visit(page_file)
    assert opened.drawn() == MANY
    page = opened.page
    page.locator("#pick-arm").select_option(label="head")
    assert 0 < opened.drawn() < MANY
    page.locator(".pager button", has_text="Last").click()
    assert page.locator("#request-table tbody tr").first.is_visible()


FAINT = """() => {
  const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const parts = (css) => css.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (one) => {
    for (let place = one; place; place = place.parentElement) {
      const found = parts(getComputedStyle(place).backgroundColor);
      if (found.length < 4 || found[3] > 0.99) return found;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const one of document.querySelectorAll('body *')) {
    const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const drawn = one.closest('svg, script, style, canvas');
    if (!own || drawn || one.disabled || !one.getBoundingClientRect().width) continue;
    const pair = [parts(getComputedStyle(one).color), ground(one)].map(light);
    const [low, high] = pair.sort((a, b) => a - b);
    if ((high + 0.05) / (low + 0.05) < 4.5) faint.push(one.outerHTML.slice(0, 100));
  }
  return faint;
}"""
BEYOND = """() => [...document.querySelectorAll('svg.lens-chart')].flatMap((chart) => {
  const frame = chart.getBoundingClientRect();
  return [...chart.querySelectorAll('text')].filter((words) => {
    const box = words.getBoundingClientRect();
    return frame.width && (box.left < frame.left - 1 || box.right > frame.right + 1
      || box.top < frame.top - 1 || box.bottom > frame.bottom + 1);
  }).map((words) => words.textContent);
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_stands_out_from_its_ground(visit, gated, scheme) -> None:
    opened = visit(gated / "report.html", color_scheme=scheme)
    opened.drawn()
    page = opened.page
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert page.evaluate(FAINT) == []


@pytest.mark.parametrize("width", [360, 1280])
def test_no_words_of_a_chart_leave_their_picture(visit, gated, width) -> None:
    page = visit(gated / "report.html", width=width).page
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert page.evaluate(BEYOND) == []
