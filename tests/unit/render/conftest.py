"""Builders of reports: whole records of which a test names only what matters to it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from lens_gate.judge.wording import apportion, headline, movements, next_step
from lens_gate.records.baseline import Baseline
from lens_gate.records.check import Verdict
from lens_gate.records.difference import Difference
from lens_gate.records.look import LookReport
from lens_gate.records.plan import Fingerprint
from lens_gate.records.policy import Change, Place
from lens_gate.records.report import (
    Bins,
    CellReport,
    DuetReport,
    PooledRow,
    Refs,
    Report,
    Row,
    Statistics,
)
from lens_gate.records.run import Spend
from lens_gate.records.waiver import Waiver, WaiverReport
from lens_gate.units import format_amount

UNITS = {"cost_usd": "usd", "error_rate": "share", "goodput": "share", "output_tps": "tokens/s"}
LINES = {
    "ttft": 21,
    "itl": 22,
    "e2e": 23,
    "cost_usd": 24,
    "error_rate": 25,
    "output_tokens": 26,
}


class Build:
    """Each method gives a whole record; keywords replace its fields."""

    def verdict(self, verdict="pass", **given) -> Verdict:
        whole = {"id": "c", "estimate": None, "low": None, "high": None, "n": 20, "reason": "why"}
        return Verdict(verdict=verdict, **{**whole, **given})

    def row(self, metric="ttft", statistic="typ", *, verdict=None, **given) -> Row:
        unit = UNITS.get(metric, "tokens" if metric.endswith("tokens") else "s")
        line = LINES.get(metric, 30)
        whole = {
            "rule": f"{metric}-{statistic}".replace("_", "-").strip("-"),
            "scenario": "chat",
            "target": "quick",
            "metric": metric,
            "statistic": statistic,
            "unit": unit,
            "better": "higher" if metric in ("goodput", "output_tps") else "lower",
            "gating": True,
            "kind": "relative",
            "verdict": verdict or self.verdict(),
            "margin_from": "policy",
            "policy_line": f"- {{metric: {metric}.{statistic}}}",
            "place": Place(file="lens-gate.yaml", line=line, column=9),
        }
        return Row(**{**whole, **given})

    def drift(
        self, metric, statistic, name, base, change, *, half=0.2, margin=0.75, **given
    ) -> Row:
        """A row of a comparison with eight stored runs."""
        low, high = (1 + change) * (1 - half) - 1, (1 + change) * (1 + half) - 1
        reasons = {
            "pass": "not worse than its history by as much as the margin",
            "fail": "worse than its history",
            "improved": "better than its history",
        }
        verdict = self.verdict(
            name,
            estimate=change,
            low=low,
            high=high,
            base_n=8,
            base_value=base,
            head_value=base * (1 + change),
            margin=margin,
            reason=f"{reasons.get(name, 'neither shown')}: {change:+.0%} against 8 runs "
            f"(p = 0.0003 <= 0.05)",
        )
        given = {"mode": "history", **given}
        return self.row(metric, statistic, verdict=verdict, **given)

    def pairs(
        self, metric, statistic, name, control, change, *, half=0.1, margin=0.2, n=36, **given
    ) -> Row:
        """A row of a duet."""
        low, high = (1 + change) * (1 - half) - 1, (1 + change) * (1 + half) - 1
        reasons = {
            "pass": "not worse than the control by as much as the margin",
            "fail": "worse than the control",
            "improved": "better than the control",
        }
        verdict = self.verdict(
            name,
            estimate=change,
            low=low,
            high=high,
            n=n,
            base_n=n,
            base_value=control,
            head_value=control * (1 + change),
            margin=margin,
            reason=f"{reasons.get(name, 'neither shown')}: {change:+.0%} over {n} pairs "
            f"(p = 0.0003 <= 0.01)",
            detectable=given.pop("detectable", None),
            withheld=given.pop("withheld", False),
        )
        return self.row(metric, statistic, verdict=verdict, mode="duet", **given)

    def limit(self, metric, statistic, name, value, limit, *, low, high, **given) -> Row:
        """A row of an absolute limit."""
        words = "within" if name == "pass" else "above"
        shown = [format_amount(x, UNITS.get(metric, "s")) for x in (value, limit)]
        verdict = self.verdict(
            name,
            estimate=value,
            low=low,
            high=high,
            head_value=value,
            limit=limit,
            reason=f"{statistic} of 20 is {shown[0]}, {words} the limit {shown[1]} (p = 2e-6)",
        )
        if metric == "error_rate":
            verdict = replace(
                verdict, reason="0 of 20 failed; up to 13.9 % not excluded; the limit 20 % holds"
            )
        given = {"kind": "absolute", "margin_from": "", **given}
        return self.row(metric, statistic, verdict=verdict, **given)

    def statistics(self, typ, *, spread=0.4, n=20, censored=0) -> Statistics:
        return Statistics(
            n=n,
            censored=censored,
            mean=typ * 1.05,
            typ=typ,
            p50=typ * 0.98,
            p90=typ * (1 + spread),
            p95=typ * (1 + 1.3 * spread),
            p99=typ * (1 + 1.7 * spread),
            max=typ * (1 + 2 * spread),
        )

    def cell(self, **given) -> CellReport:
        whole = {
            "scenario": "chat",
            "target": "quick",
            "title": "Short chat answers",
            "planned": 20,
            "measured": 20,
            "ok": 20,
            "failures": {},
            "example_failure": "",
            "retried": 0,
            "end": "",
            "models": ("gpt-test-2026",),
            "baselines": 8,
            "baseline_span": "20261119T021500Z to 20261121T021500Z",
            "changed": (),
            "not_comparable": (),
            "price": "simulated: $1 in, $4 out for 1M tokens",
            "spent_usd": Decimal("0.0055"),
            "metrics": {
                "ttft": self.statistics(0.045),
                "e2e": self.statistics(0.166),
                "itl": self.statistics(0.00191),
                "output_tokens": self.statistics(60.7),
                "reasoning_tokens": self.statistics(0.0),
                "cost_usd": self.statistics(0.00026),
            },
            "history": {
                "ttft": (0.044, 0.041, 0.05, 0.043, 0.048, 0.044, 0.041, 0.052),
                "e2e": (0.16, 0.16, 0.17, 0.18, 0.18, 0.17, 0.15, 0.18),
                "itl": (0.0018, 0.0018, 0.0018, 0.0024, 0.0023, 0.0022, 0.0017, 0.0023),
                "output_tokens": (60.0, 62.0, 61.0, 60.4, 60.1, 58.9, 60.8, 60.7),
            },
            "merged_share": 0.1,
            "notes": (),
            "fingerprint": "9c1f04be77a2",
            "region": "eu-west",
            "bins": {"ttft": Bins(low=0.031, high=0.082, head=(1, 2, 5, 6, 3, 2, 0, 1))},
        }
        return CellReport(**{**whole, **given})

    def look(self, pairs, decided=None, *, share=0.1, left=0, confirming=False) -> LookReport:
        return LookReport(
            pairs=pairs, share=share, decided=decided or {}, open=left, confirming=confirming
        )

    def duet(self, **given) -> DuetReport:
        """The control's side of a cell: decided after 36 of 180 pairs."""
        whole = {
            "control": "quick",
            "commit": "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
            "pairs": 36,
            "dropped": 0,
            "looks": (
                self.look(16, share=0.298, left=3),
                self.look(24, {"chat/quick/cost/duet": "pass"}, share=0.067, left=2),
                self.look(36, {"c": "fail", "d": "pass"}, share=0.082),
            ),
            "saved_requests": 288,
            "saved_usd": Decimal("0.4132"),
            "confirm_pairs": 0,
            "ok": 36,
            "failures": {},
            "models": ("gpt-test-2025",),
            "metrics": {
                "ttft": self.statistics(0.045, n=36),
                "e2e": self.statistics(0.166, n=36),
                "itl": self.statistics(0.00191, n=36),
                "output_tokens": self.statistics(60.7, n=36),
                "cost_usd": self.statistics(0.00026, n=36),
            },
            "moved": {
                "ttft": self.difference(0.52, 0.39, 0.66),
                "itl": self.difference(0.004, -0.02, 0.03),
                "e2e": self.difference(0.14, 0.09, 0.2),
                "output_tokens": self.difference(0.002, -0.04, 0.05),
                "cost_usd": self.difference(0.001, -0.04, 0.05),
            },
            "drift": (),
            "changed": ("model was gpt-test-2025, is gpt-test-2026",),
            "only_head": (),
            "only_control": (),
            "spent_usd": Decimal("0.0026"),
        }
        return DuetReport(**{**whole, **given})

    def difference(self, change, low, high, pairs=36) -> Difference:
        return Difference(change=change, low=low, high=high, pairs=pairs)

    def in_pairs(self, **given) -> CellReport:
        """A cell that was measured in pairs."""
        control = (1, 3, 9, 12, 6, 3, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0)
        spread = {
            "ttft": Bins(low=0.031, high=0.124, head=(*[0] * 6, *control[:10]), control=control),
            "e2e": Bins(low=0.12, high=0.34, head=(*[0] * 2, *control[:14]), control=control),
        }
        whole = {"planned": 180, "measured": 36, "ok": 36, "duet": self.duet(), "bins": spread}
        return self.cell(**{**whole, **given})

    def together(self, metric="ttft", statistic="typ", **given) -> PooledRow:
        whole = {
            "scenario": "chat",
            "rule": f"{metric}-{statistic}",
            "targets": 5,
            "pairs": 250,
            "estimate": 0.12,
            "low": 0.081,
            "high": 0.16,
            "p_worse": 2e-6,
        }
        return PooledRow(metric=metric, statistic=statistic, **{**whole, **given})

    def waiver(self, state="in_force", *, used=False, **given) -> WaiverReport:
        whole = {
            "rule": "ttft-typ",
            "cell": "chat/quick",
            "ceiling": 0.6,
            "limit": None,
            "reason": "the new guard adds a hop, to be folded in 1.4",
            "who": "maria@example.com",
            "created": "2026-11-01",
            "expires": "2026-12-01",
            "place": Place(file="baselines/waivers.yaml", line=3, column=5),
        }
        return WaiverReport(waiver=Waiver(**{**whole, **given}), state=state, used=used)

    def noted(self, cell) -> CellReport:
        """With the notes that the gate itself writes."""
        moved = f"against the stored runs: {movements(cell.metrics, cell.history)}"
        why = apportion(cell.metrics, cell.history)
        return replace(cell, notes=tuple(filter(None, (moved, why))))

    def report(self, outcome="passed", *, rows=(), cells=(), why="", **given) -> Report:
        """A report; its headline and next step are those that the gate would write."""
        codes = {"failed": 1, "budget": 4, "no_data": 5, "aborted": 130}
        whole = {
            "policy": "demo",
            "policy_file": "lens-gate.yaml",
            "policy_sha256": "0f" * 32,
            "run_id": "20261121T042021Z-7f0691d2",
            "created": "20261121T042021Z",
            "exit_code": codes.get(outcome, 0),
            "headline": headline(outcome, rows, cells, why),
            "next_step": next_step(outcome, rows, waivers=given.get("waivers", ())),
            "confidence": 0.99,
            "family": sum(row.gating for row in rows),
            "refs": self.refs(),
            "spend": Spend(
                spent_usd=Decimal("0.0131"),
                peak_usd=Decimal("0.0184"),
                cap_usd=Decimal("0.50"),
                requests=42,
                max_requests=200,
            ),
            "elapsed_s": 3.15,
            "seed": 20261121,
            "changes": (),
            "warnings": (),
            "environment": {"platform": "Linux x86_64", "python": "3.11"},
            "reproduce": "lens-gate gate --policy lens-gate.yaml --seed 20261121",
            "version": "0.1.0",
            "waivers_file": "baselines/waivers.yaml",
        }
        return Report(outcome=outcome, rows=tuple(rows), cells=tuple(cells), **{**whole, **given})

    def refs(self, **given) -> Refs:
        whole = {
            "mode": "history",
            "why": "against up to 8 stored runs",
            "trust_ref": "refs/heads/main",
            "control_ref": None,
            "head": "371ea0f0c5051f7d0d0a3d6b7f0cf3a2b9d1e4c7",
            "dirty": False,
        }
        return Refs(**{**whole, **given})

    def unsent(self, outcome, why, **given) -> Report:
        """The report of a gate that sent nothing."""
        spend = Spend(
            spent_usd=Decimal(0),
            peak_usd=Decimal(0),
            cap_usd=Decimal("0.50"),
            requests=0,
            max_requests=200,
        )
        nothing = {"run_id": "", "elapsed_s": 0.0, "environment": {}, "spend": spend}
        return self.report(outcome, why=why, **{**nothing, **given})

    def change(self, path="targets.quick.model", effect="measured") -> Change:
        return Change(path=path, trusted="gpt-test-2025", head="gpt-test-2026", effect=effect)

    def baseline(self, **given) -> Baseline:
        whole = {
            "scenario": "chat",
            "target": "quick",
            "created": "20261121T021500Z",
            "commit": "371ea0f0c5051f7d0d0a3d6b7f0cf3a2b9d1e4c7",
            "policy": "demo",
            "run_id": "20261121T021500Z-7f0691d2",
            "models": ("gpt-test-2026",),
            "fingerprint": Fingerprint(
                fixed={"max_output_tokens": "400"}, compared={"model": "gpt-test-2026"}
            ),
            "prompt_ids": ("a", "b"),
            "values": {"ttft": (0.1, None)},
            "censored": (),
            "failures": {"timeout": 1},
            "spent_usd": Decimal("0.01"),
            "environment": {},
        }
        return Baseline(**{**whole, **given})


@pytest.fixture(scope="session")
def build() -> Build:
    return Build()


def _even(build, target):
    """Six unremarkable rows of a cell."""
    return [
        build.drift("ttft", "typ", "pass", 0.045, -0.068, margin=1.0, margin_from="default"),
        build.drift("itl", "typ", "pass", 0.00191, 0.26, margin_from="default"),
        build.drift("e2e", "typ", "pass", 0.166, 0.17, margin_from="default"),
        build.drift("cost_usd", "mean", "improved", 0.00026, -0.2, half=0.06, margin=0.1),
        build.limit("error_rate", "", "pass", 0.0, 0.2, low=0.0, high=0.139),
        build.drift("output_tokens", "mean", "pass", 60.7, -0.003, half=0.07, gating=False),
    ], target


def _of(rows, target):
    return [replace(row, target=target) for row in rows]


def _duets(build):
    """Reports of pull requests whose control could run."""
    refs = build.refs(
        mode="duet",
        why="requests differ in chat/quick; the host states the target branch",
        control_ref="0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
    )
    slower = [
        build.pairs("ttft", "typ", "fail", 0.045, 0.52, margin_from="default"),
        build.pairs("itl", "typ", "pass", 0.00191, 0.004, margin=0.15, margin_from="default"),
        build.pairs("e2e", "typ", "pass", 0.166, 0.14, half=0.04, margin=0.25),
        build.pairs("cost_usd", "mean", "improved", 0.00026, -0.08, half=0.03, margin=0.1),
        build.limit("error_rate", "", "pass", 0.0, 0.02, low=0.0, high=0.018),
    ]
    drifted = build.duet(
        drift=(
            (
                "from the session's first half to its second, both arms together: TTFT +38 % "
                "[+28, +48], E2E +35 % [+26, +45]: the service itself moved, which no verdict of "
                "the pairs counts"
            ),
        )
    )
    whole = build.duet(
        pairs=180,
        dropped=2,
        saved_requests=0,
        saved_usd=Decimal(0),
        looks=tuple(build.look(n, share=0.1, left=2) for n in (16, 24, 36, 54, 80, 120, 180)),
    )
    undecided = [
        build.pairs(
            "ttft",
            "typ",
            "inconclusive",
            0.45,
            0.18,
            half=0.15,
            n=178,
            margin_from="default",
            detectable=0.34,
            needs_requests=820,
            needs_usd=Decimal("1.2345"),
        ),
        build.pairs(
            "e2e",
            "typ",
            "inconclusive",
            1.6,
            0.3,
            n=178,
            margin=0.15,
            withheld=True,
        ),
        build.pairs("cost_usd", "mean", "pass", 0.0026, 0.01, half=0.03, n=178, margin=0.1),
        build.row(
            "itl",
            "typ",
            mode="history",
            target="thorough",
            verdict=build.verdict(
                "inconclusive", base_n=3, margin=0.75, reason="3 of 10 stored runs"
            ),
            margin_from="default",
        ),
    ]
    undecided[1] = replace(
        undecided[1],
        verdict=replace(
            undecided[1].verdict,
            reason="withheld: the control waited for its rate limit (3.1 s in all), the head not",
        ),
    )
    waived = [
        build.pairs(
            "ttft",
            "typ",
            "fail",
            0.045,
            0.52,
            waived=(
                "waived until 2026-12-01: the new guard adds a hop, to be folded in 1.4 "
                "(maria@example.com)"
            ),
        ),
        build.pairs(
            "itl",
            "typ",
            "fail",
            0.00191,
            0.31,
            gating=False,
            demoted="it failed 3 of 60 unchanged runs, more than 1 %",
        ),
        *slower[2:],
    ]
    return {
        "duet_failed": build.report(
            "failed",
            rows=slower,
            cells=[build.in_pairs(duet=drifted)],
            refs=refs,
            changes=(build.change(),),
        ),
        "duet_inconclusive": build.report(
            "inconclusive",
            rows=undecided,
            cells=[
                build.in_pairs(measured=180, ok=179, failures={"timeout": 1}, duet=whole),
                build.cell(target="thorough", baselines=3),
            ],
            pooled=(
                build.together(),
                build.together("cost_usd", "mean", estimate=0.004, low=-0.01, high=0.018),
            ),
            refs=refs,
        ),
        "duet_waived": build.report(
            rows=waived,
            cells=[build.in_pairs()],
            refs=refs,
            waivers=(
                build.waiver(used=True),
                build.waiver("pending", rule="itl-typ", ceiling=0.4),
                build.waiver(
                    "expired", rule="e2e-p90", ceiling=None, limit=1.5, expires="2026-11-20"
                ),
            ),
            null_rate="0 of 24 unchanged runs failed (at most 11.7 %, 95 % bound), 2026-11-20",
        ),
    }


def _reports(build):
    even, quick = _even(build, "quick")
    slow = [
        build.drift("ttft", "typ", "fail", 0.045, 3.07, margin=1.0, margin_from="default"),
        build.drift("e2e", "typ", "fail", 0.166, 1.33, margin_from="default"),
        build.drift("cost_usd", "mean", "fail", 0.00026, 0.448, half=0.06, margin=0.1),
        build.limit("e2e", "p90", "fail", 1.62, 1.5, low=1.51, high=2.2),
        build.drift("output_tokens", "mean", "fail", 60.7, 0.478, margin=0.15, gating=False),
    ]
    late = build.noted(
        build.cell(
            metrics={
                "ttft": build.statistics(0.183),
                "e2e": build.statistics(0.387),
                "itl": build.statistics(0.00227),
                "output_tokens": build.statistics(86.0),
                "cost_usd": build.statistics(0.00038),
            },
            changed=("simulate changed",),
        )
    )
    first = [
        build.row(
            metric,
            statistic,
            verdict=build.verdict(
                "inconclusive",
                margin=1.0,
                reason="no baseline yet; this run is offered as the first",
            ),
            margin_from="default",
        )
        for metric, statistic in (("ttft", "typ"), ("e2e", "typ"), ("cost_usd", "mean"))
    ]
    alone = build.cell(baselines=0, baseline_span="", history={})
    undecided = [
        build.drift("ttft", "typ", "inconclusive", 0.45, 0.38, half=0.5, margin=0.25),
        build.drift("output_tps", "typ", "inconclusive", 61.0, -0.11, half=0.2, margin=0.2),
        build.row(
            "goodput",
            "",
            kind="absolute",
            verdict=build.verdict(
                "inconclusive",
                estimate=0.9,
                low=0.75,
                high=0.97,
                head_value=0.9,
                limit=0.95,
                reason=(
                    "2 of 20 missed an objective, below the minimum 95 %, but not shown to be "
                    "(p = 0.26)"
                ),
            ),
        ),
        build.row(verdict=build.verdict("new", reason="new in this change"), kind="new"),
    ]
    lost = [
        build.row(
            "ttft",
            "typ",
            verdict=build.verdict("no_data", n=0, reason="no successful request (0 of 20)"),
        ),
        build.row(
            "ttft",
            "p95",
            gating=False,
            verdict=build.verdict("no_data", n=0, reason="no successful request (0 of 20)"),
        ),
        *even[4:5],
    ]
    refused = build.cell(
        ok=0,
        retried=3,
        failures={"rate_limited": 17, "timeout": 3},
        example_failure='429: {"error": {"message": "Rate limit reached | slow down"}}',
        end="hopeless: nothing but refusals in the first 20 requests",
        metrics={"ttft": build.statistics(30.0, spread=0.0, n=3, censored=3)},
        history={},
        models=(),
        not_comparable=("max_output_tokens was 400, is 200",),
    )
    budget = (
        "budget.max_usd of $0.0001 does not pay for samples.min of the gating cells at the "
        "worst-case price: chat/quick may cost $0.0285 (16 + 1 warm-up requests at up to "
        "$0.00168). Nothing was sent."
    )
    return {
        "passed": build.report(rows=even, cells=[build.noted(build.cell())]),
        "passed_many_rows": build.report(
            rows=[*_of(even, quick), *_of(even, "thorough")],
            cells=[build.cell(), build.cell(target="thorough")],
            warnings=tuple(f"warning number {number}" for number in range(1, 13)),
        ),
        "passed_zero_rows": build.report(cells=[alone]),
        "failed": build.report(
            "failed",
            rows=[*slow, even[1], even[4]],
            cells=[late],
            changes=(
                build.change(),
                build.change("budget.max_usd", "after_merge"),
            ),
            warnings=(
                "chat/quick: 31.4 % of the output events shared a read with another",
                "chat/quick: answers came from more than one model",
            ),
        ),
        "inconclusive_first_run": build.report(
            "inconclusive", rows=[*first, even[4]], cells=[alone]
        ),
        "inconclusive": build.report("inconclusive", rows=undecided, cells=[build.cell()]),
        "no_data": build.report("no_data", rows=lost, cells=[refused]),
        "budget": build.unsent("budget", budget),
        "aborted": build.report(
            "aborted",
            why="interrupted by the user",
            rows=even[:1],
            cells=[build.cell(measured=9, ok=9)],
        ),
        "not_measured": build.unsent("not_measured", "a fork's run has no access to the key"),
        "unchanged": build.unsent(
            "unchanged",
            "no changed file is watched (watch: app/**), and no prompt, model or parameter differs",
            refs=build.refs(
                mode="unchanged",
                why="compare: auto, and control and head would send the same",
                control_ref="0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
            ),
        ),
        **_duets(build),
    }


GOLDEN = (
    "passed",
    "passed_many_rows",
    "passed_zero_rows",
    "failed",
    "inconclusive_first_run",
    "inconclusive",
    "no_data",
    "budget",
    "aborted",
    "not_measured",
    "unchanged",
    "duet_failed",
    "duet_inconclusive",
    "duet_waived",
)


@pytest.fixture(scope="session")
def reports(build) -> dict[str, Report]:
    found = _reports(build)
    assert tuple(found) == GOLDEN
    return found


@pytest.fixture(params=GOLDEN)
def named_report(request, reports) -> tuple[str, Report]:
    return request.param, reports[request.param]
