"""`model.json`: everything about one encoder, as data. The schema is `zoo/schemas/model.json`."""

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

from zoo.architectures import Architecture, OnnxGraph, Stage
from zoo.images import InputBlock

SCHEMA_VERSION: Literal[1] = 1

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Lowered = Literal["fp16", "bf16", "int8"]
Precision = Literal["fp32", Lowered]
"""Of weights and arithmetic. fp32 is the reference."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Version = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+_-]{0,31}$")]

WEIGHTS, GRAPH, GOLDEN = "encoder.safetensors", "encoder.onnx", "golden.npz"


def graph_name(precision: Precision) -> str:
    """The file of a precision's graph."""
    return GRAPH if precision == "fp32" else f"encoder.{precision}.onnx"


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Layer(_Block):
    """Which representation is served.

    The outputs of `stages`, each averaged over the cells of a `grid` x `grid` raster, side by side;
    then `steps` in order: `sqrt` (the square root of each value, which ReLU made non-negative),
    `unit` (each stage's part to unit length), `centre` (minus the tensor `representation.mean`),
    `whiten` (times `representation.whitening`).
    """

    stages: tuple[Stage, ...] = Field(min_length=1)
    # Written only where it is set, so that the spaces of layers without it stay what they were.
    grid: int = Field(
        1,
        ge=1,
        le=8,
        exclude_if=lambda value: value == 1,
        description="cells on a side; 1 averages over the whole image, more keep where things are",
    )
    steps: tuple[Literal["sqrt", "unit", "centre", "whiten"], ...] = ()

    @property
    def summary(self) -> str:
        """In a few words, for lists."""
        return ", ".join((*self.stages, *self.steps))


Pool = Literal["none", "cls", "mean"]
"""How an output becomes one row an image: it is one already; the first token; the mean of all
tokens, or of all cells of a feature map."""


class OutputLayer(_Block):
    """Which representation of an imported graph is served; `steps` are those of `Layer`."""

    output: str = Field(description="name of a value in the graph")
    pool: Pool
    # Written only where there are any, so that the spaces of layers without them stay.
    steps: tuple[Literal["centre", "whiten"], ...] = Field((), exclude_if=lambda value: not value)

    @property
    def summary(self) -> str:
        """In a few words, for cards and lists."""
        how = {"none": "", "cls": "the first token of ", "mean": "the mean of "}
        steps = f", then {', '.join(self.steps)}" if self.steps else ""
        return f"{how[self.pool]}the output {self.output}{steps}"


def _kind(value: Any) -> str:
    """Whether an architecture or a layer, parsed or not, is that of an imported graph."""
    fields = dict(value) if isinstance(value, dict | BaseModel) else {}
    return "onnx" if {"kind", "output"} & fields.keys() else "network"


_Imported = Discriminator(_kind)


class File(_Block):
    """One file of the package."""

    sha256: Sha256
    bytes: int = Field(ge=0)


class Source(_Block):
    """Data or a file that the weights come from."""

    name: str
    terms: str = Field(description="licence or terms of use")
    images: int | None = None
    sha256: Sha256 | None = None


class Conversion(_Block):
    """How a checkpoint of others became the weights; nothing in it was used without a name."""

    layout: str = Field(description="how the checkpoint names its tensors")
    mapping: int = Field(ge=1, description="version of the map from those names")
    tensors: int = Field(ge=1, description="tensors used, each by its name and shape")
    dropped: dict[str, int] = Field(description="tensors left out on purpose, by pattern")
    crc32c: int | None = Field(
        None, description="tensors whose CRC32C the checkpoint holds and which agreed; TensorFlow's"
    )


class Whitened(_Block):
    """Of what, and on how many images, the step `whiten` was fitted; `sources` names them."""

    model: str = Field(description="whose embeddings were whitened, name@version")
    space: Sha256 = Field(description="of that model")
    width: int = Field(ge=1, description="values an image before")
    images: int = Field(ge=1)
    share: float = Field(ge=0, le=1, description="of the variance that is kept")


class Provenance(_Block):
    """Where the package comes from and what may be done with it."""

    created: date
    sources: tuple[Source, ...]
    code_licence: str
    weights_licence: str
    citation: str
    recipe: str | None = Field(None, description="name of the training recipe")
    run: dict[str, str | int | float | None] = Field(
        default_factory=dict, description="summary of the training run"
    )
    conversion: Conversion | None = None
    whitened: Whitened | None = Field(None, exclude_if=lambda value: value is None)


class Baseline(_Block):
    """What another method reaches on the same images and draws, and how far behind it is."""

    method: str
    value: float
    difference: float = Field(description="the encoder's value minus this one")
    low: float = Field(description="95% interval of the difference")
    high: float


class Metric(_Block):
    """A figure, who measured it, how, and beside what."""

    protocol: str = Field(description="knn, linear, few-label-5, ...")
    data: str
    value: float
    low: float | None = None
    high: float | None = None
    baselines: tuple[Baseline, ...] = ()
    source: Literal["measured", "published"]
    note: str = ""


class Parity(_Block):
    """Agreement of a variant with the reference on the golden images.

    The reference computes in float32 and is not optimised: PyTorch; ONNX Runtime where the package
    was made without it; of an imported graph, the file as it came in ONNX Runtime. A whitening that
    `zoo whiten` put behind it is computed in float64.
    """

    cosine_min: float
    cosine_mean: float
    max_relative_error: float = Field(description="largest |difference| over the largest |value|")


class Cost(_Block):
    """What a precision costs against fp32, on labelled images that it was not calibrated on."""

    data: tuple[str, ...]
    images: int = Field(ge=1)
    cosine_min: float
    cosine_mean: float
    recall_at_10: float = Field(
        description="share of an image's ten nearest neighbours in fp32 that are still among them"
    )
    few_label: float = Field(description="accuracy from five labels a class, mean over draws")
    few_label_lead: float = Field(description="minus that of fp32 on the same draws")
    low: float = Field(description="95% interval of the lead")
    high: float

    @property
    def summary(self) -> str:
        """One line for people."""
        return (
            f"cosine at least {self.cosine_min:.6f}, {self.recall_at_10:.1%} of ten neighbours "
            f"kept, {100 * self.few_label_lead:+.2f} points from five labels "
            f"({100 * self.low:+.2f} to {100 * self.high:+.2f}), on {self.images:,} images of "
            f"{', '.join(self.data)}"
        )


class Variant(_Block):
    """The encoder in another precision: `encoder.<precision>.onnx`, weights included."""

    kept: tuple[str, ...] = Field((), description="convolutions that int8 leaves in fp32")
    calibration_images: int | None = Field(None, description="that int8 took its ranges from")
    cost: Cost


class Manifest(_Block):
    """The whole of `model.json`."""

    schema_version: Literal[1] = 1
    name: Name
    version: Version
    method: str
    architecture: Annotated[
        Annotated[Architecture, Tag("network")] | Annotated[OnnxGraph, Tag("onnx")], _Imported
    ]
    dim: int = Field(ge=1)
    layer: Annotated[
        Annotated[Layer, Tag("network")] | Annotated[OutputLayer, Tag("onnx")], _Imported
    ]
    input: InputBlock
    files: dict[str, File]
    provenance: Provenance
    metrics: tuple[Metric, ...] = ()
    parity: dict[str, Parity] = Field(description="by variant, such as onnxruntime-fp32")
    tolerance: float = Field(
        0.9999, gt=0, le=1, description="least golden cosine at which a variant serves and mixes"
    )
    variants: dict[Lowered, Variant] = Field({}, description="other precisions in the package")
    space: Sha256

    @property
    def reference(self) -> str:
        """`name@version`, by which a package is asked for."""
        return f"{self.name}@{self.version}"

    def mixes(self, precision: Precision) -> bool:
        """Whether its embeddings may be compared with those of the reference.

        Decided by what the package attests, never by what a machine happens to measure, so that
        all machines agree.
        """
        return precision == "fp32" or (self.attested(precision) or 0.0) >= self.tolerance

    def attested(self, precision: Precision) -> float | None:
        """The least golden cosine that the package says this precision has; None: it has none."""
        found = [p.cosine_min for v, p in self.parity.items() if v.endswith(f"-{precision}")]
        return min(found, default=None)


def split_reference(reference: str) -> tuple[str, str | None]:
    """`name` or `name@version` -> (name, version or None).

    Raises:
        ValueError: the text is not of this form.
    """
    match = re.fullmatch(
        r"([a-z0-9][a-z0-9._-]{0,63})(?:@([0-9A-Za-z][0-9A-Za-z.+_-]{0,31}))?", reference
    )
    if match is None:
        raise ValueError(f"{reference!r} is not a model: give name or name@version")
    return match[1], match[2]
