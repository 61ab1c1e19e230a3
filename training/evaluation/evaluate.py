"""Evaluate encoders on labelled images, by any of the protocols of the table below."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from training.evaluation.features import EvaluatedModel, StageProgress
from training.evaluation.few_label import check_few_label, measure_few_label
from training.evaluation.fractions import check_fractions, measure_fractions
from training.evaluation.frozen import (
    check_division,
    check_linear,
    check_transfer,
    measure_knn,
    measure_linear,
    measure_linear_sgd,
    measure_transfer,
)
from training.evaluation.overlap import marked
from training.evaluation.probe import check_probe, measure_probe
from training.evaluation.results import Accuracy, Difference, Evaluation
from training.evaluation.sets import LabelledSet
from training.evaluation.task import DEFAULTS, Options, Task


@dataclass(frozen=True)
class Protocol:
    """about: what it does, in a line. check: raises where it cannot be done, before any work."""

    about: str
    check: Callable[[Task], None]
    measure: Callable[[Task], Iterator[Accuracy | Difference] | Iterator[Accuracy]]


PROTOCOLS: Mapping[str, Protocol] = {
    "knn": Protocol("20 weighted nearest neighbours", check_division, measure_knn),
    "linear": Protocol("logistic regression by L-BFGS", check_linear, measure_linear),
    "linear-sgd": Protocol("a linear layer by SimCLR's SGD", check_linear, measure_linear_sgd),
    "few-label": Protocol("1, 5, 10 labels a class", check_few_label, measure_few_label),
    "finetune": Protocol(
        "shares of the labels: frozen, fine-tuned, from scratch", check_fractions, measure_fractions
    ),
    "transfer": Protocol("SimCLR's 45 penalties, on any set", check_transfer, measure_transfer),
    "probe": Protocol("what h and g(h) know of a transformation", check_probe, measure_probe),
}


def evaluate(
    embedders: Sequence[EvaluatedModel],
    sets: Sequence[LabelledSet],
    protocols: Sequence[str],
    options: Options = DEFAULTS,
    cache: Path | None = None,
    progress: StageProgress | None = None,
) -> Evaluation:
    """Measure every embedder by every protocol on every set.

    All but few-label and transfer learn from the training split of a set and are tested on its
    test split; few-label draws its labels from the images of the subset and is tested on the rest
    of them; transfer halves a set that has no splits. In few-label, the first embedder is compared
    with each of the others (the baselines), draw by draw. Whether everything can be done is found
    out before anything is. Figures on photos that an encoder was trained on are marked.

    Raises:
        DataError: a subset, split or label that the data do not have, or too few images.
        ValueError: an unknown protocol (the nearest are suggested), or fewer than two draws.
    """
    for protocol in protocols:
        check_protocol(protocol)
    if options.draws < 2:
        raise ValueError(f"an interval needs at least two draws, not {options.draws}")
    unreadable: dict[str, str] = {}
    found: list[Accuracy | Difference] = []
    with _folder(cache) as folder:
        tasks = [Task(embedders, data, options, folder, progress, unreadable) for data in sets]
        for protocol in protocols:
            for task in tasks:
                PROTOCOLS[protocol].check(task)
        for protocol in protocols:
            for task in tasks:
                found += marked(PROTOCOLS[protocol].measure(task), task)
    return Evaluation(
        accuracies=tuple(f for f in found if isinstance(f, Accuracy)),
        differences=tuple(f for f in found if isinstance(f, Difference)),
        unreadable=unreadable,
        draws=options.draws,
        seed=options.seed,
    )


def check_protocol(name: str) -> None:
    """That there is such a protocol.

    Raises:
        ValueError: there is not; the nearest are suggested.
    """
    if name not in PROTOCOLS:
        near = get_close_matches(name, PROTOCOLS, n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(PROTOCOLS)}"
        raise ValueError(f"unknown protocol {name!r}; {hint}")


@contextmanager
def _folder(cache: Path | None) -> Iterator[Path]:
    """The cache, or a folder that lasts as long as the evaluation."""
    if cache:
        yield cache
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
