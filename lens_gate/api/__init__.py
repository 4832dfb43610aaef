"""The library: measure a target, compare two, judge records, gate a policy.

``lens_gate`` has the same names; docs/library.md shows them at work.
"""

from lens_gate.api.asked import Details, Prompts, Target, Usd
from lens_gate.api.comparing import (
    CompareDetails,
    Rule,
    compare,
    compare_async,
    plan_compare_cost,
)
from lens_gate.api.comparison import Comparison
from lens_gate.api.gating import GateDetails, gate, gate_async
from lens_gate.api.judging import read_report, read_run, verdicts
from lens_gate.api.measurement import Measurement, MissingMetricError
from lens_gate.api.measuring import PlannedCost, measure, measure_async, plan_cost
from lens_gate.errors import BudgetError, InputError, LensError, Problem, WorldError
from lens_gate.flows.stopping import Stop
from lens_gate.records.check import Arm, Check, Verdict
from lens_gate.records.detail import RequestDetail
from lens_gate.records.difference import Difference
from lens_gate.records.report import Report, Row, Statistics
from lens_gate.records.run import Run
from lens_gate.runner.measure import Progress

__all__ = [
    "Arm",
    "BudgetError",
    "Check",
    "CompareDetails",
    "Comparison",
    "Details",
    "Difference",
    "GateDetails",
    "InputError",
    "LensError",
    "Measurement",
    "MissingMetricError",
    "PlannedCost",
    "Problem",
    "Progress",
    "Prompts",
    "Report",
    "RequestDetail",
    "Row",
    "Rule",
    "Run",
    "Statistics",
    "Stop",
    "Target",
    "Usd",
    "Verdict",
    "WorldError",
    "compare",
    "compare_async",
    "gate",
    "gate_async",
    "measure",
    "measure_async",
    "plan_compare_cost",
    "plan_cost",
    "read_report",
    "read_run",
    "verdicts",
]
