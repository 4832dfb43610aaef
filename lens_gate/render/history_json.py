"""A history as JSON, by the schema that ``lens-gate schema history`` prints."""

import json

from lens_gate.records.codec import to_json
from lens_gate.records.series import History


def history_json(found: History) -> str:
    """The whole history, keys in the order of the records."""
    return json.dumps(to_json(found), indent=1, ensure_ascii=True, allow_nan=False) + "\n"
