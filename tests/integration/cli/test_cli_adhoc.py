"""`profile`, `benchmark`, `compare`: measuring without a policy, through the front door."""

import itertools
import json
from collections import Counter
from decimal import Decimal

import pytest

pytestmark = pytest.mark.xdist_group("adhoc")

FAST = "simulated,simulate.time_scale=0.02,simulate.output_tokens.fixed=6"
JOURNAL = "lens-gate-out/adhoc/run.jsonl"


def journal(root) -> list[dict]:
    return [json.loads(line) for line in (root / JOURNAL).read_text().splitlines()]


def samples(root) -> list[dict]:
    return [line for line in journal(root) if line["type"] == "sample"]


def test_profile_sends_one_request_and_shows_it(lens, tmp_path) -> None:
    done = lens(tmp_path, "profile", "--target", FAST, "--prompt", "Hello?", "--seed", "1")
    assert done.code == 0, done.said
    (only,) = samples(tmp_path)
    text = done.out
    assert "server to head" in text
    assert "█" in text
    ttft = (only["marks"]["first_text"] - only["marks"]["sent"]) / 1e6
    shown = next(line for line in text.splitlines() if line.startswith("TTFT"))
    assert float(shown.split()[1]) == pytest.approx(ttft, rel=0.01)
    cost = Decimal(only["usage"]["input_total"]) / 10**6 + Decimal(24) / 10**6
    assert Decimal(only["cost_usd"]) == cost
    assert "6 out" in text


def test_profile_shows_how_a_connection_came_about(lens, tmp_path, encrypted, serving) -> None:
    with encrypted() as (server, authority):
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        url = server.url.replace("http://127.0.0.1", "https://127.0.0.1")
        target = f"openai-compatible:house-model@{url},price=free"
        done = lens(tmp_path, "profile", "--target", target, SSL_CERT_FILE=str(tmp_path / "ca.pem"))
    assert done.code == 0, done.said
    assert done.out.startswith("house-model: answered, finish reason stop")
    assert "warning: house-model: certificate authorities from SSL_CERT_FILE" in done.err
    shown = [line.split()[0] for line in done.out.splitlines() if "█" in line]
    assert shown[:3] == ["DNS", "TCP", "TLS"]
    # No TLS is shown where there is none.
    with serving() as server:
        plain = f"openai-compatible:house-model@{server.url},price=free"
        for target in (plain, FAST):
            done = lens(tmp_path, "profile", "--target", target)
            shown = [line.split()[0] for line in done.out.splitlines() if "█" in line]
            assert shown[:3] == ["DNS", "TCP", "waiting"]


def test_profile_without_a_stream_has_no_first_token(lens, tmp_path) -> None:
    done = lens(tmp_path, "profile", "--target", FAST, "--no-stream")
    assert done.code == 0, done.said
    assert "TTFT" not in done.out
    assert "E2E" in done.out


def test_profile_of_what_fails_says_why_and_ends_with_5(lens, tmp_path) -> None:
    dead = "openai-compatible:m@http://127.0.0.1:9/v1,price=free"
    done = lens(tmp_path, "profile", "--target", dead)
    assert done.code == 5, done.said
    assert "connection" in done.out
    assert len(samples(tmp_path)) == 1


def test_benchmark_sends_what_was_asked_for(lens, tmp_path) -> None:
    done = lens(
        tmp_path, "benchmark", "--target", FAST, "-n", "9", "-c", "3", "--warmup", "2",
        "--prompt", "One?", "--prompt", "Two?", "--system", "Be brief.", "--columns", "guidellm",
    )  # fmt: skip
    assert done.code == 0, done.said
    assert Counter(s["phase"] for s in samples(tmp_path)) == {"measured": 9, "warmup": 2}
    assert "9 requests measured, none failed" in done.out
    assert "as guidellm counts (ms)" in done.out
    assert "11 requests" in done.out


def test_benchmark_prints_json_that_holds_the_numbers(lens, tmp_path) -> None:
    done = lens(tmp_path, "benchmark", "--target", FAST, "-n", "4", "--json")
    (column,) = json.loads(done.out)
    values = sorted((s["marks"]["done"] - s["marks"]["sent"]) / 1e9
                    for s in samples(tmp_path) if s["phase"] == "measured")  # fmt: skip
    assert column["metrics"]["e2e"]["max"] == pytest.approx(values[-1])
    assert column["measured"] == 4


def test_benchmark_offers_an_open_load(lens, tmp_path) -> None:
    done = lens(
        tmp_path, "benchmark", "--target", FAST, "-n", "6", "--load", "pattern=constant,rate=50",
    )  # fmt: skip
    assert done.code == 0, done.said
    ready = sorted(s["marks"]["ready"] for s in samples(tmp_path) if s["phase"] == "measured")
    assert [b - a for a, b in itertools.pairwise(ready)] == pytest.approx([20e6] * 5, abs=2)


TRACE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.0000000,40,3
2023-11-16 18:15:46.0200000,90,1
2023-11-16 18:15:46.0300000,10,200
"""


def test_benchmark_replays_the_lengths_of_a_trace(lens, tmp_path) -> None:
    (tmp_path / "azure.csv").write_text(TRACE)
    load = ("--load", "pattern=trace,file=azure.csv")
    done = lens(
        tmp_path, "benchmark", "--target", f"{FAST},simulate.output_tokens.fixed=150", *load
    )
    assert done.code == 0, done.said
    sent = [s for s in samples(tmp_path) if s["phase"] == "measured"]
    # Its answers were cut where the trace's ended, but for one that was over before.
    assert [s["usage"]["output_total"] for s in sent] == [3, 1, 150]
    inputs = [s["usage"]["input_total"] for s in sent]
    assert inputs[1] > 2 * inputs[0] > 4 * inputs[2]
    assert "2 requests of 3 ended at the limit of output" in done.out
    assert "synthetic prompts: 47 input tokens were asked for" in done.out
    # What is asked for is what is asked.
    lens(
        tmp_path,
        "benchmark",
        "--target",
        FAST,
        *load,
        "--prompt",
        "Hi?",
        "--max-output-tokens",
        "4",
    )
    assert {s["usage"]["output_total"] for s in samples(tmp_path)} == {4}


def test_benchmark_holds_new_connections_against_kept_ones(lens, tmp_path) -> None:
    done = lens(tmp_path, "benchmark", "--target", FAST, "-n", "6", "--cold", "--json")
    assert done.code == 0, done.said
    assert Counter(s["phase"] for s in samples(tmp_path)) == {"measured": 6, "warmup": 6}
    (column,) = json.loads(done.out)
    assert (column["cold"]["cold"], column["cold"]["warm"]) == (7, 5)
    assert column["cold"]["low_s"] <= column["cold"]["penalty_s"] <= column["cold"]["high_s"]
    lens(tmp_path, "benchmark", "--target", FAST, "-n", "2", "--cold", "--warmup", "0")
    assert Counter(s["phase"] for s in samples(tmp_path)) == {"measured": 2}


def test_a_cap_is_kept_and_ends_with_4(lens, tmp_path) -> None:
    done = lens(tmp_path, "benchmark", "--target", FAST, "-n", "400", "--max-usd", "0.002")
    assert done.code in (0, 4), done.said
    spent = sum(Decimal(s["settled_usd"]) for s in samples(tmp_path))
    assert 0 < spent <= Decimal("0.002")


def test_compare_asks_every_target_the_same_in_turn(lens, tmp_path) -> None:
    slow = f"{FAST},simulate.ttft.fixed=2s"
    done = lens(
        tmp_path, "compare", f"{FAST},simulate.ttft.fixed=500ms", slow, "-n", "12", "-c", "2"
    )
    assert done.code == 0, done.said
    cells = Counter((s["target"], s["prompt_id"], s["phase"]) for s in samples(tmp_path))
    assert len({count for (_, _, phase), count in cells.items() if phase == "measured"}) == 1
    row = next(line for line in done.out.splitlines() if line.startswith("TTFT typ"))
    low = float(row.partition("[")[2].partition(",")[0])
    assert low > 0, row


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("compare", FAST), "there is nothing to compare with"),
        (("benchmark", "--target", "nowhere:m"), "there is no provider 'nowhere'"),
        (("benchmark", "--target", "openai:no-such-model"), "the price table has no"),
        (("benchmark", "--target", "openai:gpt-4.1-mini"), "OPENAI_API_KEY is not set"),
        (("benchmark", "--target", FAST, "-c", "2", "--rate", "3"), "the load comes twice"),
        (("benchmark", "--target", FAST, "--load", "pattern=sometimes"), "pattern"),
        (("benchmark", "--target", FAST, "--prompt", "a", "--prompts", "b.txt"), "come twice"),
        (("benchmark", "--target", FAST, "--prompt", "a", "--input-tokens", "9"), "come twice"),
        (("profile", "--target", FAST, "--prompts", "none.jsonl"), "none.jsonl"),
        (("profile", "--target", "openai:m,nonsense=1"), "nonsense"),
    ],
)
def test_wrong_requests_send_nothing_and_say_what_helps(lens, tmp_path, arguments, message) -> None:
    done = lens(tmp_path, *arguments)
    assert done.code == 2, done.said
    assert message in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / JOURNAL).exists()
