"""One purse for all processes of a test session: what may be spent, across workers that may die.

Each call that measures reserves the most that it can cost before anything is sent, and settles to
what it spent. ``spent + reserved <= cap`` holds after every reservation, in whichever process it is
made: the state lies in one SQLite file, and each change is one transaction, which a process killed
at any moment leaves done or not begun. What a killed process had reserved stays booked, since
nobody knows what of it was spent.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from lens_gate.errors import WorldError
from lens_gate.records.run import Spend
from lens_gate.units import format_usd

_BUSY_S: Final = 60.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS purse (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  cap TEXT NOT NULL, max_requests INTEGER NOT NULL, peak TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS call (
  id INTEGER PRIMARY KEY,
  holder TEXT NOT NULL, test TEXT NOT NULL, until REAL NOT NULL,
  usd TEXT NOT NULL, requests INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'settled', 'lost'))
);
CREATE TABLE IF NOT EXISTS name (name TEXT PRIMARY KEY, test TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS note (kind TEXT NOT NULL, test TEXT NOT NULL, text TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What a session may spend, in US dollars, and how many requests it may send."""

    usd: Decimal
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The most that one call can need. ``seconds``: after so long its process counts as lost."""

    usd: Decimal
    requests: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A reservation that was made."""

    number: int
    usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why a reservation can't be made.

    ``for_now``: it could be, if what others have reserved settles low enough.
    """

    reason: str
    for_now: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that the session's report has to tell of a test."""

    kind: str
    test: str
    text: str


@dataclass(frozen=True, slots=True)
class _State:
    """Sums. ``open`` are reservations whose process may still settle them, ``lost`` the others."""

    caps: Caps
    peak: Decimal
    settled: Decimal
    lost: Decimal
    open: Decimal
    requests: int
    open_requests: int

    @property
    def spent(self) -> Decimal:
        return self.settled + self.lost


class Purse:
    """The session's money, as any of its processes sees it."""

    def __init__(self, path: Path, caps: Caps, now: Callable[[], float] = time.time) -> None:
        self._path, self._caps, self._now = path, caps, now

    def reserve(self, wanted: Wanted, *, holder: str, test: str) -> Ticket | Refused:
        """Set aside what a call may need at most, or say why that can't be.

        Args:
            wanted: the most that it can need.
            holder: which process asks, by a name that no other process of the session has.
            test: for whom, in words.

        Raises:
            WorldError: the file can't be used.
        """
        with self._transaction() as db:
            state = self._state(db)
            refused = _refusal(state, wanted)
            if refused is not None:
                return refused
            cursor = db.execute(
                "INSERT INTO call (holder, test, until, usd, requests, state) "
                "VALUES (?, ?, ?, ?, ?, 'open')",
                (holder, test, self._now() + wanted.seconds, str(wanted.usd), wanted.requests),
            )
            self._raise_peak(db)
            if cursor.lastrowid is None:
                raise AssertionError
            return Ticket(number=cursor.lastrowid, usd=wanted.usd)

    def settle(self, ticket: Ticket, usd: Decimal | None, requests: int | None) -> None:
        """Book what a call cost. ``None``: nobody knows, so that the whole reservation is spent.

        Settling what is settled changes nothing. More than was reserved is booked, not hidden.

        Raises:
            WorldError: the file can't be used.
        """
        with self._transaction() as db:
            if usd is None or requests is None:
                db.execute(
                    "UPDATE call SET state = 'lost' WHERE id = ? AND state = 'open'",
                    (ticket.number,),
                )
                return
            db.execute(
                "UPDATE call SET state = 'settled', usd = ?, requests = ? "
                "WHERE id = ? AND state != 'settled'",
                (str(usd), requests, ticket.number),
            )
            self._raise_peak(db)

    def lose(self, holder: str) -> None:
        """A process is gone: what it had reserved is spent, and nobody waits for it."""
        with self._transaction() as db:
            db.execute(
                "UPDATE call SET state = 'lost' WHERE holder = ? AND state = 'open'", (holder,)
            )

    def spend(self) -> Spend:
        """What was spent, at most reserved, and allowed."""
        with self._transaction() as db:
            state = self._state(db)
        return Spend(
            spent_usd=state.spent + state.open,
            peak_usd=state.peak,
            cap_usd=state.caps.usd,
            requests=state.requests + state.open_requests,
            max_requests=state.caps.requests,
        )

    def never_settled(self) -> tuple[tuple[str, Decimal], ...]:
        """The tests whose process was lost, and what stays booked for each."""
        with self._transaction() as db:
            rows = db.execute(
                "SELECT test, usd FROM call WHERE state != 'settled' ORDER BY id"
            ).fetchall()
        return tuple((test, Decimal(usd)) for test, usd in rows)

    def claim(self, name: str, test: str) -> str | None:
        """Take a name for a test; the other test that has it already, if there is one."""
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO name VALUES (?, ?)", (name, test))
            owner = db.execute("SELECT test FROM name WHERE name = ?", (name,)).fetchone()[0]
        return None if owner == test else str(owner)

    def users(self) -> tuple[str, ...]:
        """The tests that took a name, or left a note."""
        with self._transaction() as db:
            rows = db.execute("SELECT test FROM name UNION SELECT test FROM note").fetchall()
        return tuple(test for (test,) in rows)

    def note(self, note: Note) -> None:
        """Write down something that the report has to tell."""
        with self._transaction() as db:
            db.execute("INSERT INTO note VALUES (?, ?, ?)", (note.kind, note.test, note.text))

    def notes(self) -> tuple[Note, ...]:
        """All that was written down, in order."""
        with self._transaction() as db:
            rows = db.execute("SELECT kind, test, text FROM note ORDER BY rowid").fetchall()
        return tuple(Note(kind=kind, test=test, text=text) for kind, test, text in rows)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        # A connection for each: one that a fork shares with its parent would damage the file.
        try:
            with closing(sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None)) as db:
                # A process that dies loses nothing by that; the file does not outlive the machine.
                db.execute("PRAGMA synchronous = OFF")
                db.execute("BEGIN IMMEDIATE")
                try:
                    self._open(db)
                    yield db
                except BaseException:
                    db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")
        except sqlite3.Error as error:
            raise WorldError(
                f"the session's ledger {self._path} can't be used: {error}",
                "the folder of --lens-output must be on a disk that all workers share",
            ) from error

    def _open(self, db: sqlite3.Connection) -> None:
        """The tables, in the same transaction: the first process to come makes them."""
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'purse'").fetchone():
            return
        for statement in filter(str.strip, _SCHEMA.split(";")):
            db.execute(statement)
        db.execute(
            "INSERT INTO purse VALUES (1, ?, ?, '0')", (str(self._caps.usd), self._caps.requests)
        )

    def _state(self, db: sqlite3.Connection) -> _State:
        cap, most, peak = db.execute("SELECT cap, max_requests, peak FROM purse").fetchone()
        usd = {"open": Decimal(0), "settled": Decimal(0), "lost": Decimal(0)}
        requests = dict.fromkeys(usd, 0)
        now = self._now()
        rows = db.execute("SELECT state, until, usd, requests FROM call").fetchall()
        for state, until, amount, count in rows:
            as_it_is = "lost" if state == "open" and until < now else state
            usd[as_it_is] += Decimal(amount)
            requests[as_it_is] += count
        return _State(
            caps=Caps(usd=Decimal(cap), requests=most),
            peak=Decimal(peak),
            settled=usd["settled"],
            lost=usd["lost"],
            open=usd["open"],
            requests=requests["settled"] + requests["lost"],
            open_requests=requests["open"],
        )

    def _raise_peak(self, db: sqlite3.Connection) -> None:
        state = self._state(db)
        peak = max(state.peak, state.spent + state.open)
        db.execute("UPDATE purse SET peak = ?", (str(peak),))


def _refusal(state: _State, wanted: Wanted) -> Refused | None:
    if not wanted.usd.is_finite() or wanted.usd < 0:
        raise ValueError(f"{wanted.usd} can't be reserved")
    if state.spent + state.open + wanted.usd > state.caps.usd:
        lost = f" ({format_usd(state.lost)} of it for calls that never ended)" if state.lost else ""
        return Refused(
            reason=f"this call may cost {format_usd(wanted.usd)}; of {format_usd(state.caps.usd)} "
            f"{format_usd(state.spent)} is spent{lost} and {format_usd(state.open)} reserved",
            for_now=state.spent + wanted.usd <= state.caps.usd,
        )
    if state.requests + state.open_requests + wanted.requests > state.caps.requests:
        return Refused(
            reason=f"this call may send {wanted.requests} requests; of {state.caps.requests} "
            f"{state.requests} are sent and {state.open_requests} reserved",
            for_now=state.requests + wanted.requests <= state.caps.requests,
        )
    return None
