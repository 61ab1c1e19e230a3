"""Weighted k-nearest-neighbour classification (Wu et al. 2018, arXiv:1805.01978, section 3.4)."""

import numpy as np

from zoo.arrays import Features, Labels


def knn_accuracy(
    bank: Features,
    bank_labels: Labels,
    queries: Features,
    labels: Labels,
    k: int = 20,
    temperature: float = 0.07,
) -> float:
    """Share of queries whose k nearest bank features, weighted exp(cosine / temperature), agree.

    Args:
        bank: (n, d), unit length. bank_labels: (n,), class numbers from 0.
        queries: (m, d), unit length. labels: (m,).
    """
    k = min(k, len(bank))
    classes = int(bank_labels.max()) + 1
    correct = 0
    for start in range(0, len(queries), 1024):
        cosine = queries[start : start + 1024] @ bank.T
        nearest = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
        weights = np.exp((np.take_along_axis(cosine, nearest, axis=1) - 1) / temperature)
        votes = np.zeros((len(cosine), classes))
        rows = np.repeat(np.arange(len(cosine)), k)
        np.add.at(votes, (rows, bank_labels[nearest].ravel()), weights.ravel())
        correct += int((votes.argmax(axis=1) == labels[start : start + 1024]).sum())
    return correct / len(queries)
