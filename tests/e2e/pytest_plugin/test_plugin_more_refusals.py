"""What a suite is told when it can't measure: caps, keys, names."""

import lens_gate.pytest_plugin.finishing
import lens_gate.pytest_plugin.fixture  # noqa: F401

pytest_plugins = ["pytester"]

KEYED = "\nKEYED = T + ',api_key_env=NO_SUCH_KEY'\n"


def test_requests_have_a_cap_too(suite, service):
    source = """
def test_one(lens): lens.measure(T, requests=2)
def test_two(lens): lens.measure(T, requests=3)
"""
    suite(source, "--lens-max-requests=6").assert_outcomes(passed=1, failed=1)
    assert service.served == 3


def test_the_environment_lowers_the_caps(suite, service, monkeypatch):
    source = "def test_one(lens): lens.measure(T, requests=20)"
    monkeypatch.setenv("LENS_GATE_MAX_USD", "0.0001")
    suite(source, "--lens-max-usd=5").assert_outcomes(failed=1)
    assert service.served == 0


def test_a_call_has_a_cap_of_its_own(suite, service):
    source = 'def test_one(lens): lens.measure(T, requests=50, max_usd="0.0001")'
    done = suite(source)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["lens: the cap* on money allows * of 50 requests to m"])
    assert service.served == 0


def test_a_missing_key_is_an_error(suite, service, report):
    done = suite(f"{KEYED}def test_one(lens): lens.measure(KEYED, requests=1)")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["lens: *NO_SUCH_KEY*"])
    assert service.served == 0
    assert report()["outcome"] == "failed"
    assert report()["spend"]["spent_usd"] == "0"


def test_what_was_measured_elsewhere_is_not_judged_here(suite):
    source = """
import lens_gate
def test_one(lens):
    lens.assert_no_regression(lens_gate.measure(T, requests=20))
"""
    done = suite(source)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["lens: this was not measured by the plug-in"])


def test_two_tests_do_not_share_a_name(suite, service):
    source = """
def test_a_b(lens): lens.measure(T, requests=1, warmup=0)
@pytest.mark.parametrize("n", ["b"])
def test_a(lens, n): lens.measure(T, requests=1, warmup=0)
"""
    done = suite(source)
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(
        ["lens: test_chat.py::test_a_b measures under the name 'chat-a-b' already"]
    )
    assert service.served == 1


def test_a_missing_key_may_skip_anywhere_and_fail_on_a_fork(suite, service, report):
    source = f"{KEYED}def test_one(lens): lens.measure(KEYED, requests=1)"
    suite(source, "--lens-missing-key=skip").assert_outcomes(skipped=1)
    assert report()["outcome"] == "not_measured"
    suite(source, "--lens-missing-key=fail").assert_outcomes(failed=1)
    assert service.served == 0
