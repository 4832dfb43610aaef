"""`lens-gate history`, through the front door, in real repositories and folders."""

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from lens_gate.cli import run as lens_gate
from lens_gate.flows.series import cell_history
from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import Fingerprint
from lens_gate.repo import encode_baseline

NOW = datetime.now(UTC).replace(microsecond=0)
POLICY = {
    "version": 1,
    "name": "p",
    "budget": {"max_usd": 1, "max_requests": 500, "max_duration": "10m"},
    "targets": {"mini": {"provider": "simulated"}, "big": {"provider": "simulated"}},
    "scenarios": {
        "chat": {
            "targets": ["mini", "big"],
            "prompts": [{"id": "a", "prompt": "One?"}, {"id": "b", "prompt": "Two?"}],
            "max_output_tokens": 20,
            "gates": [{"metric": "ttft.typ", "max": "1.2s"}, {"metric": "error_rate", "max": "5%"}],
        }
    },
}


def stored(days_ago, ttft=0.4, *, target="mini", fixed="eu", model="m", bad="", failed=0):
    created = (NOW - timedelta(days=days_ago)).strftime("%Y%m%dT%H%M%SZ")
    return Baseline(
        scenario="chat", target=target, created=created, commit="a" * 40, policy="p",
        run_id=f"{days_ago}", models=(model,),
        fingerprint=Fingerprint(fixed={"region": fixed}, compared={"model": model}),
        prompt_ids=("a", "b"), values={"ttft": (ttft, ttft * 1.01), "e2e": (1.0, 2.0)},
        censored=(), failures={"http_500": failed} if failed else {}, spent_usd=Decimal("0.01"),
        environment={}, bad=bad,
    )  # fmt: skip


class House:
    def __init__(self, root, capsys):
        self.root, self.capsys = root, capsys

    def git(self, *arguments):
        subprocess.run(["git", *arguments], cwd=self.root, check=True, capture_output=True)

    def store(self, *baselines, policy=POLICY):
        self.root.mkdir(exist_ok=True)
        if policy:
            (self.root / "lens-gate.yaml").write_text(json.dumps(policy))
        for baseline in baselines:
            folder = self.root / "baselines" / "chat" / baseline.target
            folder.mkdir(parents=True, exist_ok=True)
            name = f"{baseline.created}-{baseline.commit[:12]}.json"
            (folder / name).write_bytes(encode_baseline(baseline))

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "c")

    def ask(self, *arguments):
        code = lens_gate(["history", *arguments])
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def found(self, *arguments):
        code, out, err = self.ask("--format", "json", *arguments)
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
def folder(tmp_path, monkeypatch, capsys):
    for name in list(os.environ):
        if name.startswith(("GIT_", "GITHUB_", "GITLAB_", "CI", "LENS_GATE_")):
            monkeypatch.delenv(name)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "A")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "a@example.com")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    root = tmp_path / "house"
    root.mkdir()
    monkeypatch.chdir(root)
    return House(root, capsys)


@pytest.fixture
def house(folder):
    folder.git("init", "-q", "-b", "main")
    return folder


def series(found, cell=0, place=0):
    return found["cells"][cell]["series"][place]


def test_a_folder_without_git_has_a_history(folder):
    folder.store(*(stored(day, 0.4 + day / 100) for day in range(5)))
    found = folder.found()
    assert found["source"] == "the folder (there is no git repository)"
    assert found["commit"] is None
    assert [round(v, 2) for v in series(found)["values"]] == [0.44, 0.43, 0.42, 0.41, 0.4]
    assert series(found)["limit"] == 1.2
    assert [one["metric"] for one in found["cells"][0]["series"]] == ["ttft", "error_rate"]
    code, out, _ = folder.ask("--policy", "lens-gate.yaml")
    assert (code, "chat/mini" in out) == (0, True)


def test_what_is_no_regular_file_is_not_waited_for(folder):
    folder.store(stored(2), stored(1))
    place = folder.root / "baselines" / "chat" / "mini"
    os.mkfifo(place / "20261101T000000Z-aaaaaaaaaaaa.json")
    (place / "20261102T000000Z-aaaaaaaaaaaa.json").symlink_to("/etc/passwd")
    (place / "20261103T000000Z-aaaaaaaaaaaa.json").mkdir()
    assert len(folder.found()["cells"][0]["runs"]) == 2


def test_git_remembers_what_was_pruned_and_a_ref_is_read_as_it_is(house):
    house.store(*(stored(day) for day in (3, 4)))
    house.commit()
    for place in (house.root / "baselines/chat/mini").iterdir():
        place.unlink()
    house.store(stored(2))
    house.commit()
    house.store(stored(1))
    assert [run["pruned"] for run in house.found()["cells"][0]["runs"]] == [
        True,
        True,
        False,
        False,
    ]
    assert len(house.found("--no-pruned")["cells"][0]["runs"]) == 2
    assert len(house.found("--ref", "main")["cells"][0]["runs"]) == 3
    assert len(house.found("--ref", "main~1")["cells"][0]["runs"]) == 2
    assert house.found("--ref", "main", "--dir", "baselines")["source"].startswith("main (")


def test_breaks_changes_levels_and_bad_runs_are_shown(house):
    (house.root / "baselines").mkdir()
    since = (NOW - timedelta(days=2, hours=12)).strftime("%Y%m%dT%H%M%SZ")
    shift = {"cell": "chat/mini", "since": since, "reason": "new machines", "who": "Ann"}
    text = json.dumps({"version": 1, "level_shifts": [shift]})
    (house.root / "baselines/waivers.yaml").write_text(text)
    house.store(
        stored(6, fixed="eu"), stored(5, bad="outage", fixed="xx"), stored(4, fixed="us"),
        stored(3, fixed="us", model="m2"), stored(2, fixed="us", model="m2"),
    )  # fmt: skip
    house.commit()
    for arguments in ((), ("--ref", "HEAD"), ("--dir", "baselines")):
        runs = house.found(*arguments)["cells"][0]["runs"]
        assert [run["stretch"] for run in runs] == [0, 0, 1, 1, 2]
        assert runs[2]["breaks"] == ["region was eu, is us"]
        assert runs[3]["changed"] == ["model was m, is m2"]
        assert runs[4]["breaks"] == [f"new level since {since}, accepted by Ann: new machines"]
        assert runs[1]["bad"] == "outage"


def test_the_window_and_the_cell_are_kept_to(house):
    house.store(stored(40), stored(20), stored(1), stored(1, target="big"))
    house.commit()
    assert [len(cell["runs"]) for cell in house.found("--since", "30d")["cells"]] == [2, 1]
    day = (NOW - timedelta(days=41)).strftime("%Y-%m-%d")
    assert len(house.found("chat/mini", "--since", day)["cells"][0]["runs"]) == 3
    assert [cell["target"] for cell in house.found("chat")["cells"]] == ["mini", "big"]
    assert [cell["target"] for cell in house.found("chat/big")["cells"]] == ["big"]
    assert house.found("chat/big", "--since", "1h")["warnings"]


def test_an_sla_ends_with_its_code_only_where_it_is_to(house):
    house.store(stored(3, 0.4), stored(2, 2.0), stored(1, 0.5))
    house.commit()
    sla = ("--sla", "ttft.p95<1.2s")
    assert house.ask(*sla)[0] == 0
    assert house.ask(*sla, "--fail")[0] == 1
    assert house.ask(*sla, "--fail", "--sla-share", "60%")[0] == 0
    assert house.ask(*sla, "--fail", "--since", "36h")[0] == 0
    assert house.ask("--sla", "itl<1s", "--fail")[0] == 5
    assert house.ask(*sla, "--fail", "--since", "1h")[0] == 5
    (kept,) = house.found(*sla)["cells"][0]["kept"]
    assert (kept["runs"], kept["met"], kept["requests"], kept["requests_met"]) == (3, 2, 6, 4)
    assert (kept["worst"], kept["streak"], kept["kept"]) == (1, 1, False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--fail",), "--fail needs an --sla"),
        (("--sla", "ttft.p95"), "no objective"),
        (("--sla", "ttft<1s", "--sla-share", "0%"), "above 0%"),
        (("--sla-share", "most"), "not a share"),
        (("--metric", "ttftt"), "did you mean 'ttft'"),
        (("--metric", "throughput"), "hold no throughput"),
        (("--since", "yesterday"), "is no time"),
        (("--since", "2026-13-01"), "is no time"),
        (("--since", "99999999d"), "too long ago"),
        (("chat/minni",), "did you mean chat/mini"),
        (("--ref", "a b"), "not the name of a commit"),
        (("--dir", "../x"), "not a path inside"),
    ],
)
def test_a_wrong_request_is_said(house, arguments, said):
    house.store(stored(1))
    house.commit()
    code, out, err = house.ask(*arguments)
    assert (code, said in out + err) == (2, True)


def test_what_is_not_there_is_said(house, tmp_path):
    assert house.ask()[0] == 2
    house.store(stored(1))
    house.commit()
    assert house.ask("--ref", "nowhere")[0] == 5
    assert house.ask("--to", str(tmp_path / "no" / "x.html"))[0] == 5
    (house.root / "lens-gate.yaml").unlink()
    house.commit()
    assert "there is no policy" in house.ask("--ref", "main")[2]
    assert house.ask("--dir", "baselines")[0] == 0


def test_a_ref_needs_a_repository(folder):
    folder.store(stored(1))
    assert "needs a git repository" in folder.ask("--ref", "main")[2]


def test_a_damaged_run_is_named(house):
    house.store(stored(1))
    (house.root / "baselines/chat/mini/20260101T000000Z-aaaaaaaaaaaa.json").write_text("{\x1b[31m")
    house.commit()
    code, _, err = house.ask()
    assert (code, "not a readable baseline" in err, "\x1b" in err) == (2, True, False)


def test_a_shallow_clone_and_an_unreadable_past_are_told(house, tmp_path, monkeypatch):
    house.store(stored(2))
    damaged = house.root / "baselines/chat/mini/20260101T000000Z-aaaaaaaaaaaa.json"
    damaged.write_text("{")
    house.commit()
    damaged.unlink()
    house.commit()
    assert "removed since can't be read" in house.ask()[1]
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth", "1", house.root.as_uri(), clone], check=True)
    monkeypatch.chdir(clone)
    assert "this clone is shallow" in house.ask()[1]
    assert "shallow" not in house.ask("--no-pruned")[1]


def test_every_format_and_a_file(house, tmp_path):
    house.store(*(stored(day) for day in range(4)))
    house.commit()
    assert house.ask("--format", "markdown", "--runs", "2")[1].startswith("## History")
    assert house.ask("--format", "html")[1].startswith("<!DOCTYPE html>")
    to = tmp_path / "h.json"
    code, out, err = house.ask("--format", "json", "--to", str(to))
    assert (code, out, err) == (0, "", f"wrote {to}\n")
    assert json.loads(to.read_text("utf-8"))["schema"] == "lens-gate/history/1"


def test_whoever_has_read_the_runs_gets_the_same_history():
    made = cell_history([stored(2, 0.4), stored(1, 0.5)], [("ttft", "typ")])
    assert (made.cell, len(made.runs), len(made.series[0].values)) == ("chat/mini", 2, 2)
    with pytest.raises(ValueError, match="a run"):
        cell_history([], [])
