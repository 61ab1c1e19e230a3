"""Shapes of `/v1/heads`."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from service.rules.ids import LookedUp
from service.rules.names import Name
from service.wire.annotations import ID, LABEL
from service.wire.batches import EachOf
from service.wire.problems import FailedItem


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LabelledVector(_Request):
    """One labelled vector."""

    id: str | None = Field(None, description=f"{ID}; made where missing")
    vector: list[float] = Field(description="dim numbers of any length but zero")
    label: str = Field(description=f"its class: {LABEL}; not blank")


class HeadRequest(_Request):
    """The label set: a collection's labelled items, or labelled vectors."""

    collection: Name | None = None
    model: str | None = Field(None, description="whose vectors these are; default: as for images")
    space: str | None = Field(None, description="checked against the model's, if given")
    items: Annotated[list[Any], EachOf(LabelledVector)] | None = None


class LabelChange(_Request):
    """One example to add, to replace, or to label anew."""

    id: LookedUp | None = None
    label: str = Field(description=f"its class: {LABEL}; not blank")
    vector: list[float] | None = Field(
        None, description="may be left out for an example that is there, or with a collection"
    )


class LabelsRequest(_Request):
    """Changes of a head's label set."""

    collection: Name | None = Field(None, description="where the vectors of new ids come from")
    space: str | None = Field(None, description="checked against the head's, if given")
    items: Annotated[list[Any], EachOf(LabelChange)] = Field(default_factory=list)
    remove: list[LookedUp] = Field(default_factory=list, description="ids of examples to take out")


class LiveRequest(_Request):
    """Which version answers."""

    version: int


class ClassifyRequest(_Request):
    """Items of a collection by id, or vectors."""

    collection: Name | None = None
    ids: list[LookedUp] | None = None
    vectors: list[list[float]] | None = None
    space: str | None = Field(None, description="checked against the head's, if given")
    top: int = Field(3, ge=1, description="how many classes an answer lists")
    version: int | None = Field(None, description="default: the live one")


class HeadClass(TypedDict):
    """A class and the number of its examples."""

    name: str
    count: int


class Accuracy(TypedDict):
    """Share of right answers out of fold, with a 95% interval; null where nothing can be tested."""

    mean: float | None
    low: float | None
    high: float | None
    method: str


class ClassFigures(TypedDict):
    """One class; null where it cannot be tested."""

    name: str
    count: int
    precision: float | None
    recall: float | None
    f1: float | None


class CurvePoint(TypedDict):
    """Accuracy when trained on so many labels of each class."""

    per_class: int
    accuracy: float


class Suspect(TypedDict):
    """An example whose label looks wrong."""

    id: str
    label: str
    suggested: str
    probability: float


class Report(TypedDict):
    """What the fit says about itself, from predictions of examples that were held out."""

    accuracy: Accuracy
    per_class: list[ClassFigures]
    confusion: Annotated[list[list[float]], Field(description="rows: label; columns: prediction")]
    learning_curve: list[CurvePoint]
    suspects: list[Suspect]
    warnings: list[str]


class LabelledItem(TypedDict):
    """An example's id."""

    index: Annotated[int, Field(description="place in the request")]
    id: str


class HeadFit(TypedDict):
    """A version that was fitted just now."""

    head: str
    version: int
    live: Annotated[int, Field(description="the version that answers: from now on this one")]
    model: str
    space: str
    classes: list[HeadClass]
    report: Report


class HeadPut(HeadFit):
    """A version of a new label set."""

    items: Annotated[
        list[LabelledItem | FailedItem], Field(description="in the order of the request")
    ]


class Head(TypedDict):
    """A head."""

    head: str
    live: Annotated[int, Field(description="the version that answers")]
    last: Annotated[int, Field(description="the newest version")]
    model: str
    space: str
    dim: int
    labels: Annotated[int, Field(description="examples it has now, fitted or not")]
    created_at: datetime
    updated_at: datetime


class Heads(TypedDict):
    """All heads, by name."""

    data: list[Head]


class HeadVersion(TypedDict):
    """A version and its report."""

    head: str
    version: int
    live: int
    model: str
    space: str
    classes: list[HeadClass]
    report: Report
    created_at: datetime


class HeadVersions(TypedDict):
    """The versions of a head, oldest first."""

    head: str
    live: int
    data: list[HeadVersion]


class LabelResult(LabelledItem):
    """What became of one example."""

    status: Literal["created", "updated"]


class Labels(TypedDict):
    """What became of the changes; fit the head for them to count."""

    head: str
    labels: Annotated[int, Field(description="examples it has now")]
    data: list[LabelResult | FailedItem]


class ClassProbability(TypedDict):
    """A class and its probability, 0 to 1."""

    label: str
    probability: float


class Classification(TypedDict):
    """The answer for one image or vector."""

    index: Annotated[int, Field(description="place in the request")]
    label: Annotated[str, Field(description="the likeliest class")]
    unknown: Annotated[bool, Field(description="always false: heads do not abstain yet")]
    probability: float
    top: list[ClassProbability]


class ItemClassification(Classification):
    """The answer for an item of a collection."""

    id: str


class FailedItemById(FailedItem):
    """Why an item of a collection has no answer."""

    id: str


class Classifications(TypedDict):
    """An answer or an error for every item, in the order of the request."""

    head: str
    version: int
    data: list[Classification | FailedItem] | list[ItemClassification | FailedItemById]
