"""Evaluation on features that are computed once."""

from training.evaluation.evaluate import Evaluation, Protocol, Subset, evaluate
from training.evaluation.features import Embedder, Features, embed_source
from training.evaluation.tables import markdown

__all__ = [
    "Embedder",
    "Evaluation",
    "Features",
    "Protocol",
    "Subset",
    "embed_source",
    "evaluate",
    "markdown",
]
