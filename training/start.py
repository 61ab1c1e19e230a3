"""Beginning a run with the encoder of a package in place of random weights."""

from training.errors import TrainingError
from zoo.encoders import Encoder, load_served
from zoo.package import Package


def begin_with(encoder: Encoder, start: Package) -> None:
    """Give `encoder` the weights and statistics of a package's.

    Raises:
        TrainingError: the package is of another architecture, or was exported without the last
            stages.
    """
    served = load_served(start).encoder
    name = start.manifest.reference
    if served.architecture != encoder.architecture:
        raise TrainingError(
            f"{name} is {served.architecture!r}, the recipe trains {encoder.architecture!r}: start "
            "from a model of the recipe's architecture"
        )
    if missing := encoder.load_state_dict(served.state_dict(), strict=False).missing_keys:
        raise TrainingError(
            f"{name} was exported without {missing[0].split('.')[0]}, which the recipe trains: "
            "start from a model that serves the last stage"
        )
