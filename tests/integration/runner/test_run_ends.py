"""However a run ends, its journal can be read, and nothing that was sent is missing from it."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from lens_gate.errors import InputError, LensError, WorldError
from lens_gate.records.exchange import Failure
from lens_gate.runner import measure as measure_module
from lens_gate.runner.journal import open_journal, read_run, write


def test_a_whole_run_is_in_the_journal(bench):
    outcome = bench.run(bench.plan(bench.policy()))
    assert outcome.run.end.reason == "complete"
    assert [s.phase for s in sorted(outcome.run.samples, key=lambda s: s.seq)] == [
        *["warmup"] * 2,
        *["measured"] * 12,
    ]
    assert sorted(s.seq for s in outcome.run.samples) == list(range(14))
    assert len({s.prompt_id for s in outcome.measured}) == 3
    assert all(s.failure is None and s.usage.output_total == 5 for s in outcome.measured)
    assert outcome.stats["one"]["requests"] == 14


def test_marks_are_in_their_order_and_time_is_real(bench):
    slow = bench.behave(ttft={"fixed": "30ms"}, gap={"fixed": "5ms"})
    outcome = bench.run(bench.plan(bench.policy()), slow)
    for sample in outcome.measured:
        m = sample.marks
        assert m.ready <= m.sent <= m.headers <= m.first_text <= m.last_output <= m.done
        assert m.first_byte <= m.headers
        # The server waits that long before it writes: earlier would be a false stamp.
        assert m.first_text - m.sent >= 30_000_000
        assert m.last_output - m.sent >= 50_000_000
        assert m.reused


def test_never_more_in_flight_than_the_load_says(bench):
    outcome = bench.run(bench.plan(bench.policy()))
    edges = sorted(
        edge for s in outcome.measured for edge in ((s.marks.sent, 1), (s.marks.done, -1))
    )
    level = top = 0
    for _, step in edges:
        level += step
        top = max(top, level)
    assert 2 <= top <= 4
    assert outcome.stats["one"]["most_in_flight"] <= 4


def test_an_interrupt_keeps_what_was_measured_and_what_was_cut(bench):
    def stop(progress, interrupt):
        if progress.done == 7:
            interrupt.set()

    slow = bench.behave(ttft={"fixed": "20ms"})
    outcome = bench.run(bench.plan(bench.policy()), slow, on_progress=stop)
    end = outcome.run.end
    assert end.reason == "interrupted"
    assert end.cells[0].reason == "interrupted"
    phases = [s.phase for s in outcome.run.samples]
    assert phases.count("cut") >= 1
    cut = [s for s in outcome.run.samples if s.phase == "cut"]
    assert all(s.settled_usd == s.reserved_usd and s.failure.status == "client" for s in cut)
    assert sum(s.settled_usd for s in outcome.run.samples) == end.spend.spent_usd
    assert len(outcome.run.samples) == end.spend.requests


def test_the_cap_on_time_cuts_what_is_in_flight(bench):
    plan = bench.with_budget(bench.plan(bench.policy()), max_duration_s=0.15)
    outcome = bench.run(plan, bench.behave(ttft={"fixed": "40ms"}))
    end = outcome.run.end
    assert end.reason == "budget"
    assert "max_duration" in end.detail
    assert end.cells[0].reason == "time"
    assert {s.phase for s in outcome.run.samples} >= {"cut"}


def test_three_refusals_that_no_repetition_mends_end_a_cell(bench):
    refuse = bench.behave(faults=[{"kind": "status", "status": 401, "every": 1}])
    outcome = bench.run(bench.plan(bench.policy()), refuse)
    (end,) = outcome.run.end.cells
    assert end.reason == "hopeless"
    assert end.detail.startswith("auth")
    assert outcome.stats["one"]["requests"] < 14


@pytest.mark.parametrize(
    "statuses", [["auth", "auth"], ["auth", None, "auth", "auth"], ["timeout"] * 5]
)
def test_other_failures_do_not_end_a_cell(bench, statuses):
    sample = bench.run(bench.plan(bench.policy())).run.samples[0]
    samples = [
        replace(sample, failure=Failure(status=s, detail="") if s else None) for s in statuses
    ]
    assert measure_module.hopeless(samples) is None


def test_a_retried_request_says_so_and_costs_every_attempt(bench):
    policy = bench.policy(
        targets__one={"provider": "simulated", "model": "sim", "retries": 2},
        scenarios__chat__load={"pattern": "closed", "concurrency": 1},
    )
    fault = {"kind": "status", "status": 503, "at": [5], "retry_after_ms": "3"}
    outcome = bench.run(bench.plan(policy), bench.behave(faults=[fault]))
    (retried,) = [s for s in outcome.run.samples if s.attempts > 1]
    assert retried.attempts == 2
    assert retried.failure is None
    assert retried.waited_s == pytest.approx(0.003)
    # The refused attempt has no usage: it is booked at its reservation.
    twins = [s for s in outcome.run.samples if s.prompt_id == retried.prompt_id]
    bill = next(s.cost_usd for s in twins if s.attempts == 1)
    assert retried.settled_usd == retried.reserved_usd + bill
    assert retried.cost_usd is None


def test_a_wait_beyond_the_ceiling_is_not_waited_for(bench):
    policy = bench.policy(
        targets__one={"provider": "simulated", "model": "sim", "retries": 2},
    )
    fault = {"kind": "status", "status": 429, "every": 1, "retry_after": "3600"}
    outcome = bench.run(bench.plan(policy), bench.behave(faults=[fault]))
    assert {s.attempts for s in outcome.run.samples} == {1}
    assert {s.failure.status for s in outcome.run.samples} == {"rate_limited"}


def test_a_stream_far_beyond_its_limit_is_cut(bench):
    endless = bench.behave(
        ignore_token_limit=True, output_tokens={"fixed": 5000}, gap={"fixed": "0.01ms"}
    )
    policy = bench.policy(scenarios__chat__samples={"min": 1, "max": 8, "warmup": 0})
    outcome = bench.run(bench.plan(policy), endless)
    assert {s.failure.status for s in outcome.run.samples} == {"over_limit"}
    assert all(s.settled_usd == s.reserved_usd for s in outcome.run.samples)
    assert outcome.stats["one"]["completion_tokens"] < 8 * 2500


@pytest.mark.parametrize("first", ["s", "\\u0073"])
def test_a_key_that_the_server_echoes_is_not_in_the_journal(bench, first):
    key = "sk-very-secret-0123456789"
    # Escaped, the key is whole only once the JSON has been decoded.
    body = json.dumps({"error": {"message": "bad key KEY"}}).replace("KEY", first + key[1:])
    fault = {"kind": "status", "status": 401, "every": 1, "body": body}
    policy = bench.policy(targets__one={"provider": "simulated", "model": "sim"})
    outcome = bench.run(bench.plan(policy), bench.behave(faults=[fault]), secret=bench.secret(key))
    assert outcome.run.samples[0].failure.status == "auth"
    assert "bad key" in outcome.run.samples[0].failure.detail
    assert key.encode() not in outcome.raw


# -- the journal alone


@pytest.fixture(scope="module")
def journal(bench):
    return bench.run(bench.plan(bench.policy()))


def test_a_journal_cut_anywhere_is_readable(bench, journal):
    first_line = journal.raw.index(b"\n") + 1
    whole = len(journal.run.samples)
    for cut in range(first_line, len(journal.raw) - 1, 97):
        run = bench.read(journal.raw[:cut])
        assert run.header == journal.run.header
        # A line that lacks only its end is a whole one.
        ends = journal.raw[:cut].count(b"\n") + (journal.raw[cut : cut + 1] == b"\n")
        lines = ends - 1
        assert len(run.samples) == min(lines, whole)
        assert run.end is None
        assert run.damaged <= 1


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"{}\n", b"[1]\n", b"\xff\xfe\n", b'{"type":"end"}\n']
)
def test_what_is_no_journal_is_said_with_its_place(bench, data):
    with pytest.raises(InputError, match=r"read\.jsonl:1:1: this is no journal"):
        bench.read(data)


def test_a_journal_of_another_schema_is_refused(bench, journal):
    header = json.loads(journal.raw.split(b"\n")[0])
    header["schema"] = "lens-gate/run/9"
    with pytest.raises(InputError, match="lens-gate/run/9"):
        bench.read(json.dumps(header).encode())


def test_damaged_lines_are_counted_and_left_out(bench, journal):
    lines = journal.raw.split(b"\n")
    lines[3] = b'{"type":"sample","seq":1}'
    lines[4] = b"\x00garbage"
    lines.insert(5, lines[0])
    run = bench.read(b"\n".join(lines))
    assert run.damaged == 3
    assert len(run.samples) == len(journal.run.samples) - 2
    assert run.end == journal.run.end


def test_an_earlier_journal_is_kept(journal, tmp_path):
    path = tmp_path / "run.jsonl"
    for _ in range(2):
        with open_journal(path, journal.run.header):
            pass
    assert read_run(path).header == read_run(tmp_path / "run.jsonl.1").header


def test_a_journal_that_cannot_be_read_or_written_is_one_message(journal, tmp_path):
    with pytest.raises(LensError, match="can't be read"):
        read_run(tmp_path / "missing.jsonl")
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(WorldError, match="can't be written"),
        open_journal(tmp_path / "file" / "run.jsonl", journal.run.header),
    ):
        pass


def test_a_full_disk_is_said_and_a_short_write_is_completed(journal):
    class Slow:
        def __init__(self):
            self.data = b""

        def write(self, data):
            self.data += data[:7]
            return min(7, len(data))

    class Full:
        def write(self, data):
            raise OSError(28, "No space left on device")

    slow = Slow()
    write(slow, journal.run.end)
    assert json.loads(slow.data)["type"] == "end"
    with pytest.raises(WorldError, match="No space left"):
        write(Full(), journal.run.end)


def test_money_is_exact_in_the_journal(journal):
    for line in journal.raw.split(b"\n")[1:-2]:
        assert isinstance(json.loads(line)["settled_usd"], str)
    assert journal.run.end.spend.spent_usd == sum(
        (s.cost_usd for s in journal.run.samples), Decimal(0)
    )
