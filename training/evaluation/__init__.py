"""Evaluation on features that are computed once."""

from training.evaluation.baselines import baselines_of
from training.evaluation.evaluate import PROTOCOLS, check_protocol, evaluate
from training.evaluation.features import EvaluatedModel, Features, embed_source
from training.evaluation.models import embedder_of
from training.evaluation.results import Accuracy, Difference, Evaluation
from training.evaluation.sets import LabelledSet, read_sets
from training.evaluation.tables import markdown
from training.evaluation.task import Options

__all__ = [
    "PROTOCOLS",
    "Accuracy",
    "Difference",
    "EvaluatedModel",
    "Evaluation",
    "Features",
    "LabelledSet",
    "Options",
    "baselines_of",
    "check_protocol",
    "embed_source",
    "embedder_of",
    "evaluate",
    "markdown",
    "read_sets",
]
