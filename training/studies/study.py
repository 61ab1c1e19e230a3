"""What the studies share: images, sizes, runs that are measured and recorded, and the way out.

A study trains one run after another and measures each. Every figure is written as it is found, so
that the same command goes on where it was stopped.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from pydantic import BaseModel, ConfigDict

from heads.few_label_accuracy import interval
from heads.interval import wilson
from training.data import Packed
from training.evaluation.finetune import centre_views
from training.evaluation.linear import linear_accuracy
from training.evaluation.models import device
from training.loop import Step, train
from training.recipe import Recipe
from training.studies.scales import Scale, Size
from zoo.encoders import Run, encoder_from_run, read_run
from zoo.files import write_whole
from zoo.images import InputBlock

_CHECKPOINT = "checkpoint.pt"


class Figure(BaseModel):
    """What one cell of a table comes to: a mean over seeds with its 95% interval.

    Over seeds (t) where there are several, else over test images (Wilson).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    values: tuple[float, ...]
    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float], tested: int) -> "Figure":
        """The figure of one accuracy for each seed, each over `tested` images."""
        if len(values) > 1:
            found = interval(np.array(values))
            return cls(values=tuple(values), mean=found.mean, low=found.low, high=found.high)
        low, high = wilson(values[0], tested)
        return cls(values=tuple(values), mean=values[0], low=low, high=high)

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Mean, low and high."""
        return self.mean, self.low, self.high

    def __str__(self) -> str:
        return f"{100 * self.mean:.1f} ({100 * self.low:.1f}-{100 * self.high:.1f})"


@dataclass(frozen=True)
class Study:
    """One study on its images, in a folder of its own.

    train, test: labels are used to measure alone. say: called with a line of progress.
    """

    name: str
    size: Size
    scale: Scale
    folder: Path
    train: Packed
    test: Packed
    say: Callable[[str], None]

    def measured(
        self, cell: str, recipe: Recipe, measure: Callable[[Run], dict[str, float]]
    ) -> dict[str, list[float]]:
        """Train `recipe` once for each seed and measure each run: the values of each measure.

        Raises:
            StoppedError: SIGTERM or SIGINT asked to stop; the run is saved.
        """
        found: dict[str, list[float]] = {}
        for seed in range(self.scale.seeds):
            for name, value in self._one(cell, recipe, seed, measure).items():
                found.setdefault(name, []).append(value)
        return found

    def write(self, content: dict[str, object], text: str) -> None:
        """`result.json` and `table.md`, and the table on standard output."""
        about: dict[str, object] = {
            "study": self.name,
            "size": self.size.value,
            "claims": "nothing: a smoke run checks the machinery" if self.smoke else "measured",
            "data": self.train.name,
            "images": len(self.train),
            "tested": len(self.test),
            "seeds": self.scale.seeds,
            "hardware": hardware(),
            "recipe": self.scale.recipe.model_dump(mode="json"),
        }
        text = f"{text}\n\n{self._caption()}\n"
        (self.folder / "table.md").write_text(text)
        (self.folder / "result.json").write_text(json.dumps(about | content, indent=1) + "\n")
        sys.stdout.write(text)

    def title(self, what: str) -> str:
        """What a picture shows, of which data; a smoke run says so."""
        return f"{what}, {self.train.name}" + ("\nsmoke run: claims nothing" if self.smoke else "")

    def finish(self, on: Axes, what: str) -> None:
        """Title and axis of a chart of bars."""
        on.set_ylabel(what)
        on.set_title(self.title(self.name.replace("_", " ")), fontsize=9)
        on.grid(axis="y", alpha=0.3)

    @property
    def smoke(self) -> bool:
        """Whether the figures say nothing."""
        return self.size is Size.smoke

    def _caption(self) -> str:
        recipe = self.scale.recipe
        over = "seeds (t)" if self.scale.seeds > 1 else "test images (Wilson)"
        text = (
            f"{self.train.name}: accuracy in % on {len(self.test)} test images, with its 95% "
            f"interval over {over}; {self.scale.seeds} seed(s) of {recipe.epochs:g} epochs of "
            f"{len(self.train)} images, batch {recipe.batch}, on {hardware()}."
        )
        if self.smoke:
            text += (
                "\n\n**A smoke run: it shows that the study runs from end to end and claims "
                "nothing. None of these figures says anything about a method.**"
            )
        return text

    def _one(
        self, cell: str, recipe: Recipe, seed: int, measure: Callable[[Run], dict[str, float]]
    ) -> dict[str, float]:
        recipe = recipe.model_copy(update={"seed": seed})
        record = self.folder / "figures" / f"{cell}-{seed}-{self._key(recipe)}.json"
        if record.is_file():
            kept: dict[str, float] = json.loads(record.read_text())
            return kept
        run = self.folder / "runs" / record.stem
        if not train(recipe, [self.train], run, self._report(f"{cell}, seed {seed}")):
            raise StoppedError(
                f"stopped and saved in {self.folder}; the same command goes on from there"
            )
        figures = measure(read_run(run))
        self.say(f"{cell}, seed {seed}: " + ", ".join(f"{k} {v:.3f}" for k, v in figures.items()))
        record.parent.mkdir(parents=True, exist_ok=True)
        write_whole(record, json.dumps(figures).encode())
        (run / _CHECKPOINT).unlink()  # dozens of them would fill a disk; the log stays
        return figures

    def _key(self, recipe: Recipe) -> str:
        """Names what a figure depends on."""
        paths = [[entry.path for entry in part.entries] for part in (self.train, self.test)]
        content = json.dumps([recipe.model_dump(mode="json"), self.train.name, paths])
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    def _report(self, what: str) -> Callable[[Step], None]:
        def report(step: Step) -> None:
            if step.step == step.steps or step.step % 200 == 0:
                self.say(f"{what}: step {step.step}/{step.steps}, loss {step.loss:.3f}")

        return report


class StoppedError(Exception):
    """A study that was asked to stop, and has saved."""


def study_linear(study: Study, run: Run) -> float:
    """Linear accuracy of a run's encoder on the study's test images."""
    block = InputBlock(size=study.scale.recipe.view_size(1, 1))
    encoder = encoder_from_run(run).to(device())

    @torch.inference_mode()
    def features(part: Packed) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        chunks = []
        for start in range(0, len(part), 512):
            pixels = torch.from_numpy(part.pixels[start : start + 512]).to(device())
            chunks.append(encoder(centre_views(pixels, block)).float().cpu())
        joined: np.ndarray[tuple[int, int], np.dtype[np.float32]] = torch.cat(chunks).numpy()
        return joined

    labels, names = study.train.labels()
    answers = np.array([names.index(e.label) for e in study.test.entries], np.int64)
    return linear_accuracy(
        features(study.train), labels, features(study.test), answers, study.scale.recipe.seed
    ).accuracy


def hardware() -> str:
    """The GPU, or how many CPU threads."""
    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return f"{torch.get_num_threads()} CPU thread(s)"
