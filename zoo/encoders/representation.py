"""Statistics of the representation that become part of the encoder."""

import torch
from torch import Tensor

from zoo.encoders.served import ServedEncoder
from zoo.errors import PackageError


@torch.no_grad()
def fit_representation(served: ServedEncoder, features: Tensor) -> None:
    """Set `representation.mean` and `.whitening`, as far as the layer has them.

    Args:
        features: what `served.combine` gives for n calibration images, (n, width); n > width
            where the layer whitens.

    Raises:
        PackageError: too few images.
    """
    count, width = features.shape
    if "whiten" in served.layer.steps and count <= width:
        raise PackageError(
            f"{count} calibration images cannot give the directions of {width} features: more than "
            f"{width} are needed"
        )
    mean = features.double().mean(dim=0)
    if "centre" in served.layer.steps:
        served.representation.get_buffer("mean").copy_(mean)
    if "whiten" in served.layer.steps:
        target = served.representation.get_buffer("whitening")
        target.copy_(whitening(features.double() - mean, target.shape[1]))


def whitening(centred: Tensor, dim: int) -> Tensor:
    """PCA whitening, (width, dim), of features (n, width) of zero mean.

    The `dim` leading directions, each scaled to unit variance; the variances are raised by a
    hundredth of their mean so that noise is not blown up.
    """
    variances, directions = torch.linalg.eigh(centred.T @ centred / len(centred))
    variances, directions = variances.flip(0)[:dim], directions.flip(1)[:, :dim]
    scaled: Tensor = directions / (variances + 0.01 * variances.mean()).sqrt()
    return scaled
