"""Parts one after the other, each in a process of its own, for as long as a call may last.

A process that dies, as of a fault in a driver's library, takes no other part with it. One that has
used up its minutes is sent SIGTERM, at which training saves and stops; what does not know the
signal ends and is begun anew in the next call.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import replace

from benchmarks.gpu.results import Status, last, read
from benchmarks.gpu.table import PARTS, Part
from benchmarks.gpu.work import Device, PausedError, SkippedError, Work, described

GRACE = 45.0
"""Seconds that a part has to save what it did."""
_LEAST = 1.0  # seconds that are worth beginning a part for

_processes = multiprocessing.get_context("forkserver")


def run_parts(
    parts: Sequence[Part], work: Work, seconds: float, per_part: float, tell: Callable[[str], None]
) -> bool:
    """Run the parts that are not done yet, in turns until all are or the time is over.

    Args:
        seconds: that this call may last, but for `GRACE`. per_part: that one turn of a part may.

    Returns:
        Whether no result and no part has failed.
    """
    _prepare()
    end = time.monotonic() + seconds
    key = work.device_name, work.toy
    known = last(read(work.results))
    pending = [p for p in parts if (k := known.get((*key, p.name))) is None or k.status != "done"]
    while pending and end - time.monotonic() > _LEAST:
        paused = []
        for part in pending:
            left = end - time.monotonic()
            if len(pending) > 1:  # the last one has all that is left: to begin takes time
                left = min(per_part, left)
            if left <= _LEAST:
                break
            status = _turn(part, replace(work, part=part.name), left)
            line = last(read(work.results))[*key, part.name]
            tell(f"{part.name}: {status}{f' ({line.note})' if line.note else ''}")
            if status == "paused":
                paused.append(part)
        pending = paused
    names = {part.name for part in parts}
    found = last(read(work.results)).values()
    ours = [r for r in found if (r.device, r.toy) == key and r.part in names]
    return all(result.status != "failed" for result in ours)


def device_name(device: Device) -> str:
    """What results call the device; asked in a process of its own, so that none is kept here."""
    _prepare()
    with ProcessPoolExecutor(1, _processes) as pool:
        return pool.submit(_device_name, device).result()


def _device_name(device: Device) -> str:
    import torch  # noqa: PLC0415 - the process that waits for the parts needs no PyTorch

    if device == "cpu":
        return f"CPU, {torch.get_num_threads()} threads"
    if not torch.cuda.is_available():
        raise SkippedError(
            "PyTorch sees no NVIDIA GPU: run it where there is one, or rehearse it with "
            "--toy --device cpu"
        )
    return str(torch.cuda.get_device_name())


def _prepare() -> None:
    """Have imported once what the parts need; their processes are forked from that."""
    _processes.set_forkserver_preload(sorted({part.module for part in PARTS}))


def _turn(part: Part, work: Work, seconds: float) -> Status:
    """Run a part for at most so long, and say how it ended."""
    began, lines = time.perf_counter(), len(read(work.results))
    process = _processes.Process(target=_in_a_process, args=(part, work))
    process.start()
    process.join(seconds)
    late = process.is_alive()
    if late:
        process.terminate()
        process.join(GRACE)
        process.kill()
        process.join()
    assert process.pid
    with suppress(ProcessLookupError):  # servers and other processes that it left behind
        os.killpg(process.pid, signal.SIGKILL)
    told = [r for r in read(work.results)[lines:] if r.name == part.name]
    if told:
        return told[-1].status
    if late:
        work.ended("paused", "it ran out of its minutes and begins anew", began)
        return "paused"
    work.ended("failed", f"its process ended with {_exit(process.exitcode)}", began)
    return "failed"


def _in_a_process(part: Part, work: Work) -> None:
    os.setsid()  # so that all it starts can be ended with it
    began = time.perf_counter()
    try:
        part.run(work)
    except SkippedError as error:
        work.ended("skipped", str(error), began)
    except ModuleNotFoundError as error:
        work.ended("skipped", f"{error.name} is not installed", began)
    except PausedError as error:
        work.ended("paused", str(error), began)
    except Exception as error:  # of whatever library
        work.ended("failed", described(error), began)
    else:
        work.ended("done", "", began)


def _exit(code: int | None) -> str:
    return signal.Signals(-code).name if code is not None and code < 0 else f"status {code}"
