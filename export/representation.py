"""Statistics of the representation that are baked into the graph."""

import torch
from torch import Tensor

from zoo.encoders import ServedEncoder
from zoo.errors import PackageError
from zoo.images import Pixels


@torch.no_grad()
def fit_representation(served: ServedEncoder, images: Pixels) -> None:
    """Set `representation.mean` and `.whitening` from images, as far as the layer has them.

    Whitening is PCA whitening of the centred features: the leading directions, each scaled to unit
    variance, the variances shrunk by a hundredth of their mean so that noise is not blown up.

    Args:
        images: uint8 (n, size, size, 3), n above the number of features.

    Raises:
        PackageError: too few images.
    """
    features = torch.cat(
        [served.features(torch.from_numpy(chunk)) for chunk in _chunks(images)]
    ).double()
    count, width = features.shape
    if count <= width:
        raise PackageError(
            f"{count} calibration images cannot give the statistics of {width} features: give more "
            f"than {width}"
        )
    mean = features.mean(dim=0)
    if "centre" in served.layer.steps:
        served.representation.get_buffer("mean").copy_(mean)
    if "whiten" in served.layer.steps:
        target = served.representation.get_buffer("whitening")
        target.copy_(whitening(features - mean, target.shape[1]))


def whitening(centred: Tensor, dim: int) -> Tensor:
    """PCA whitening, (width, dim), of float64 features (n, width) of zero mean."""
    variances, directions = torch.linalg.eigh(centred.T @ centred / len(centred))
    variances, directions = variances.flip(0)[:dim], directions.flip(1)[:, :dim]
    shrunk = variances + 0.01 * variances.mean()
    scaled: Tensor = directions / shrunk.sqrt()
    return scaled


def _chunks(images: Pixels, size: int = 256) -> list[Pixels]:
    return [images[start : start + size] for start in range(0, len(images), size)]
