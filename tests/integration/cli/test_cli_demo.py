"""`lens-gate demo`: in a file of its own, so that it runs beside the others."""

import re


def test_the_demo_passes_catches_a_slowdown_and_runs_out_of_money(lens, tmp_path):
    done = lens(tmp_path, "demo")
    assert done.code == 0, done.said
    codes = re.findall(r"exit code (\d+) \(as expected\)", done.out)
    assert codes == ["0", "1", "4"]
    assert "seed 6; another one" in done.out
    # What got slower and what merely got longer are told apart.
    found = re.search(r"^### ❌ .*?\*\*Next:\*\*", done.out, re.DOTALL | re.MULTILINE)
    failed = found[0].replace("\\", "")
    assert re.search(r"chat/quick is slower .*TTFT typ \+", failed)
    assert re.search(r"(answers longer|longer answers) \(output tokens", failed)
    assert "chat/thorough" not in failed
    # Nothing is left behind.
    assert list(tmp_path.iterdir()) == []
