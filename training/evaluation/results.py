"""What an evaluation finds, as data: written as JSON, read by the tables and the pictures."""

from pydantic import BaseModel, ConfigDict


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
