"""Labels that look wrong."""

import numpy as np

from heads.examples import Examples
from heads.validation import OutOfFold

CONFIDENT = 0.5


def suspects(data: Examples, seen: OutOfFold) -> list[tuple[int, int, float]]:
    """(position, suggested class, its probability) of doubtful labels, most suspicious first.

    The rule is confident learning (Northcutt, Jiang and Chuang 2021, JAIR 70, section 3.1): an
    example is suspect when the class predicted out of fold is not its label, and gets at least
    the probability that examples of that class get for it on average. It must also be likelier
    than all other classes together: with few labels every class gets about the same probability,
    and a mistake of the classifier is no evidence against the label. Ranked by how far the
    suggestion's probability is above the label's.
    """
    mean = seen.probabilities
    threshold = np.full(len(data.classes), np.inf)  # A class never tested is never suggested.
    for label in range(len(data.classes)):
        members = seen.tested & (data.labels == label)
        if members.any():
            threshold[label] = max(CONFIDENT, mean[members, label].mean())
    best = mean.argmax(axis=1)
    rows = np.arange(len(best))
    lead = mean[rows, best] - mean[rows, data.labels]
    doubtful = seen.tested & (best != data.labels) & (mean[rows, best] >= threshold[best])
    order = sorted(np.flatnonzero(doubtful), key=lambda row: -lead[row])
    return [(int(row), int(best[row]), float(mean[row, best[row]])) for row in order]
