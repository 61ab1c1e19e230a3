"""What an evaluation finds, as data: written as JSON, read by the tables and the pictures."""

from pydantic import BaseModel, ConfigDict

from zoo.manifest import Baseline, Metric


class Accuracy(BaseModel):
    """One method's accuracy on one set by one protocol (`knn`, `few-label-5`, `finetune-10%`, ...).

    The 95% interval is over draws of the labels (t) for few-label, and else over test images
    (Wilson). `images` were tested (in each draw). `note`: what else decided the figure.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    data: str
    protocol: str
    value: float
    low: float
    high: float
    images: int
    classes: int
    note: str = ""


class Difference(BaseModel):
    """Few-label accuracy of `method` minus that of `other` on the same draws, with its interval."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    other: str
    data: str
    protocol: str
    value: float
    low: float
    high: float


class Evaluation(BaseModel):
    """All figures of one evaluation; `unreadable` images were left out, each with the reason."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accuracies: tuple[Accuracy, ...]
    differences: tuple[Difference, ...]
    unreadable: dict[str, str]
    draws: int
    seed: int

    def metrics(self, method: str) -> tuple[Metric, ...]:
        """The figures of one method, with its baselines, as a manifest holds them."""
        return tuple(self._metric(found) for found in self.accuracies if found.method == method)

    def _metric(self, found: Accuracy) -> Metric:
        values = {(a.method, a.data, a.protocol): a.value for a in self.accuracies}
        note = f"{found.classes} classes, {found.images:,} images tested, seed {self.seed}"
        if found.protocol.startswith("few-label"):
            note += f", {self.draws} draws"
        if found.note:
            note += f"; {found.note}"
        return Metric(
            protocol=found.protocol,
            data=found.data,
            value=found.value,
            low=found.low,
            high=found.high,
            baselines=tuple(
                Baseline(
                    method=d.other,
                    value=values[d.other, d.data, d.protocol],
                    difference=d.value,
                    low=d.low,
                    high=d.high,
                )
                for d in self.differences
                if (d.data, d.protocol) == (found.data, found.protocol)
            ),
            source="measured",
            note=note,
        )
