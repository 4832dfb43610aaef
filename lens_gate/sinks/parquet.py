"""Parquet: a row a request, typed. It takes pyarrow, an extra, which nothing else here needs.

The columns are those of the CSV; besides, ``gaps_s`` has the times between a request's outputs.
Money is a double here, as every reader of columns has it.
"""

import importlib
import io
from decimal import Decimal
from typing import Any, Final

from lens_gate.errors import LensError
from lens_gate.records.detail import Bundle
from lens_gate.render.escape import one_line
from lens_gate.render.exports.columns import COLUMNS, Cell, Kind
from lens_gate.render.exports.origin import origin_of
from lens_gate.render.exports.table import Format

_TYPES: Final[dict[Kind, str]] = {
    "text": "string",
    "int": "int64",
    "float": "double",
    "usd": "double",
    "bool": "bool",
}
_MOST: Final = 10_000


def parquet(bundle: Bundle) -> bytes:
    """A file with a row for each request, in the order in which they ended.

    Raises:
        LensError: pyarrow is not installed.
    """
    try:
        arrow = importlib.import_module("pyarrow")
        writer = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise LensError(
            "Parquet needs pyarrow, which is not installed",
            "`pip install 'llm-latency-lens[parquet]'` in the environment of lens-gate",
        ) from error
    out = io.BytesIO()
    writer.write_table(_table(bundle, arrow), out, compression="zstd")
    return out.getvalue()


def _table(bundle: Bundle, arrow: Any) -> Any:  # noqa: ANN401  # pyarrow's own, which has no types
    origin, requests = origin_of(bundle.report), bundle.requests or ()
    columns = {}
    for column in COLUMNS:
        cells = [_cell(column.of(request, origin)) for request in requests]
        columns[column.name] = arrow.array(cells, type=arrow.type_for_alias(_TYPES[column.kind]))
    gaps = [list(request.gaps_s) for request in requests]
    columns["gaps_s"] = arrow.array(gaps, type=arrow.list_(arrow.float64()))
    return arrow.table(columns)


def _cell(value: Cell) -> str | float | None:
    if isinstance(value, Decimal):
        return float(value)
    return one_line(value, _MOST) if isinstance(value, str) else value


PARQUET: Final = Format(
    name="parquet",
    title="Parquet: a row a request (the extra parquet)",
    media_type="application/vnd.apache.parquet",
    suffix=".parquet",
    wants="requests",
    encode=parquet,
)
