"""The file of results: one JSON line each, appended and never changed."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

Status = Literal["measured", "failed", "skipped", "paused", "done"]
"""Of a result: `measured`, or `failed` where it is out of its bounds or could not be had. Of a
part, which has its own line: `done`, `paused`, `skipped`, or `failed`."""

Settings = Mapping[str, str | int | float | bool]


@dataclass(frozen=True)
class Result:
    """A line. name: the part's, for how it ended, or `part: what was measured`.

    least, most: bounds that the value has to keep. seconds: that it took. settings: what decides
    it, beside the device. note: an error, a reason, or how far a part has come.
    """

    name: str
    status: Status
    device: str
    toy: bool
    value: float | None = None
    unit: str = ""
    least: float | None = None
    most: float | None = None
    seconds: float = 0.0
    settings: Settings = field(default_factory=dict)
    note: str = ""

    @property
    def part(self) -> str:
        """The name of the part that it belongs to."""
        return self.name.partition(":")[0]


def append(path: Path, result: Result) -> None:
    """Add a line to the file, which several processes may do."""
    line = json.dumps(asdict(result), allow_nan=True).encode() + b"\n"
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        end = os.lseek(file, 0, os.SEEK_END)
        torn = end > 0 and os.pread(file, 1, end - 1) != b"\n"  # a process died while it wrote
        os.write(file, (b"\n" if torn else b"") + line)
    finally:
        os.close(file)


def read(path: Path) -> list[Result]:
    """All results in the order in which they came, without torn lines."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_bytes().splitlines():
        try:
            found.append(Result(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


def last(results: Iterable[Result]) -> dict[tuple[str, bool, str], Result]:
    """The newest line by device, toy or not, and name, in the order in which names first came."""
    return {(result.device, result.toy, result.name): result for result in results}
