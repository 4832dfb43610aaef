"""Where a policy's text names its own settings."""

import pytest

from lens_gate.errors import InputError
from lens_gate.policy.written import written

TEXT = b"""\
version: 1
budget: {max_usd: 1,
  max_requests: 9}
baseline:
  compare: auto
  branch:
watch: []
targets:
  mini: {provider: openai}
scenarios: {chat: {}}
"""


def test_each_setting_has_its_line_and_what_is_null_is_not_named() -> None:
    found = written(TEXT, file="p.yaml")
    assert {name: place.line for name, place in found.items()} == {
        "version": 1,
        "budget": 2,
        "budget.max_usd": 2,
        "budget.max_requests": 3,
        "baseline": 4,
        "baseline.compare": 5,
        "watch": 7,
    }
    assert found["watch"].file == "p.yaml"


def test_what_is_no_yaml_is_said() -> None:
    with pytest.raises(InputError):
        written(b"a: [", file="p.yaml")
