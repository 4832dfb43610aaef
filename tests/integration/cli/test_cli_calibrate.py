"""`lens-gate calibrate` against the real simulator, in its smallest form."""

import json
import sys

from lens_gate.cli import run


def test_one_and_ten_streams_are_measured_against_the_servers_stamps(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = run(["calibrate", "--streams", "10", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [step["streams"] for step in found["steps"]] == [1, 10]
    assert [step["problem"] for step in found["steps"]] == ["", ""]
    assert [step["events"] for step in found["steps"]] == [75, 750]
    assert found["clock"] == ("kernel" if sys.platform == "linux" else "transport")
    for step in found["steps"]:
        # A stamp of ours is never before the server's own send, so that no error is a lucky one.
        assert 0 < step["ttft"]["p50_s"] <= step["ttft"]["p99_s"]
        assert step["server_late_p99_s"] >= 0
        assert step["client_lag_p99_s"] > 0
    assert code == (0 if found["trusted_streams"] else 5)
    assert list(tmp_path.iterdir()) == [], "nothing is stored"


def test_the_table_names_its_rule(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = run(["calibrate", "--streams", "1", "--time", "1s"])
    out = capsys.readouterr().out
    assert "TTFT error p50/p99" in out
    assert "of the server's own stamps" in out
    assert code in (0, 5)
