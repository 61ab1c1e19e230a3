"""A fitted classifier: what it is, what it answers, and how it is written down."""

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy
from scipy.special import softmax

from heads.errors import HeadError
from heads.examples import unit_rows

FORMAT = "encoder-zoo-head/1"


@dataclass(frozen=True, eq=False)
class Classifier:
    """Multinomial logistic regression over unit-length embeddings of `d` dimensions.

    classes: names of the c >= 2 classes, distinct, in the order of every answer.
    weights: float32 (c, d).
    bias: float32 (c,).
    strength: C > 0, the weight of the examples against the penalty (large: little penalty).
    """

    classes: tuple[str, ...]
    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    strength: float

    def __post_init__(self) -> None:
        count = len(self.classes)
        if count < 2 or len(set(self.classes)) != count or not all(self.classes):
            raise HeadError(
                "a classifier needs at least two classes, with distinct, non-empty names"
            )
        for name, array in (("weights", self.weights), ("bias", self.bias)):
            if array.dtype != np.float32 or not np.isfinite(array).all():
                raise HeadError(f"{name} of a classifier must be finite float32 numbers")
        if self.weights.ndim != 2 or self.weights.shape[0] != count or not self.weights.shape[1]:
            raise HeadError(f"weights must be {count} rows, one a class, not {self.weights.shape}")
        if self.bias.shape != (count,):
            raise HeadError(f"bias must be {count} numbers, one a class, not {self.bias.shape}")
        if not (np.isfinite(self.strength) and self.strength > 0):
            raise HeadError(f"strength must be a positive number, not {self.strength}")


def probabilities(classifier: Classifier, vectors: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Probability of every class for every vector: (n, d) -> (n, c), rows sum to 1.

    The vectors may have any length but zero; they are brought to unit length first.
    Raises HeadError for vectors of another dimension, not finite, or all zeros.
    """
    unit = unit_rows(vectors)
    dim = classifier.weights.shape[1]
    if unit.shape[1] != dim:
        raise HeadError(
            f"vectors have {unit.shape[1]} dimensions, the head was fitted on {dim}; "
            "use embeddings of the encoder it was fitted with"
        )
    logits = unit @ classifier.weights.T.astype(np.float64) + classifier.bias
    answer: npt.NDArray[np.float64] = softmax(logits, axis=1)
    return answer


def to_bytes(classifier: Classifier) -> bytes:
    """The classifier as one safetensors file: `weights` and `bias`, the rest as JSON metadata."""
    metadata = {
        "format": FORMAT,
        "classes": json.dumps(classifier.classes),
        "strength": json.dumps(float(classifier.strength)),
    }
    # safetensors writes the buffer as it lies in memory, so it has to be contiguous.
    tensors = {
        "weights": np.ascontiguousarray(classifier.weights),
        "bias": np.ascontiguousarray(classifier.bias),
    }
    return safetensors.numpy.save(tensors, metadata)


def from_bytes(data: bytes) -> Classifier:
    """What `to_bytes` wrote; HeadError when `data` is anything else. Runs no code from it."""
    try:
        tensors = safetensors.numpy.load(data)
        metadata = _metadata(data)
    except Exception as error:  # The reader raises many kinds, by where the damage is.
        raise HeadError(f"not a head: the safetensors data is damaged ({error})") from error
    if metadata.get("format") != FORMAT:
        raise HeadError(
            f"not a head of the format {FORMAT!r} but of {metadata.get('format')!r}; fit it again"
        )
    try:
        classes = json.loads(metadata["classes"])
        strength = json.loads(metadata["strength"])
        weights, bias = tensors["weights"], tensors["bias"]
    except (KeyError, json.JSONDecodeError, RecursionError) as error:
        raise HeadError(f"not a head: {error} is missing or unreadable") from error
    if not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
        raise HeadError("not a head: its classes are not a list of names")
    if not isinstance(strength, float):
        raise HeadError("not a head: its strength is not a number")
    return Classifier(tuple(classes), weights, bias, strength)


def _metadata(data: bytes) -> dict[str, str]:
    """The metadata of a safetensors file: eight bytes of header length, then a JSON header."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return dict(header.get("__metadata__") or {})
