"""The clock at the socket: when the kernel took data in, and when ours was handed to it.

Where the kernel stamps received data (Linux, ``SO_TIMESTAMPNS``), the stamp of a read is the
arrival of its last segment, however late the event loop comes to read it. Elsewhere it is the
moment at which the read returned. All moments are nanoseconds of ``time.monotonic_ns()``.

Two limits are the kernel's. A read that merges segments has the time of the last one. And where a
segment was lost and sent again, data behind it may carry the time before it became readable.
"""

import asyncio
import socket
import struct
import sys
import time
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from lens_gate.transport.tape import TAPE

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

# <asm-generic/socket.h>; the socket module does not name it. The option and the message are equal.
SO_TIMESTAMPNS: Final = 35

_TIMESPEC: Final = struct.Struct("@ll")
_ANCILLARY_SPACE: Final = socket.CMSG_SPACE(_TIMESPEC.size) if hasattr(socket, "CMSG_SPACE") else 0
# asyncio asks for 256 KiB at a time. The allocator takes such a block from the kernel and gives it
# back for each read, which costs more than the read itself (20 against 8 microseconds).
_READ_BYTES: Final = 64 * 1024
# Two clocks read one after the other differ by less, unless the process was interrupted in between.
_NOISE_NS: Final = 20_000
# Offsets of two careful samples differ by less, unless the wall clock was set.
_STEP_NS: Final = 5_000
_TRIES: Final = 5

# A kernel that stamps at all does so within a few milliseconds after the first socket asks for it.
_PROBES: Final = 200

Keeper = tuple[socket.socket, socket.socket]
_Ancillary = Sequence[tuple[int, int, bytes]]


class WallOffset:
    """Wall clock minus monotonic clock, watched for steps.

    The kernel steers both clocks at one rate, so that the offset only changes when the wall clock
    is set. Each arrival is checked: after a step the offset is taken anew, and the stamp at hand
    is not used, since it may be from before or after the step.
    """

    __slots__ = ("_monotonic_ns", "_wall_ns", "ns", "steps")

    def __init__(
        self,
        *,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._monotonic_ns = monotonic_ns
        self._wall_ns = wall_ns
        self.steps = 0
        self.ns = self._sample()

    def arrival(self, stamp_ns: int, now_ns: int) -> int | None:
        """A wall-clock stamp on the monotonic clock; ``None`` if it can't be believed.

        ``now_ns`` is the monotonic time after the read, read just before this call.
        """
        apart = self._wall_ns() - now_ns - self.ns
        if (apart > _NOISE_NS or apart < -_NOISE_NS) and self._stepped():
            return None
        at_ns = stamp_ns - self.ns
        if at_ns <= now_ns:
            return at_ns
        return now_ns if at_ns - now_ns <= _STEP_NS else None

    def _stepped(self) -> bool:
        fresh = self._sample()
        stepped = abs(fresh - self.ns) > _STEP_NS
        self.ns = fresh
        self.steps += stepped
        return stepped

    def _sample(self) -> int:
        """The offset by the tightest of a few bracketed readings."""
        best_width, best = 1 << 62, 0
        for _ in range(_TRIES):
            before = self._monotonic_ns()
            wall = self._wall_ns()
            after = self._monotonic_ns()
            if after - before < best_width:
                best_width, best = after - before, wall - (before + after) // 2
        return best


class StampedSocket(socket.socket):
    """A socket that notes when data came and went; asyncio's selector loop drives it as any other.

    ``received_ns`` is the arrival of the last read, 0 before the first; it stays 0 under loops that
    read the descriptor on their own. ``kernel``: that stamp is the kernel's. ``read_ns``: when that
    read returned. ``since_ns``: nothing of that read came before this moment, as far as the socket
    itself can tell: what was there at the read before it was taken out by it.

    ``first_sent_ns`` and ``sent_ns`` are the moments before the first and the last send call since
    ``begin()``, 0 where there was none. ``opened_ns``: when it was made; ``connected_ns``: when TCP
    was found to be connected, 0 until then.
    """

    __slots__ = (
        "_floor_ns",
        "_next_ns",
        "_offset",
        "connected_ns",
        "first_sent_ns",
        "kernel",
        "opened_ns",
        "read_ns",
        "received_ns",
        "sent_ns",
        "since_ns",
    )

    def __init__(
        self, family: int, kind: int, proto: int, *, offset: WallOffset | None = None
    ) -> None:
        super().__init__(family, kind, proto)
        self._offset = offset
        self._floor_ns = self.opened_ns = self._next_ns = time.monotonic_ns()
        self.received_ns = self.sent_ns = self.first_sent_ns = self.read_ns = self.since_ns = 0
        self.connected_ns = 0
        self.kernel = False
        if offset is not None:
            self.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def begin(self) -> None:
        """Forget earlier sends: what is sent from here on belongs to a new request."""
        self.first_sent_ns = self.sent_ns = 0

    def connect(self, address: Any, /) -> None:  # noqa: ANN401  # as the socket module has it
        """As ``socket.connect``; a local peer may be there at once."""
        super().connect(address)
        self.connected_ns = time.monotonic_ns()

    def getsockopt(self, *args: Any) -> Any:  # noqa: ANN401  # as the socket module has it
        """As ``socket.getsockopt``; asyncio asks for the error when the connection came about."""
        value = super().getsockopt(*args)
        if value == 0 and not self.connected_ns and args[1] == socket.SO_ERROR:
            self.connected_ns = time.monotonic_ns()
        return value

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """As ``socket.recv``, with the arrival noted."""
        most = min(bufsize, _READ_BYTES)
        asked_ns = time.monotonic_ns()
        if self._offset is None:
            data = super().recv(most, flags)
            if data:
                self._note_late(asked_ns, full=len(data) == most)
            return data
        data, ancillary, _, _ = self.recvmsg(most, _ANCILLARY_SPACE, flags)
        if data:
            self._note(ancillary, asked_ns, full=len(data) == most)
        return data

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int = 0, flags: int = 0) -> int:
        """As ``socket.recv_into``, with the arrival noted; asyncio reads TLS through it."""
        asked_ns = time.monotonic_ns()
        if self._offset is None or nbytes:
            size = super().recv_into(buffer, nbytes, flags)
            if size:
                self._note_late(asked_ns, full=True)
            return size
        size, ancillary, _, _ = self.recvmsg_into([buffer], _ANCILLARY_SPACE, flags)
        if size:
            self._note(ancillary, asked_ns, full=size == memoryview(buffer).nbytes)
        return size

    def send(self, data: "ReadableBuffer", flags: int = 0, /) -> int:
        """As ``socket.send``, with the moment before it noted."""
        self._note_send()
        return super().send(data, flags)

    def sendmsg(self, buffers: Any, *args: Any) -> int:  # noqa: ANN401  # as the socket module has it
        """As ``socket.sendmsg``, with the moment before it noted; asyncio uses it from 3.12 on."""
        self._note_send()
        return super().sendmsg(buffers, *args)

    def _note_send(self) -> None:
        self.sent_ns = now_ns = time.monotonic_ns()
        if not self.first_sent_ns:
            self.first_sent_ns = now_ns

    def _note_late(self, asked_ns: int, *, full: bool) -> None:
        """A read without the kernel's stamp; ``full``: it may have left data behind.

        What was there when it was asked for, it took out; the process may lose its core before the
        call is back.
        """
        self.since_ns = self._next_ns
        self.received_ns = self.read_ns = time.monotonic_ns()
        self.kernel = False
        if not full:
            self._next_ns = asked_ns

    def _note(self, ancillary: _Ancillary, asked_ns: int, *, full: bool) -> None:
        now_ns = time.monotonic_ns()
        for level, kind, payload in ancillary:
            if (
                kind == SO_TIMESTAMPNS
                and level == socket.SOL_SOCKET
                and len(payload) == _TIMESPEC.size
            ):
                seconds, rest = _TIMESPEC.unpack(payload)
                at_ns = self._offset.arrival(seconds * 1_000_000_000 + rest, now_ns)  # type: ignore[union-attr]  # only called with an offset
                # Data of one connection comes in order: an earlier stamp is a wrong one.
                if at_ns is not None and at_ns >= self._floor_ns - _STEP_NS:
                    self._floor_ns = at_ns
                    self.received_ns = max(self.received_ns, at_ns)
                    self.since_ns = self._next_ns
                    self.read_ns = now_ns
                    self._next_ns = at_ns if full else asked_ns
                    self.kernel = True
                    return
        self._note_late(asked_ns, full=full)


class SocketClock:
    """Makes stamped sockets for one session and finds the one under a transport."""

    __slots__ = ("_keeper", "_made", "_offset")

    def __init__(self) -> None:
        """With the clock of the transport; ``ask_kernel`` may find a better one."""
        self._made: weakref.WeakValueDictionary[int, StampedSocket] = weakref.WeakValueDictionary()
        self._keeper: Keeper | None = None
        self._offset: WallOffset | None = None

    async def ask_kernel(self) -> bool:
        """Have new sockets ask for the kernel's stamps, if it gives any."""
        self._keeper = open_keeper()
        if self._keeper is not None and await _stamps(self._keeper):
            self._offset = WallOffset()
            return True
        return False

    def socket_factory(self, addr_info: tuple[Any, ...]) -> StampedSocket:
        """A socket for an address, as ``aiohttp.TCPConnector(socket_factory=...)`` asks for it."""
        family, kind, proto = addr_info[:3]
        made = StampedSocket(family, kind, proto, offset=self._offset)
        self._made[made.fileno()] = made
        tape = TAPE.get()
        if tape is not None:
            tape.socket_made(made)
        return made

    def under(self, transport: Any) -> StampedSocket | None:  # noqa: ANN401  # any loop's transport
        """The stamped socket that a transport drives, plain or TLS; ``None`` if it is not ours."""
        wrapped = transport.get_extra_info("socket")
        if wrapped is None:
            return None
        found = self._made.get(wrapped.fileno())
        # A closed one may be alive for a while under a number that now belongs to another.
        return found if found is not None and found.fileno() == wrapped.fileno() else None

    def close(self) -> None:
        """Stop asking the kernel for stamps on behalf of sockets yet to come."""
        if self._keeper is not None:
            for end in self._keeper:
                end.close()
            self._keeper = None


def open_keeper() -> Keeper | None:
    """Two ends of a connection, the second with stamps; ``None`` where there are none to be had.

    The kernel begins to stamp a moment after the first socket asks for it, and stops with the last:
    without one that stays, the first reads of every first connection would have none.
    """
    if sys.platform != "linux":
        return None
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            near = socket.create_connection(listener.getsockname(), timeout=1)
            far, _ = listener.accept()
            far.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    except OSError:
        return None
    return near, far


async def _stamps(keeper: Keeper) -> bool:
    """Send bytes through until the kernel stamps one, for a moment; whether it did."""
    near, far = keeper
    for _ in range(_PROBES):
        near.send(b"?")
        _, ancillary, _, _ = far.recvmsg(1, _ANCILLARY_SPACE)
        if any(kind == SO_TIMESTAMPNS for _, kind, _ in ancillary):
            return True
        await asyncio.sleep(0.001)
    return False
