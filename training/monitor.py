"""The kNN monitor: how well the encoder's features tell the labels of its own training images."""

import numpy as np
import torch
import torch.nn.functional as F

from training.data import Packed
from training.evaluation.knn import knn_accuracy
from zoo.encoders import Encoder

_BANK, _QUERIES = 4000, 1000


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
        features = _features(encoder, source, np.sort(sample))
        labels = labels[np.sort(sample)]
        shuffled = np.random.default_rng(seed).permutation(count)
        bank, queries = shuffled[count // 5 :], shuffled[: count // 5]
        result[source.name] = knn_accuracy(
            features[bank], labels[bank], features[queries], labels[queries]
        )
    return result


@torch.no_grad()
def _features(
    encoder: Encoder, source: Packed, rows: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    device = next(encoder.parameters()).device
    was_training = encoder.training
    encoder.eval()
    chunks = []
    for start in range(0, len(rows), 256):
        pixels = torch.from_numpy(source.pixels[rows[start : start + 256]]).to(device)
        images = pixels.permute(0, 3, 1, 2).float().div_(255)
        chunks.append(F.normalize(encoder(images), dim=1).float().cpu())
    encoder.train(was_training)
    return torch.cat(chunks).numpy()
