"""What a suite is told when it can't measure: one message, and what to set; nothing is sent."""

import json
import subprocess
import sys

import pytest

import lens_gate.pytest_plugin.finishing
import lens_gate.pytest_plugin.fixture  # noqa: F401

pytest_plugins = ["pytester"]

KEYED = "\nKEYED = T + ',api_key_env=NO_SUCH_KEY'\n"
FORK = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_EVENT_NAME": "pull_request",
    "GITHUB_REPOSITORY": "owner/name",
    "GITHUB_REPOSITORY_ID": "1",
    "GITHUB_BASE_REF": "main",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_API_URL": "https://api.github.com",
    "GITHUB_RUN_ID": "1",
    "GITHUB_SHA": "a" * 40,
}


def pull_request(folder, monkeypatch, head_repository: int) -> None:
    """A job of a pull request, from the same repository (1) or another one."""
    event = {
        "action": "opened",
        "number": 7,
        "repository": {"id": 1, "full_name": "owner/name", "default_branch": "main"},
        "pull_request": {
            "number": 7,
            "base": {"ref": "main", "sha": "b" * 40, "repo": {"id": 1, "full_name": "owner/name"}},
            "head": {
                "ref": "f",
                "sha": "c" * 40,
                "repo": {"id": head_repository, "full_name": "other/name"},
            },
        },
    }
    (folder / "event.json").write_text(json.dumps(event))
    for name, value in FORK.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(folder / "event.json"))


def test_a_budget_that_is_used_up(suite, service, report):
    source = """
def test_fits(lens):
    lens.measure(T, requests=1, warmup=0, max_output_tokens=10)

def test_does_not(lens):
    lens.measure(T, requests=20, max_output_tokens=1000)

def test_still_fits(lens):
    lens.measure(T, requests=1, warmup=0, max_output_tokens=10)
"""
    done = suite(source, ini="lens_max_usd = 0.01\n")
    done.assert_outcomes(passed=2, failed=1)
    assert service.served == 2
    done.stdout.fnmatch_lines(
        [
            (
                "lens: the budget of the test session is used up: this call may cost $0.08?; "
                "of $0.010 $0.000030 is spent and $0.00 reserved"
            ),
            "  hint: nothing was sent; raise lens_max_usd *--lens-max-usd*",
        ]
    )
    # One message: neither a traceback nor the chain of errors that led here.
    done.stdout.no_fnmatch_line("*Traceback*")
    done.stdout.no_fnmatch_line("*During handling*")
    found = report()
    assert (found["outcome"], found["exit_code"]) == ("budget", 4)
    assert "test_chat.py::test_does_not" in found["headline"]
    assert "lens_max_usd" in found["next_step"]
    assert found["spend"]["requests"] == 2


@pytest.mark.parametrize(
    ("head_repository", "setting", "outcome"),
    [
        (2, "auto", {"skipped": 1}),
        (1, "auto", {"failed": 1}),
    ],
)
def test_a_forks_run_is_not_measured(
    suite, service, report, pytester, monkeypatch, head_repository, setting, outcome
):
    source = f"{KEYED}def test_one(lens): lens.measure(KEYED, requests=1)"

    def on_github(*arguments: str) -> pytest.RunResult:
        return suite(source, *arguments)

    pull_request(pytester.path, monkeypatch, head_repository)
    done = on_github("-rs", f"--lens-missing-key={setting}")
    assert done.parseoutcomes() == outcome
    assert service.served == 0
    if "skipped" in outcome:
        done.stdout.fnmatch_lines(["SKIPPED * not measured: *"])
        assert (report()["outcome"], report()["exit_code"]) == ("not_measured", 0)


WRONG = {
    "lens.measure()": "no target is named",
    "lens.measure('no such:thing')": "'no such:thing' is no target",
    "lens.measure(T, requests=0)": "requests is 0*",
    "lens.measure(T, output='x')": "output is the session's",
    "lens.measure(T, requests=4, gates=[{'metric': 'ttft.p50', 'max': '1s'}])":
        "p50 can't decide with fewer than 10 samples; requests is 4",
    "lens.measure(T, requests=4, gates=[{'metric': 'tftt'}])": "*tftt*",
    "lens_session.measure(T, requests=4)": "what several tests share has no name of its own",
    "lens.compare(T, T, pairs=3)": "*pairs*",
}  # fmt: skip


def test_a_wrong_request_is_refused_before_anything_is_sent(suite, service):
    lines = [f"def test_{n}(lens, lens_session): {call}" for n, call in enumerate(WRONG)]
    done = suite("\n".join(lines))
    done.assert_outcomes(failed=len(WRONG))
    done.stdout.fnmatch_lines([f"lens: {message}" for message in WRONG.values()])
    assert service.served == 0


@pytest.mark.parametrize(
    ("ini", "arguments", "message"),
    [
        ("lens_max_usd = lots", (), "^lens_max_usd: 'lots' is not an amount"),
        ("", ("--lens-max-requests=0",), "^--lens-max-requests: '0' is no whole number"),
        ("lens_confidence = 2", (), "^lens_confidence: 2 is no number from 0.5 to 0.9999"),
        ("lens_baselines = ../x", (), "^lens_baselines: '../x' is no folder inside"),
        ("lens_on_inconclusive = maybe", (), "^lens_on_inconclusive: 'maybe' is none of"),
        ("lens_missing_key = maybe", (), "^lens_missing_key: 'maybe' is none of"),
        ("", ("--lens-seed=x",), "^--lens-seed: 'x' is no whole number"),
    ],
)
def test_a_wrong_setting_is_an_error_of_usage(pytester, ini, arguments, message):
    pytester.makeini(f"[pytest]\n{ini}")
    with pytest.raises(pytest.UsageError, match=message):
        pytester.parseconfigure(*arguments)


def test_a_suite_that_does_not_use_it_pays_nothing(pytester):
    pytester.makepyfile(
        """
        import sys
        def test_plain():
            heavy = {"numpy", "aiohttp", "requests", "sqlite3", "rich", "ruamel", "lens_gate.api"}
            assert not heavy & sys.modules.keys()
            ours = {m for m in sys.modules if m.startswith("lens_gate")}
            assert "lens_gate.pytest_plugin" in ours and len(ours) <= 7, ours
        """
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:hypothesispytest", "-p", "no:anyio"],
        cwd=pytester.path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert not (pytester.path / "lens-gate-out").exists()
