"""One purse for several processes: never spent + reserved above the cap, whoever dies when."""

import random
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lens_gate.errors import WorldError
from lens_gate.pytest_plugin.purse import Caps, Note, Purse, Refused, Ticket, Wanted

CAP = Decimal("1.00")

# A worker that reserves and settles as fast as it can, and says after each step what it has done.
WORKER = """
import random, sys, time
from decimal import Decimal
from pathlib import Path
from lens_gate.pytest_plugin.purse import Caps, Purse, Ticket, Wanted
chance = random.Random(sys.argv[2])
def slowly():  # it is asked between reading the state and writing it: others get their chance
    time.sleep(0.002)
    return time.time()
purse = Purse(Path(sys.argv[1]), Caps(usd=Decimal("1.00"), requests=1000), slowly)
print("ready", flush=True)
sys.stdin.readline()
while True:
    time.sleep(0.004)  # who waits for a file sleeps, and would find it taken each time
    usd = Decimal(chance.randrange(26, 60)) / 100
    ticket = purse.reserve(
        Wanted(usd=usd, requests=1, seconds=60), holder=sys.argv[2], test=sys.argv[2]
    )
    if isinstance(ticket, Ticket):
        bill = usd * chance.randrange(0, 3) / 10000
        purse.settle(ticket, bill, 1)
        print("settled", flush=True)
    else:
        print("refused", flush=True)
"""


def purse_at(path: Path, cap: Decimal = CAP, requests: int = 1000, now=lambda: 0.0) -> Purse:
    return Purse(path / "ledger.sqlite3", Caps(usd=cap, requests=requests), now)


def want(usd: str | Decimal, requests: int = 1, seconds: float = 60.0) -> Wanted:
    return Wanted(usd=Decimal(usd), requests=requests, seconds=seconds)


def taken(answer: Ticket | Refused) -> Ticket:
    assert isinstance(answer, Ticket)
    return answer


def refused(answer: Ticket | Refused) -> Refused:
    assert isinstance(answer, Refused)
    return answer


def test_workers_that_are_killed_at_any_moment_never_pass_the_cap(tmp_path):
    """A wrong purse, one that reads and writes in two steps, is caught by this within seconds."""
    chance = random.Random(11)
    purse = purse_at(tmp_path)
    purse.spend()
    start = [sys.executable, "-c", WORKER, str(tmp_path / "ledger.sqlite3")]
    workers = [
        subprocess.Popen([*start, f"w{n}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for n in range(4)
    ]
    try:
        for worker in workers:
            assert worker.stdout.readline() == b"ready\n"
        for worker in workers:
            worker.stdin.write(b"\n")
            worker.stdin.flush()
        killed = 0
        for step in range(45):
            for worker in workers[killed:]:
                worker.stdout.readline()  # one more of its steps
            spend = purse.spend()
            assert spend.spent_usd <= CAP
            assert spend.peak_usd <= CAP
            if step % 14 == 13:
                worker = workers[killed]
                # Wherever it is by now, after so many more of its own steps.
                for _ in range(chance.randrange(1, 9)):
                    worker.stdout.readline()
                worker.send_signal(signal.SIGKILL)
                worker.wait()
                killed += 1
                purse.lose(f"w{killed - 1}")
        assert killed == 3
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    for n in range(4):
        purse.lose(f"w{n}")
    spend = purse.spend()
    # What the dead had reserved is spent: nothing is given back.
    lost = sum(usd for _, usd in purse.never_settled())
    assert lost <= spend.spent_usd <= spend.peak_usd <= CAP
    assert spend.peak_usd > 0
    # The file is whole: it can still be written.
    purse.note(Note(kind="k", test="t", text="x"))
    assert len(purse.notes()) == 1


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["reserve", "settle", "unknown", "lose", "late"]),
            st.integers(0, 60),
            st.integers(0, 3),
        ),
        max_size=25,
    )
)
@settings(max_examples=25)
def test_any_course_keeps_the_caps(steps, tmp_path_factory):
    clock = [0.0]
    folder = tmp_path_factory.mktemp("purse")
    purse = purse_at(folder, requests=6, now=lambda: clock[0])
    open_, spent, booked, requests = {}, Decimal(0), Decimal(0), 0
    for kind, cents, holder in steps:
        usd = Decimal(cents) / 100
        mine = [t for t, (h, _) in open_.items() if h == holder]
        if kind == "reserve":
            total = spent + booked + sum(u for _, u in open_.values())
            answer = purse.reserve(want(usd), holder=str(holder), test="t")
            fits = total + usd <= CAP and requests + 1 <= 6
            assert isinstance(answer, Ticket) == fits
            if fits:
                open_[answer], requests = (holder, usd), requests + 1
            else:
                # A wait pays only where settling what is open could make room.
                room = (
                    spent + booked + usd <= CAP if total + usd > CAP else requests - len(open_) < 6
                )
                assert refused(answer).for_now == room
        elif kind == "settle" and mine:
            _, reserved = open_.pop(mine[0])
            purse.settle(mine[0], reserved / 2, 1)
            spent += reserved / 2
        elif kind == "unknown" and mine:
            booked += open_.pop(mine[0])[1]
            purse.settle(mine[0], None, None)
        elif kind == "lose":
            purse.lose(str(holder))
            booked += sum(open_.pop(t)[1] for t in mine)
        elif kind == "late":
            clock[0] += 61.0
            booked += sum(u for _, u in open_.values())
            open_.clear()
        spend = purse.spend()
        assert spend.spent_usd == spent + booked + sum(u for _, u in open_.values()) <= CAP
        assert spend.spent_usd <= spend.peak_usd <= CAP
        assert spend.requests == requests


def test_a_bill_above_its_reservation_is_booked_and_nothing_follows(tmp_path):
    purse = purse_at(tmp_path)
    ticket = taken(purse.reserve(want("0.50"), holder="a", test="t"))
    purse.settle(ticket, Decimal("1.20"), 1)
    assert purse.spend().spent_usd == Decimal("1.20") == purse.spend().peak_usd
    assert not refused(purse.reserve(want("0.01"), holder="a", test="t")).for_now


def test_settling_twice_changes_nothing_and_a_late_bill_counts(tmp_path):
    purse = purse_at(tmp_path)
    ticket = taken(purse.reserve(want("0.50"), holder="a", test="t"))
    purse.lose("a")
    assert purse.never_settled() == (("t", Decimal("0.50")),)
    purse.settle(ticket, Decimal("0.10"), 1)  # it was not dead after all
    purse.settle(ticket, Decimal("0.20"), 1)
    purse.settle(ticket, None, None)
    assert purse.spend().spent_usd == Decimal("0.10")
    assert purse.never_settled() == ()


def test_a_refusal_names_the_numbers(tmp_path):
    purse = purse_at(tmp_path, requests=2)
    purse.reserve(want("0.40"), holder="dead", test="t")
    purse.lose("dead")
    other = taken(purse.reserve(want("0.30"), holder="a", test="t"))
    found = refused(purse.reserve(want("0.50"), holder="b", test="u"))
    assert found.reason == (
        "this call may cost $0.50; of $1.00 $0.40 is spent ($0.40 of it for calls that never "
        "ended) and $0.30 reserved"
    )
    assert found.for_now
    found = refused(purse.reserve(want("0.10"), holder="b", test="u"))
    assert found.reason == "this call may send 1 requests; of 2 1 are sent and 1 reserved"
    purse.settle(other, Decimal(0), 0)
    assert isinstance(purse.reserve(want("0.50"), holder="b", test="u"), Ticket)


@pytest.mark.parametrize("usd", ["NaN", "-1", "Infinity"])
def test_nonsense_is_not_reserved(tmp_path, usd):
    purse = purse_at(tmp_path)
    with pytest.raises(ValueError, match="can't be reserved"):
        purse.reserve(want(usd), holder="a", test="t")
    assert purse.spend().spent_usd == 0


def test_names_and_notes(tmp_path):
    purse = purse_at(tmp_path)
    assert purse.claim("chat", "a") is None
    assert purse.claim("chat", "a") is None
    assert purse.claim("chat", "b") == "a"
    purse.note(Note(kind="budget", test="c", text="x"))
    assert purse.notes() == (Note(kind="budget", test="c", text="x"),)
    assert set(purse.users()) == {"a", "c"}


def test_a_file_that_is_no_ledger(tmp_path):
    (tmp_path / "ledger.sqlite3").write_text("no database" * 500)
    with pytest.raises(WorldError, match="can't be used"):
        purse_at(tmp_path).spend()
