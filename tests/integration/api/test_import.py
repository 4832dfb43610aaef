"""`import lens_gate` costs next to nothing, and does nothing: seen in a fresh process."""

import json
import subprocess
import sys

import lens_gate
from lens_gate import api

SEEN = """
import json, sys
before = set(sys.modules)
import signal, threading
plain = set(sys.modules)
{statement}
added = sorted(set(sys.modules) - plain)
print(json.dumps([added, threading.active_count(), signal.getsignal(signal.SIGTERM) == 0]))
"""


def added_by(statement, tmp_path):
    # Isolated: no site packages' start-up files, so that what is loaded is what was asked for.
    done = subprocess.run(
        [sys.executable, "-I", "-c", SEEN.format(statement=statement)],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    added, threads, default = json.loads(done.stdout)
    assert threads == 1
    assert default
    return added


def test_importing_loads_nothing_but_itself(tmp_path):
    added = added_by("import lens_gate; lens_gate.__version__; dir(lens_gate)", tmp_path)
    assert {name.partition(".")[0] for name in added} <= {"lens_gate", "importlib", "warnings"}
    assert [name for name in added if name.startswith("lens_gate")] == ["lens_gate"]


def test_the_check_can_see_what_is_loaded(tmp_path):
    added = added_by("import lens_gate.units", tmp_path)
    assert {"lens_gate.units", "decimal"} <= set(added)


def test_the_names_are_the_same_in_both_places():
    assert set(lens_gate.__all__) == {*api.__all__, "__version__"}
    assert dir(lens_gate) == lens_gate.__all__
    for name in api.__all__:
        assert getattr(lens_gate, name) is getattr(api, name)


def test_every_name_says_what_it_is():
    aliases = {"Target", "Prompts", "Usd", "Rule"}
    for name in set(api.__all__) - aliases:
        found = getattr(api, name)
        assert found.__doc__, name
        assert not found.__doc__.startswith(f"{name}("), f"{name} has but what dataclass wrote"


def test_what_is_not_there_is_not_there():
    assert not hasattr(lens_gate, "mesure")
    # A room of the house is no name of the library, and can be imported all the same.
    from lens_gate import units

    assert units.parse_duration("1s") == 1
