"""How good the embeddings are while training goes on."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from training.augment import Augmentation, random_pair
from training.data import Packed
from training.evaluation.knn import knn_accuracy
from zoo.encoders import Encoder

_BANK, _QUERIES, _PAIRS = 4000, 1000, 256


def knn_monitor(encoder: Encoder, sources: list[Packed], seed: int) -> dict[str, float]:
    """kNN accuracy per source that has labels and five images, on a fixed random sample.

    The images are training images (seen without labels), so that test images stay unseen.
    """
    result = {}
    for source in sources:
        labels, names = source.labels()
        if len(names) < 2 or len(source) < 5:  # a fifth is asked for
            continue
        count = min(len(source), _BANK + _QUERIES)
        sample = np.random.default_rng(seed).permutation(len(source))[:count]
        features = unit_features(encoder, source, np.sort(sample)).numpy()
        labels = labels[np.sort(sample)]
        shuffled = np.random.default_rng(seed).permutation(count)
        bank, queries = shuffled[count // 5 :], shuffled[: count // 5]
        result[source.name] = knn_accuracy(
            features[bank], labels[bank], features[queries], labels[queries]
        )
    return result


def embedding_geometry(
    encoder: Encoder, pixels: Tensor, augmentation: Augmentation, seed: int
) -> dict[str, float]:
    """`alignment` and `uniformity` of the embeddings of a batch, over at most 256 of its images.

    Args:
        pixels: uint8 (n, h, w, 3), on the encoder's device.
    """
    views = random_pair(pixels[:_PAIRS], augmentation, torch.Generator().manual_seed(seed))
    with _evaluating(encoder):
        first, second = F.normalize(encoder(views), dim=1).float().chunk(2)
    both = (uniformity(first) + uniformity(second)) / 2
    return {"alignment": float(alignment(first, second)), "uniformity": float(both)}


def alignment(first: Tensor, second: Tensor) -> Tensor:
    """Mean squared distance of positive pairs, 0 to 4; less is closer.

    Wang and Isola 2020, arXiv:2005.10242, section 4.1.1, alpha 2.

    Args:
        first, second: unit length, (n, d).
    """
    return (first - second).square().sum(dim=1).mean()


def uniformity(embeddings: Tensor) -> Tensor:
    """Log of the mean Gaussian potential of distinct pairs, -8 to 0; less is more evenly spread.

    Wang and Isola 2020, arXiv:2005.10242, section 4.1.2, t 2.

    Args:
        embeddings: unit length, (n, d), n at least 2.
    """
    return torch.pdist(embeddings).square().mul(-2).exp().mean().log()


def unit_features(encoder: Encoder, source: Packed, rows: npt.NDArray[np.int64]) -> Tensor:
    """The embeddings of images as they are stored, unit length, float32 (n, dim), on the CPU."""
    device = next(encoder.parameters()).device
    chunks = [torch.empty(0, encoder.dim)]
    with _evaluating(encoder):
        for start in range(0, len(rows), 256):
            pixels = torch.from_numpy(source.pixels[rows[start : start + 256]]).to(device)
            images = pixels.permute(0, 3, 1, 2).float().div_(255)
            chunks.append(F.normalize(encoder(images), dim=1).float().cpu())
    return torch.cat(chunks)


@contextmanager
def _evaluating(encoder: Encoder) -> Iterator[None]:
    was_training = encoder.training
    encoder.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        encoder.train(was_training)
