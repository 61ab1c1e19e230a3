"""Waiting for what other processes do: the one place where tests do so."""

import os
import select
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PATIENCE = 240  # seconds; a guard and no check, generous for a machine that is busy with other work


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Ask again and again until a condition holds.

    Only for what nobody tells, such as the figures of another process; what can be awaited, such as
    a line of a log, the end of a process or a future, is.
    """
    deadline = time.monotonic() + PATIENCE
    between = threading.Event()  # never set: nobody could tell us
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {PATIENCE} s for {what}")
        between.wait(0.02)


def wait_for_line(process: subprocess.Popen[bytes], log: Path, text: str) -> bool:
    """Whether a process writes a text to its log; False as soon as it ends without doing so."""
    end = os.pidfd_open(process.pid)  # can be read once the process has ended
    with subprocess.Popen(["tail", "-n", "+1", "-f", log], stdout=subprocess.PIPE) as growth:
        try:
            assert growth.stdout is not None
            grown = growth.stdout.fileno()
            while True:
                ready, _, _ = select.select([grown, end], [], [], PATIENCE)
                if text in log.read_text(errors="replace"):
                    return True
                if end in ready:
                    return False
                if not ready:
                    pytest.fail(f"waited {PATIENCE} s for {text!r} in {log}")
                os.read(grown, 1 << 16)
        finally:
            os.close(end)
            growth.kill()
