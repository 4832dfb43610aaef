"""``python -m lens_gate.sim``: one simulated provider in its own process."""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import select
import selectors
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from lens_gate.errors import EXIT_OK, EXIT_USAGE, LensError, WorldError
from lens_gate.sim.behaviour import BehaviourError, behaviour_from_mapping
from lens_gate.sim.model import Behaviour
from lens_gate.sim.process import Ready, ready_line


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the server until it is told to stop; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        behaviour = _behaviour(arguments.behaviour, lines=arguments.die_with_stdin)
        with asyncio.Runner(loop_factory=_loop) as runner:
            runner.run(_serve(arguments, behaviour))
    except BehaviourError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    except LensError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return error.exit_code
    return EXIT_OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lens_gate.sim",
        description="A simulated LLM provider on real HTTP. Prints one JSON line when it listens.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port, 0 for a free one (%(default)s)")
    parser.add_argument(
        "--behaviour", metavar="FILE", help="JSON file with the behaviour, - for stdin"
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything drawn (%(default)s)")
    parser.add_argument("--log", type=Path, metavar="FILE", help="write the server's own stamps")
    parser.add_argument(
        "--die-with-stdin",
        action="store_true",
        help="end when stdin closes; a behaviour read from stdin is then one line",
    )
    return parser


def _behaviour(source: str | None, *, lines: bool) -> Behaviour:
    if source is None:
        return behaviour_from_mapping({})
    name = "<stdin>" if source == "-" else source
    try:
        if source == "-":
            text = sys.stdin.buffer.readline() if lines else sys.stdin.buffer.read()
        else:
            text = Path(source).read_bytes()
        data = json.loads(text)
    except OSError as error:
        raise WorldError(
            f"{name} can't be read: {error.strerror}", "name a JSON file that exists"
        ) from error
    except (ValueError, RecursionError) as error:
        raise LensError(
            f"{name} is not JSON: {error}", "YAML is read by `lens-gate sim`; here it is JSON only"
        ) from error
    return behaviour_from_mapping(data, source=name)


async def _serve(arguments: argparse.Namespace, behaviour: Behaviour) -> None:
    from lens_gate.sim.server import serve  # noqa: PLC0415  # slow to load: complaints come first

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows: the signals just end it
            loop.add_signal_handler(number, stop.set)
    if arguments.die_with_stdin:
        threading.Thread(target=_watch_stdin, args=(loop, stop), daemon=True).start()

    def ready(port: int) -> None:
        # What is loaded by now stays: the collector need not walk it while streams are timed.
        gc.freeze()
        sys.stdout.write(ready_line(Ready(port=port, pid=os.getpid())) + "\n")
        sys.stdout.flush()

    await serve(
        behaviour,
        host=arguments.host,
        port=arguments.port,
        seed=arguments.seed,
        log_path=arguments.log,
        ready=ready,
        stop=stop,
    )


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    # os.read holds no lock of sys.stdin, which the interpreter would wait for when it exits.
    try:
        while os.read(0, 1 << 16):
            pass
    except OSError:  # closed from the start: the same as closing it now
        pass
    with contextlib.suppress(RuntimeError):  # the loop is closed: the server ended before
        loop.call_soon_threadsafe(stop.set)


def _loop() -> asyncio.AbstractEventLoop:
    if not hasattr(selectors, "EpollSelector"):
        return asyncio.new_event_loop()

    class FineSelector(selectors.EpollSelector):
        """Waits to the microsecond: epoll alone rounds every timer up to a whole millisecond."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if timeout is None or timeout <= 0:
                return super().select(timeout)
            select.select((self.fileno(),), (), (), timeout)
            return super().select(0)

    return asyncio.SelectorEventLoop(FineSelector())


if __name__ == "__main__":
    sys.exit(main())
