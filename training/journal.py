"""What a run tells while it goes on: its log, TensorBoard, and whoever watches."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

_SHOWN = 8


@dataclass(frozen=True)
class Step:
    """What a step reports.

    waiting: share of the step's time spent waiting for data. knn: the monitor's accuracies by
    source, where it ran. geometry: `alignment` and `uniformity`, where they were measured.
    """

    step: int
    steps: int
    epoch: float
    loss: float
    lr: float
    images_per_second: float
    waiting: float
    knn: dict[str, float]
    geometry: dict[str, float]


class Journal:
    """Writes `log.jsonl` and `tensorboard/` in the run's folder, and calls `report`.

    TensorBoard shows nothing of what an earlier process wrote after step `begun`.
    """

    def __init__(self, run: Path, begun: int, report: Callable[[Step], None]) -> None:
        self._report = report
        self._log = (run / "log.jsonl").open("a")
        self._board = SummaryWriter(str(run / "tensorboard"), purge_step=begun + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._log.close()
        self._board.close()

    def step(self, entry: Step) -> None:
        """The figures of a step, those that it has."""
        self._log.write(json.dumps(asdict(entry)) + "\n")
        figures = {
            "loss": entry.loss,
            "learning rate": entry.lr,
            "speed/images a second": entry.images_per_second,
            "speed/share waiting for data": entry.waiting,
        }
        figures |= {f"embeddings/{name}": value for name, value in entry.geometry.items()}
        figures |= {f"kNN/{name}": value for name, value in entry.knn.items()}
        for name, value in figures.items():
            self._board.add_scalar(name, value, entry.step)
        self._report(entry)

    def views(self, views: Mapping[str, Tensor], images: int, step: int) -> None:
        """The views of the first eight images, an image a column.

        Args:
            views: by name; those that are pictures are (k * images, 3, side, side) in 0-1, the
                first views of all images first.
        """
        for name, tensor in views.items():
            if tensor.ndim != 4:  # a target
                continue
            shown = tensor.detach().view(-1, images, *tensor.shape[1:])[:, :_SHOWN].float().cpu()
            rows = [torch.cat(list(row), dim=2) for row in shown]
            picture = torch.cat(rows, dim=1)
            self._board.add_image(f"views/{name}" if name else "views", picture, step)

    def flush(self) -> None:
        """To the disk, beside a checkpoint."""
        self._log.flush()
        self._board.flush()
