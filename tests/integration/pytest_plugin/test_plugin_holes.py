"""What must not be silent, counted twice or lost: shares of the error budget, failures, files."""

from types import SimpleNamespace

import pytest

import lens_gate.pytest_plugin.finishing
import lens_gate.pytest_plugin.fixture  # noqa: F401
from lens_gate.pytest_plugin import hooks
from lens_gate.pytest_plugin.settings import read_settings
from lens_gate.runner.journal import read_run

pytest_plugins = ["pytester"]


def test_who_was_not_counted_measures_and_does_not_judge(suite, service):
    """Else each of a hundred such tests would judge with the whole error budget of the session."""
    source = """
GATE = {"metric": "output_tokens.p50", "max": 50}

def test_asks_late(request):
    lens = request.getfixturevalue("lens")
    result = lens.measure(T, requests=12)
    assert result.ok
    lens.assert_gates(result, GATE)

def test_asks_late_before_anything_is_sent(request):
    request.getfixturevalue("lens").measure(T, requests=12, gates=[GATE])

def test_compares_late(request):
    request.getfixturevalue("lens").compare(T, T, pairs=40, rules=["cost_usd"])

@pytest.mark.usefixtures("lens")
def test_says_so(request):
    request.getfixturevalue("lens").measure(T, requests=12, gates=[GATE])

@pytest.fixture
def by_way_of(lens):
    return lens

def test_by_another(by_way_of):
    by_way_of.measure(T, requests=12, gates=[GATE])
"""
    done = suite(source)
    done.assert_outcomes(passed=2, failed=3)
    assert service.served == 3 * 13
    done.stdout.fnmatch_lines(
        [
            "lens: this test came by its fixture in a way that its collection does not show*",
            '  hint: name it: def test_chat(lens), or @pytest.mark.usefixtures("lens")',
        ]
    )


@pytest.mark.parametrize(
    ("named", "workers", "shares"),
    [
        ([["lens"]] * 3, 1, 3),
        ([["lens", "lens_session"]], 1, 2),
        ([["lens_session"]] * 9, 4, 4),
        ([["lens_session"]] * 2 + [["lens"]] * 3 + [["other"]], 4, 5),
    ],
)
def test_each_who_judges_has_a_share_of_its_own(pytester, named, workers, shares):
    """A test with both fixtures has two that judge; of the shared one each worker has its own."""
    config = pytester.parseconfigure()
    plugin = hooks.Plugin(config, read_settings(config, {}))
    plugin._worker = {"workercount": workers, "workerid": "gw0"}

    items = [SimpleNamespace(fixturenames=names) for names in named]
    plugin.pytest_collection_finish(SimpleNamespace(items=items))
    assert plugin._session().shares == shares


def test_a_target_that_never_answers_is_told_of(suite):
    source = """
DEAD = "openai-compatible:m@http://127.0.0.1:9/v1,price=free"

def test_asserts_nothing(lens):
    lens.measure(DEAD, requests=2, warmup=0)

def test_compares_and_asserts_nothing(lens):
    lens.compare(T, DEAD, pairs=40, rules=["cost_usd"])

def test_answers(lens):
    lens.measure(T, requests=2)
"""
    done = suite(source)
    done.assert_outcomes(passed=3, warnings=2)
    done.stdout.fnmatch_lines(
        [
            "  *test_chat.py:7: LensWarning: chat-asserts-nothing/m: nothing was *: all 2 *",
            "  *test_chat.py:10: LensWarning: chat-compares-and-asserts-nothing/m*: nothing was *",
        ]
    )


def test_a_folder_that_cannot_be_made_is_one_message(suite, service):
    # Root may write wherever a disk is: this is none.
    done = suite("def test_one(lens): lens.measure(T, requests=1)", "--lens-output=/proc/no/report")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        ["lens: /proc/no/report/.session-* can't be made: *", "  hint: name another folder as *"]
    )
    done.stdout.no_fnmatch_line("*Traceback*")
    assert service.served == 0


def test_a_damaged_measurement_hides_no_other(suite, report, pytester):
    source = """
import pathlib

def test_whole(lens):
    lens.measure(T, requests=1)

def test_damaged(lens, request):
    lens.measure(T, requests=1, name="broken")
    (call,) = pathlib.Path("lens-gate-out/pytest").glob(".session-*/broken-*/call.json")
    call.write_text("{")
"""
    suite(source).assert_outcomes(passed=2)
    found = report()
    assert [cell["scenario"] for cell in found["cells"]] == ["chat-whole"]
    assert any("broken-" in text and "can't be read" in text for text in found["warnings"])
    assert found["spend"]["requests"] == 4
    # The load of this client is known, as the report's other numbers are.
    assert read_run(pytester.path / "lens-gate-out/pytest/run.jsonl").end.cpu_share > 0


def test_of_several_workers_any_failure_counts():
    outcomes = {
        ("a", "gw0"): "failed", ("a", "gw1"): "passed",
        ("b", "gw0"): "skipped", ("b", "gw1"): "passed",
        ("c", "gw1"): "xfailed",
    }  # fmt: skip
    assert hooks._worst(outcomes) == {"a": "failed", "b": "passed", "c": "xfailed"}


def test_what_was_spent_is_told_though_the_disk_takes_no_report(suite, pytester):
    source = """
import pathlib

def test_one(lens):
    lens.measure(T, requests=3)
    pathlib.Path("lens-gate-out/pytest/report.html.part").mkdir()
"""
    done = suite(source)
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["spent $0.00012 of $1.00 *, 4 of 10000 *; report: not whole: *"])
    # What it could be made from is left.
    assert list((pytester.path / "lens-gate-out/pytest").glob(".session-*/chat-one-*/run.jsonl"))
