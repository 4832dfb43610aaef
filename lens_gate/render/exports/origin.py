"""Which run the exported numbers are of."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from lens_gate.records.report import Report

_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A run, as its requests name it: by themselves they do not know whose they are.

    ``created`` is the stamp of its beginning (``20261121T021500Z``), to the second; ``version`` is
    that of the program.
    """

    policy: str
    run_id: str
    created: str
    version: str

    @property
    def start_ns(self) -> int:
        """The beginning, nanoseconds since 1970; 0 where the stamp is none."""
        found = _STAMP.fullmatch(self.created)
        if found is None:
            return 0
        try:
            moment = datetime(*map(int, found.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type]  # six numbers
        except ValueError:
            return 0
        return max(0, int(moment.timestamp())) * 10**9


def origin_of(report: Report) -> Origin:
    """The run of this report."""
    return Origin(
        policy=report.policy,
        run_id=report.run_id,
        created=report.created,
        version=report.version,
    )
