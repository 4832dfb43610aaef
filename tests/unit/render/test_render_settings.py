"""Where each setting comes from, as a table."""

from lens_gate.records.setting import Setting
from lens_gate.render.settings import settings_text


def test_each_setting_has_its_value_its_origin_and_its_ref():
    settings = [
        Setting(name="budget.max_usd", value="0.25", origin="--max-usd"),
        Setting(name="confidence", value="0.99", origin="lens-gate.yaml:7", ref="work tree"),
    ]
    lines = [line.split("  ") for line in settings_text(settings).splitlines()]
    rows = [[part.strip() for part in line if part.strip()] for line in lines]
    assert rows[-2:] == [
        ["budget.max_usd", "0.25", "--max-usd", "-"],
        ["confidence", "0.99", "lens-gate.yaml:7", "work tree"],
    ]


def test_foreign_text_stays_in_its_line():
    text = settings_text([Setting(name="n", value="a\x1b[31m\nb", origin="o", ref="r\n::error::")])
    assert "\x1b" not in text
    assert len(text.splitlines()) == len(
        settings_text([Setting(name="n", value="v", origin="o")]).splitlines()
    )
