"""An evaluation as a picture: accuracy over the number of labels, a panel a set."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.evaluation.evaluate import Accuracy, Evaluation

_PREFIX = "few-label-"
# Wong's palette (Nature Methods 8, 441), which colour-blind readers tell apart.
_COLOURS = ("#0072B2", "#999999", "#E69F00", "#009E73", "#CC79A7")


def draw_few_labels(evaluations: Sequence[Evaluation], path: Path) -> None:
    """Draw every few-label figure of the evaluations; the suffix of `path` decides the format.

    Raises:
        ValueError: there is no few-label figure.
    """
    figures = [a for e in evaluations for a in e.accuracies if a.protocol.startswith(_PREFIX)]
    if not figures:
        raise ValueError("a picture needs figures of the protocol few-label; there are none")
    sets = list(dict.fromkeys(a.data for a in figures))
    methods = list(dict.fromkeys(a.method for a in figures))
    figure = Figure(figsize=(3.4 * len(sets), 3.2), layout="constrained")
    axes = figure.subplots(1, len(sets), squeeze=False)[0]
    for panel, data in zip(axes, sets, strict=True):
        shown = [a for a in figures if a.data == data]
        for method, colour in zip(methods, _COLOURS * len(methods), strict=False):
            _curve(panel, [a for a in shown if a.method == method], method, colour)
        panel.set_title(f"{data}\n{shown[0].classes} classes", fontsize=9)
        panel.set_xlabel("labels a class")
        panel.grid(alpha=0.3)
    axes[0].set_ylabel("accuracy, %")
    axes[0].legend(fontsize=8, frameon=False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _curve(panel: Axes, points: Sequence[Accuracy], method: str, colour: str) -> None:
    points = sorted(points, key=_labels)
    x = [_labels(p) for p in points]
    panel.plot(x, [100 * p.value for p in points], "o-", color=colour, label=method, markersize=4)
    low, high = ([100 * bound for bound in bounds] for bounds in _bounds(points))
    panel.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    panel.set_xticks(x)


def _bounds(points: Sequence[Accuracy]) -> tuple[list[float], list[float]]:
    return [p.low for p in points], [p.high for p in points]


def _labels(accuracy: Accuracy) -> int:
    return int(accuracy.protocol.removeprefix(_PREFIX))
