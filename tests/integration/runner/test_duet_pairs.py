"""Pairs on the wire: who goes when, what each arm sends, and when a cell is looked at."""

import json
import threading
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest

from lens_gate.load.question import SALT_WORDS
from lens_gate.records.look import LookAnswer
from lens_gate.records.policy import Message, Prompt

GO_ON, DECIDED = LookAnswer(action="go_on"), LookAnswer(action="decided", why="all rules are")
STOP, CONFIRM = LookAnswer(action="stop", why="the first failure"), LookAnswer(action="confirm")


def duet(bench, *, n, concurrency=1, cells=1, scenario=None, policy=None, **given):
    """Cells of pairs; the head asks the model ``new``, the control the model ``old``."""
    keys = ["one", "two", "three"][:cells]

    def arm(model, more=None):
        return bench.policy(
            targets={
                key: {"provider": "simulated", "model": model, **(policy or {})} for key in keys
            },
            scenarios__chat__targets=keys,
            scenarios__chat__load={"pattern": "closed", "concurrency": concurrency},
            **{f"scenarios__chat__{k}": v for k, v in {**(scenario or {}), **(more or {})}.items()},
        )

    control = given.pop("control_scenario", None)
    plan = bench.plan(arm("new"), seed=given.pop("seed", 5))
    return bench.paired(plan, n=n, policy=arm("old", control), **given)


def pairs(samples, phase="measured"):
    """By (cell, number): the samples of each pair in the order of sending."""
    found = defaultdict(list)
    for sample in sorted(samples, key=lambda s: s.seq):
        if sample.phase == phase:
            found[sample.cell, sample.pair].append(sample)
    return found


def numbers(samples, phase="measured"):
    return sorted((s.pair, s.arm) for s in samples if s.phase == phase)


def whole(n):
    return sorted((k, arm) for k in range(n) for arm in ("head", "control"))


class Looks:
    """Answers of a script by cell and look; keeps what it was shown."""

    def __init__(self, script=None):
        self.script = script or {}
        self.seen = []

    def __call__(self, cell, n, samples):
        self.seen.append((cell, n, list(samples)))
        answers = self.script.get((cell, n), [GO_ON])
        return answers.pop(0) if len(answers) > 1 else answers[0]


# -- the order of sending


def test_the_server_sees_both_arms_in_the_order_that_is_stored(bench):
    outcome = bench.run(duet(bench, n=20, warmup=2))
    stored = sorted(outcome.run.samples, key=lambda s: s.seq)
    served = sorted(outcome.stats["one"]["recent"], key=lambda e: e["number"])
    models = {"head": "new", "control": "old"}
    assert [e["model"] for e in served] == [models[s.arm] for s in stored]
    assert [s.seq for s in stored] == list(range(44))
    assert [s.phase for s in stored] == ["warmup"] * 4 + ["measured"] * 40
    assert numbers(stored) == whole(20)
    assert numbers(stored, "warmup") == whole(2)
    assert {s.target for s in stored} == {"one"}
    first = Counter(own[0].arm for own in pairs(stored).values())
    assert min(first[arm] for arm in models) >= 4
    assert outcome.run.end.cells[0].reason == "complete"


def test_the_second_of_a_pair_goes_when_the_first_has_ended_and_is_its_neighbour(bench):
    outcome = bench.run(duet(bench, n=12, concurrency=3))
    for first, second in pairs(outcome.run.samples).values():
        assert second.seq == first.seq + 1
        assert first.prompt_id == second.prompt_id
        assert {first.arm, second.arm} == {"head", "control"}
        assert second.marks.sent >= first.marks.done
        assert second.marks.ready >= first.marks.done


def test_each_worker_has_one_request_in_flight_whichever_arm_it_is_for(bench):
    slow = bench.behave(ttft={"fixed": "15ms"})
    outcome = bench.run(duet(bench, n=24, concurrency=3), slow)
    assert outcome.stats["one"]["most_in_flight"] == 3
    assert len({s.seq for s in outcome.run.samples}) == 48
    # As the pairs were begun, so are they numbered.
    begun = sorted(pairs(outcome.run.samples).values(), key=lambda own: own[0].marks.ready)
    assert [own[0].seq for own in begun] == sorted(own[0].seq for own in begun)


def test_the_same_seed_sends_the_same_and_another_does_not(bench):
    def sent(seed):
        samples = bench.run(duet(bench, n=20, seed=seed)).run.samples
        return [(s.arm, s.prompt_id) for s in sorted(samples, key=lambda s: s.seq)]

    assert sent(1) == sent(1) != sent(2)


def test_cells_are_shuffled_and_each_round_has_one_pair_of_each(bench):
    outcome = bench.run(duet(bench, n=12, cells=3))
    order = [s.cell for s in sorted(outcome.run.samples, key=lambda s: s.seq)]
    rounds = [tuple(order[k : k + 6 : 2]) for k in range(0, 72, 6)]
    assert all(len(set(each)) == 3 for each in rounds)
    assert order[::2] == order[1::2]
    assert len(set(rounds)) > 3
    # In time too: nobody begins before the one before it has ended.
    stored = sorted(outcome.run.samples, key=lambda s: s.seq)
    assert all(a.marks.done <= b.marks.sent for a, b in pairwise(stored))


def test_with_several_in_flight_a_turn_is_a_run_of_pairs(bench):
    outcome = bench.run(duet(bench, n=16, cells=2, concurrency=2))
    order = [s.cell for s in sorted(outcome.run.samples, key=lambda s: s.seq)]
    turns = [set(order[k : k + 16]) for k in range(0, 64, 16)]
    assert all(len(cells) == 1 for cells in turns)
    assert {len(turns[0] | turns[1]), len(turns[2] | turns[3])} == {2}


def test_each_arm_sends_its_own_text_of_the_ids_that_both_have(bench):
    def rows(*given):
        return tuple(
            Prompt(id=k, messages=(Message(role="user", content=t),), max_output_tokens=None)
            for k, t in given
        )

    plan = duet(bench, n=6)
    scenarios = {}
    for name, policy, given in (
        ("head", plan.policy, [("a", "new a"), ("b", "new b"), ("mine", "x")]),
        ("control", plan.control, [("b", "old b"), ("gone", "y"), ("a", "old a")]),
    ):
        scenarios[name] = {"chat": replace(policy.scenarios["chat"], prompts=rows(*given))}
    plan = replace(
        plan,
        policy=replace(plan.policy, scenarios=scenarios["head"]),
        control=replace(plan.control, scenarios=scenarios["control"]),
    )
    with noting_server() as (url, bodies):
        outcome = bench.run(plan, {"one": url})
    assert Counter(s.prompt_id for s in outcome.run.samples) == {"a": 6, "b": 6}
    assert Counter((b["model"], text(b)) for b in bodies) == {
        ("new", "new a"): 3,
        ("new", "new b"): 3,
        ("old", "old a"): 3,
        ("old", "old b"): 3,
    }


# -- looks


@pytest.mark.parametrize("concurrency", [1, 3])
def test_looks_are_taken_where_the_plan_has_them_with_exactly_the_pairs_before(bench, concurrency):
    looks = Looks()
    plan = duet(bench, n=20, cells=2, concurrency=concurrency, warmup=1, looks=[5, 11, 20])
    outcome = bench.run(plan, on_look=looks)
    for cell in ("chat/one", "chat/two"):
        seen = [(n, samples) for key, n, samples in looks.seen if key == cell]
        assert [n for n, _ in seen] == [5, 11, 20]
        for n, samples in seen:
            measured = [s for s in samples if s.phase == "measured"]
            assert sorted((s.pair, s.arm) for s in measured) == whole(n)
            assert [s.phase for s in samples if s not in measured] == ["warmup"] * 2
            assert [s.seq for s in samples] == sorted(s.seq for s in samples)
            # Nothing else has begun while it is looked at: what comes later was sent later.
            later = [s for s in outcome.run.samples if s.cell == cell and s.phase == "measured"]
            known = {s.seq for s in samples}
            ended = max(s.marks.done for s in samples)
            assert all(s.marks.sent > ended for s in later if s.seq not in known)


def test_a_decided_cell_drops_out_and_the_others_go_on_up_to_their_n(bench):
    looks = Looks({("chat/one", 8): [DECIDED]})
    outcome = bench.run(duet(bench, n=16, cells=2, looks=[4, 8, 16]), on_look=looks)
    ends = {e.cell: (e.reason, e.detail) for e in outcome.run.end.cells}
    assert ends == {"chat/one": ("decided", "all rules are"), "chat/two": ("complete", "")}
    sent = Counter(s.cell for s in outcome.run.samples)
    assert sent == {"chat/one": 16, "chat/two": 32}
    assert outcome.run.end.reason == "complete"


def test_what_is_decided_at_n_is_complete(bench):
    outcome = bench.run(duet(bench, n=6), on_look=Looks({("chat/one", 6): [DECIDED]}))
    assert outcome.run.end.cells[0].reason == "complete"


def test_a_stop_ends_every_cell_and_the_plain_ones_are_not_sent(bench):
    plan = duet(bench, n=12, cells=3, looks=[4, 12])
    plain = replace(plan.cells[2], duet=None)
    plan = replace(plan, cells=(plain, *plan.cells[:2]))
    outcome = bench.run(plan, on_look=Looks({("chat/two", 4): [STOP]}))
    ends = {e.cell: (e.reason, e.detail) for e in outcome.run.end.cells}
    assert set(ends) == {"chat/one", "chat/two", "chat/three"}
    assert set(ends.values()) == {("stopped", "the first failure")}
    assert Counter(s.target for s in outcome.run.samples)["three"] == 0
    assert 6 <= Counter(s.target for s in outcome.run.samples)["one"] <= 10
    assert outcome.run.end.reason == "complete"


def test_a_stop_at_n_leaves_its_own_cell_complete(bench):
    outcome = bench.run(duet(bench, n=4, cells=2), on_look=Looks({("chat/two", 4): [STOP]}))
    ends = {e.cell: e.reason for e in outcome.run.end.cells}
    assert ends["chat/two"] == "complete"
    assert ends["chat/one"] in ("stopped", "complete")


def test_plain_cells_follow_the_duets_in_turn(bench):
    plan = duet(bench, n=6, cells=3)
    plan = replace(plan, cells=(replace(plan.cells[0], duet=None), *plan.cells[1:]))
    outcome = bench.run(plan)
    stored = sorted(outcome.run.samples, key=lambda s: s.seq)
    assert [s.target for s in stored[24:]] == ["one"] * 6
    assert {(s.arm, s.pair) for s in stored[24:]} == {("head", None)}
    assert len({s.seq for s in stored}) == 30
    assert {e.reason for e in outcome.run.end.cells} == {"complete"}


def test_a_failure_is_confirmed_on_as_many_new_pairs(bench):
    looks = Looks({("chat/one", 6): [CONFIRM, DECIDED]})
    plan = duet(bench, n=12, looks=[6, 12], confirm=12, concurrency=2)
    outcome = bench.run(plan, on_look=looks)
    assert [(n, len(samples)) for _, n, samples in looks.seen] == [(6, 12), (6, 24)]
    again = looks.seen[1][2]
    assert numbers(again, "confirm") == whole(6)
    assert numbers(again) == whole(6)
    measured, confirming = pairs(again), pairs(again, "confirm")
    for key, own in confirming.items():
        assert own[0].prompt_id == measured[key][0].prompt_id
    firsts = {phase: [own[0].arm for own in pairs(again, phase).values()] for phase in PHASES}
    assert firsts["measured"] != firsts["confirm"]
    assert outcome.run.end.cells[0].reason == "decided"


PHASES = ("measured", "confirm")


def test_a_later_failure_extends_the_confirming_block_and_never_beyond_what_was_set_aside(bench):
    looks = Looks({("chat/one", n): [CONFIRM, GO_ON] for n in (4, 8, 12)})
    plan = duet(bench, n=12, looks=[4, 8, 12], confirm=8)
    seen_totals = []
    outcome = bench.run(
        plan, on_look=looks, on_progress=lambda p, _: seen_totals.append((p.done, p.total))
    )
    shown = [(n, len(numbers(samples, "confirm")) // 2) for _, n, samples in looks.seen]
    assert shown == [(4, 0), (4, 4), (8, 4), (8, 8), (12, 8)]
    assert numbers(outcome.run.samples, "confirm") == whole(8)
    assert seen_totals[0] == (1, 24)
    assert seen_totals[-1] == (40, 40)


def test_progress_counts_the_requests_of_both_arms(bench):
    seen = []
    bench.run(duet(bench, n=5, warmup=1), on_progress=lambda p, _: seen.append((p.done, p.total)))
    assert seen == [(k, 12) for k in range(1, 13)]


def test_a_cell_that_ends_early_is_told_once_more_as_all_that_there_is(bench):
    """Or whoever shows it would wait for what never comes."""
    seen = []

    def observe(progress, _):
        seen.append((progress.cell, progress.done, progress.total))

    plan = duet(bench, n=12, cells=2, looks=[4, 8, 12])
    looks = Looks({("chat/two", 4): [DECIDED]})
    bench.run(plan, on_look=looks, on_progress=observe)
    two = [(done, total) for cell, done, total in seen if cell == "chat/two"]
    assert two == [*((k, 24) for k in range(1, 9)), (8, 8)]
    one = [(done, total) for cell, done, total in seen if cell == "chat/one"]
    assert one == [(k, 24) for k in range(1, 25)]


def test_a_cell_of_which_nothing_is_to_be_sent_is_complete(bench):
    plan = duet(bench, n=4, cells=2)
    plan = replace(plan, cells=(replace(plan.cells[0], n=0), plan.cells[1]))
    outcome = bench.run(plan)
    assert {e.cell: e.reason for e in outcome.run.end.cells} == {
        "chat/one": "complete",
        "chat/two": "complete",
    }
    assert {s.target for s in outcome.run.samples} == {"two"}


# -- the same state on both sides


def test_warm_connections_are_open_before_and_cold_ones_new_for_each_request(bench):
    warm = bench.run(duet(bench, n=6, warmup=1, concurrency=2))
    assert all(s.marks.reused for s in warm.run.samples)
    cold = bench.run(duet(bench, n=6, warmup=1, scenario={"connection": "cold"}))
    assert [s.marks.reused for s in cold.run.samples if s.phase == "warmup"] == [True, True]
    fresh = [s for s in cold.run.samples if s.phase == "measured"]
    assert len(fresh) == 12
    assert all(s.marks.connected is not None and not s.marks.reused for s in fresh)


def text(body):
    return body["messages"][0]["content"]


@contextmanager
def noting_server():
    """A provider that answers at once and notes what it was asked; gives its base URL."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # head and body in one write, or they wait for each other's ACK

        def do_POST(self):
            bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            made = {"id": "x", "object": "chat.completion.chunk", "model": "m"}
            parts = [
                {**made, "choices": [{"index": 0, "delta": {"content": "yes"}}]},
                {**made, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
                {**made, "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1}},
            ]
            data = "".join(f"data: {json.dumps(p)}\n\n" for p in parts) + "data: [DONE]\n\n"
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data.encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1", bodies
        finally:
            server.shutdown()
            thread.join()


def asked(bench, **given):
    with noting_server() as (url, bodies):
        outcome = bench.run(duet(bench, **given), {"one": url})
    assert all(s.failure is None for s in outcome.run.samples)
    return outcome, bodies


@pytest.mark.parametrize("concurrency", [1, 2])
def test_each_arm_has_a_salt_of_its_own_and_is_warmed_before_its_first_pair(bench, concurrency):
    outcome, bodies = asked(bench, n=9, warmup=1, salted=True, concurrency=concurrency)
    starts = defaultdict(set)
    for body in bodies:
        salt, _, rest = text(body).partition("\n")
        assert len(salt.split()) == SALT_WORDS
        assert rest in ("first question", "second question", "third question")
        starts[body["model"]].add(salt)
    assert [len(own) for own in starts.values()] == [1, 1]
    (new,), (old,) = starts["new"], starts["old"]
    assert new.split()[:3] != old.split()[:3]
    assert len(new) == len(old)
    stored = sorted(outcome.run.samples, key=lambda s: s.seq)
    calls = [s for s in stored if s.phase == "warmup" and s.pair >= 1]
    assert Counter((s.arm, s.prompt_id) for s in calls) == {
        (arm, p): 1 for arm in ("head", "control") for p in {s.prompt_id for s in stored}
    }
    assert numbers(stored, "warmup") == whole(4)
    for call in calls:
        same = [s for s in stored if s.phase == "measured" and s.prompt_id == call.prompt_id]
        assert all(call.marks.done <= s.marks.sent for s in same)
    if concurrency == 1:
        # As late as can be: each just before the first pair that needs it.
        phases = [s.phase for s in stored[2:]]
        assert phases[:4] == ["warmup", "warmup", "measured", "measured"]
        assert phases[4:8] == ["warmup", "warmup", "measured", "measured"]


def test_warm_prompts_are_the_same_on_both_arms(bench):
    outcome, bodies = asked(bench, n=6, scenario={"cache": "warm"})
    assert Counter(map(text, bodies)) == {
        "first question": 6,
        "second question": 6,
        "third question": 6,
    }
    assert len([s for s in outcome.run.samples if s.phase == "warmup"]) == 6


def test_bust_makes_every_request_its_own(bench):
    _, bodies = asked(bench, n=6, scenario={"cache": "bust"}, salted=False)
    assert len({text(b) for b in bodies}) == 12


def test_warming_calls_that_fail_do_no_harm(bench):
    # The second and third request of the run: calls before the first pair.
    fault = {"kind": "status", "status": 500, "at": [1, 2]}
    outcome = bench.run(duet(bench, n=4, salted=True), bench.behave(faults=[fault]))
    failed = [s.phase for s in outcome.run.samples if s.failure is not None]
    assert failed == ["warmup", "warmup"]
    assert numbers(outcome.run.samples) == whole(4)
    assert outcome.run.end.cells[0].reason == "complete"


def test_a_control_may_be_another_target_with_a_server_of_its_own(bench):
    policy = bench.policy(
        targets__one={"provider": "simulated", "model": "new"},
        targets__before={"provider": "simulated", "model": "old"},
        scenarios__chat__load={"pattern": "closed", "concurrency": 1},
    )
    outcome = bench.run(bench.paired(bench.plan(policy), n=5, control="before"))
    assert {key: stats["requests"] for key, stats in outcome.stats.items()} == {
        "one": 5,
        "before": 5,
    }
    assert {e["model"] for e in outcome.stats["before"]["recent"]} == {"old"}
    assert {s.cell for s in outcome.run.samples} == {"chat/one"}
    assert numbers(outcome.run.samples) == whole(5)
