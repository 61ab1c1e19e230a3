"""What decides the distribution of views, as data."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

OperatorName = Literal[
    "crop",
    "flip",
    "grey",
    "jitter",
    "rotate",
    "cutout",
    "noise",
    "blur",
    "sobel",
    "drop_channels",
]


class Augmentation(BaseModel):
    """The distribution of views; the defaults are the paper's for ImageNet."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(224, description="side of a view, in pixels")
    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    jitter: float = 0.8
    strength: float = Field(1.0, description="s: jitter of (.8s, .8s, .8s, .2s)")
    grey: float = 0.2
    blur: float = 0.5
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    low_resolution: float = Field(
        0.0, description="probability of losing resolution, so that small photos embed like large"
    )
    lowest: float = Field(0.35, description="the smallest share of the resolution that is left")
    operators: tuple[OperatorName, ...] | None = Field(
        None,
        description="by name, first to last, in place of SimCLR's crop, flip, jitter, grey and "
        "blur; `flip`, `jitter`, `grey` and `blur` stay their probabilities, `crop` meets every "
        "image",
    )
    rest: float = Field(
        1.0, ge=0, le=1, description="probability of each of the other named operators"
    )
    branches: Literal["both", "one"] = Field(
        "both",
        description="one: both views begin as one random crop, and only the second meets "
        "`operators` (the paper's Figure 5)",
    )

    @model_validator(mode="after")
    def _check_branches(self) -> "Augmentation":
        if self.branches == "one" and self.operators is None:
            raise ValueError(
                "branches='one' needs `operators`: name those that the second view meets"
            )
        return self
