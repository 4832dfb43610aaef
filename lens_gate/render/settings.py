"""The settings in force as plain text: name, value, origin, and the ref that it was read at."""

from collections.abc import Sequence

from lens_gate.records.setting import Setting
from lens_gate.render.escape import one_line
from lens_gate.render.grid import plain_grid

_MOST_CHARS = 60


def settings_text(settings: Sequence[Setting]) -> str:
    """A table, a line for each."""
    body = [
        [
            setting.name,
            one_line(setting.value, _MOST_CHARS),
            one_line(setting.origin, _MOST_CHARS),
            one_line(setting.ref) or "-",
        ]
        for setting in settings
    ]
    return plain_grid(("setting", "value", "from", "read at"), body)
