"""What a part is given: where it runs, what it may read and write, and how it tells results."""

import time
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from benchmarks.gpu.results import Result, Settings, Status, append, last, read

Device = Literal["cuda", "cpu"]


class SkippedError(Exception):
    """The part cannot be had here; the message says what is missing."""


class PausedError(Exception):
    """The part has saved what it did and goes on in the next call; the message says how far."""


@dataclass(frozen=True)
class Work:
    """device: `cpu` rehearses, with the CPU in the place of the GPU. toy: sizes of seconds.

    data: the folder that `pack` made. home: the run's folder, with the file of results.
    """

    part: str
    device: Device
    device_name: str
    toy: bool
    data: Path
    home: Path

    @property
    def folder(self) -> Path:
        """The part's own, which exists."""
        return self.folder_of(self.part)

    def folder_of(self, part: str) -> Path:
        """The folder of a part, of toy size or not."""
        path = self.home / ("toy" if self.toy else "work") / part
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def results(self) -> Path:
        """The file of results."""
        return self.home / "results.jsonl"

    def measured(self, what: str) -> bool:
        """Whether an earlier call of this part has got as far as that result."""
        key = self.device_name, self.toy, f"{self.part}: {what}"
        found = last(read(self.results)).get(key)
        return found is not None and found.status == "measured"

    def record(
        self,
        what: str,
        value: float,
        unit: str,
        began: float,
        settings: Settings = MappingProxyType({}),
        least: float | None = None,
        most: float | None = None,
    ) -> None:
        """Write a result; it has failed where it lies outside of `least` and `most`.

        Args:
            began: of `time.perf_counter`.
        """
        low = least is not None and not value >= least  # so that NaN fails too
        high = most is not None and not value <= most
        fault = f"below {least:g}" if low else f"above {most:g}" if high else ""
        name = f"{self.part}: {what}"
        status: Status = "failed" if fault else "measured"
        self._write(
            name, status, fault, began,
            value=value, unit=unit, settings=dict(settings), least=least, most=most,
        )  # fmt: skip

    def failed(self, what: str, error: Exception, began: float) -> None:
        """Write that a result could not be had."""
        self._write(f"{self.part}: {what}", "failed", described(error), began)

    def ended(self, status: Status, note: str, began: float) -> None:
        """Write how the part ended."""
        self._write(self.part, status, note, began)

    def _write(self, name: str, status: Status, note: str, began: float, **others: Any) -> None:
        seconds = round(time.perf_counter() - began, 3)
        append(
            self.results,
            Result(name, status, self.device_name, self.toy, seconds=seconds, note=note, **others),
        )


def described(error: Exception) -> str:
    """An error in a line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:500]}" if text else type(error).__name__
