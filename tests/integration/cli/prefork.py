"""`lens-gate` without the half second of its imports: each start is a fork of a process that has
them done.

Reads a JSON line for each start (arguments, folder, environment, files for what is said), answers
with a line that holds the exit code, negative for a signal. What runs in the fork is the program's
own entry point: arguments, environment, streams, exit code and the interpreter's end are those of a
start by hand.
"""

import gc
import json
import os
import sys

import genai_prices  # noqa: F401  # what a start would import, done once

import lens_gate.cli
import lens_gate.cli.benchmark
import lens_gate.cli.check
import lens_gate.cli.gate  # likewise
import lens_gate.cli.publish
import lens_gate.hosts.github_publish  # on GitHub


def _become(order: dict, replies: int) -> None:
    """Be the process that was asked for."""
    os.close(replies)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.path[1:1] = [p for p in order["env"].get("PYTHONPATH", "").split(os.pathsep) if p]
    sys.argv = ["lens-gate", *order["arguments"]]
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, order["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, order["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)


def _serve(replies: int) -> None:
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            _become(json.loads(line), replies)
            lens_gate.cli.main()
        _, status = os.waitpid(child, 0)
        os.write(replies, f"{os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    # What is imported stays as it is: else each fork would copy all of it to count references.
    gc.collect()
    gc.freeze()
    channel = os.dup(1)
    os.dup2(2, 1)
    _serve(channel)
