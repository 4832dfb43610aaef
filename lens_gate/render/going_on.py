"""What a reader can do: measure again, judge again, accept. Folded, and ready to be pasted."""

import shlex
from collections.abc import Iterable

from lens_gate.records.publication import Frame
from lens_gate.records.report import Report
from lens_gate.render.escape import code, fenced, fenced_lines, link, one_line
from lens_gate.render.figures import counted
from lens_gate.render.fold import Fold, fold
from lens_gate.render.waivers import Acceptance, acceptances, command, waivers_yaml

_MOST_ACCEPTED = 10
_FOR_GOOD = (
    "To accept a change for good, raise the rule's limit in the policy, in a change that is "
    "reviewed and merged first: limits are read at the target branch."
)


def going_on(report: Report, frame: Frame) -> Iterable[Fold]:
    """How to reproduce, and where something failed how to accept it.

    Commands of an unverified report are somebody's own words: nobody is asked to run them.
    """
    if frame.reported_by:
        if frame.run_url:
            text = f"What it left behind is at {link('its run', frame.run_url)}."
            yield Fold(text=fold("The fork's own run", text), rank=1)
        return
    yield Fold(text=fold("How to reproduce this", _reproducing(report, frame)), rank=1)
    accepted = acceptances(report)
    if accepted:
        yield Fold(text=fold("How to accept this", _accepting(accepted, report)), rank=0)


def _reproducing(report: Report, frame: Frame) -> str:
    parts = ["Measure and judge again on your machine:", fenced(report.reproduce, "sh")]
    if report.run_id:
        policy = shlex.quote(one_line(report.policy_file, 300))
        parts += [
            "Judge this very run again, under this policy or a changed one:",
            fenced(f"lens-gate judge --run run.jsonl --policy {policy}", "sh"),
        ]
        if frame.run_url:
            files = "every request (`run.jsonl`) and every number (`report.json`)"
            parts.append(f"{link('This run', frame.run_url)} keeps {files} among its artifacts.")
    elif frame.run_url:
        parts.append(f"See also {link('this run', frame.run_url)}.")
    return "\n\n".join(parts)


def _accepting(accepted: list[Acceptance], report: Report) -> str:
    shown, rest = accepted[:_MOST_ACCEPTED], len(accepted) - _MOST_ACCEPTED
    commands = [command(one, report.policy_file) for one in shown]
    more = f" Of {counted(len(accepted), 'failure')} these are the first." if rest > 0 else ""
    for_a_while = (
        "For a while: merge a waiver into the target branch, then run this job again. The ceiling "
        f"is the worst that this run can't rule out; lower it where you can.{more}"
    )
    parts = [for_a_while, fenced_lines(commands, "sh")]
    if lines := waivers_yaml(shown, report.created):
        file = code(report.waivers_file or "waivers.yaml")
        parts += [
            f"Or paste it into {file} yourself; the first two lines only where the file is new:",
            fenced_lines(lines, "yaml"),
        ]
    return "\n\n".join([*parts, _FOR_GOOD])
