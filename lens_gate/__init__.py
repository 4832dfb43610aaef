"""llm-latency-lens: the performance gate for LLM calls.

As a library: ``measure`` a target, ``compare`` two, judge records (``verdicts``), ``gate`` a
policy; docs/library.md shows them. Every name is loaded when it is first asked for, so that
``import lens_gate`` costs next to nothing.
"""

from importlib import import_module

__version__ = "1.0.0"

# The types of these names are in __init__.pyi: an import that only type checkers see would still
# be one upwards, from the version that every floor may ask for.
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
    "__version__",
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


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(import_module("lens_gate.api"), name)
    raise AttributeError(f"module 'lens_gate' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
