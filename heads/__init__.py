"""Few-label learning on embeddings: fit, report. Pure NumPy, SciPy and scikit-learn, no I/O."""

from heads.classifier import Classifier, from_bytes, probabilities, to_bytes
from heads.errors import HeadError
from heads.fit import fit
from heads.report import Report, report

__all__ = [
    "Classifier",
    "HeadError",
    "Report",
    "fit",
    "from_bytes",
    "probabilities",
    "report",
    "to_bytes",
]
