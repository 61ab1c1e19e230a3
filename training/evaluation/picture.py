"""An evaluation as a picture: curves over labels, and bars for what has none."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.evaluation.results import Accuracy, Evaluation
from training.evaluation.tables import Group, same_methods

# Wong's palette (Nature Methods 8, 441), which colour-blind readers tell apart.
COLOURS = ("#0072B2", "#999999", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")

Bounds = tuple[float, float, float]
"""A value and its interval, as shares of 1."""

_CURVES = {"few-label-": "labels a class", "finetune-": "labels used, % of each class"}
"""What stands on the abscissa of the protocols whose names end in a number."""


def draw(evaluations: Sequence[Evaluation], path: Path) -> None:
    """Draw every figure of the evaluations; the suffix of `path` decides the format.

    A panel for each set that has a curve, and one for each group of other figures with the same
    methods.

    Raises:
        ValueError: a format that cannot be drawn.
    """
    figures = [accuracy for found in evaluations for accuracy in found.accuracies]
    panels: list[Callable[[Axes], None]] = []
    for prefix in _CURVES:
        curves = [a for a in figures if a.protocol.startswith(prefix)]
        for data in dict.fromkeys(a.data for a in curves):
            panels.append(_curves(prefix, [a for a in curves if a.data == data]))
    rest = [a for a in figures if not a.protocol.startswith(tuple(_CURVES))]
    panels += [_bars(group) for group in same_methods(rest)]
    save(panels, path)


def save(panels: Sequence[Callable[[Axes], None]], path: Path, width: float = 3.8) -> None:
    """Draw panels side by side, each `width` inches wide."""
    figure = Figure(figsize=(width * len(panels), 3.4), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for panel, on in zip(panels, axes, strict=True):
        panel(on)
    figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)


def grouped_bars(on: Axes, names: Sequence[str], series: Mapping[str, Sequence[Bounds]]) -> None:
    """A group of bars for each name, a bar of each series in it, in per cent with its interval."""
    width = 0.8 / len(series)
    for place, ((label, found), colour) in enumerate(
        zip(series.items(), COLOURS * len(series), strict=False)
    ):
        x = [i + (place - (len(series) - 1) / 2) * width for i in range(len(found))]
        values = [100 * value for value, _, _ in found]
        down = [100 * (value - low) for value, low, _ in found]
        up = [100 * (high - value) for value, _, high in found]
        on.bar(x, values, width, color=colour, label=label, yerr=[down, up], capsize=2)
    on.set_xticks(range(len(names)), names, fontsize=7)
    on.set_ylim(0, 115)  # the legend stands above the bars
    on.set_yticks(range(0, 101, 20))
    on.legend(loc="upper center", ncols=min(3, len(series)), fontsize=7, frameon=False)


def _curves(prefix: str, figures: Sequence[Accuracy]) -> Callable[[Axes], None]:
    def number(accuracy: Accuracy) -> int:
        return int(accuracy.protocol.removeprefix(prefix).rstrip("%"))

    def panel(on: Axes) -> None:
        ticks = sorted({number(a) for a in figures})
        methods = dict.fromkeys(a.method for a in figures)
        for method, colour in zip(methods, COLOURS * len(methods), strict=False):
            points = sorted((a for a in figures if a.method == method), key=number)
            x = [number(a) for a in points]
            low, high = [100 * a.low for a in points], [100 * a.high for a in points]
            values = [100 * a.value for a in points]
            on.plot(x, values, "o-", color=colour, label=method, markersize=4)
            on.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        if prefix == "finetune-":
            on.set_xscale("log")
        on.set_xticks(ticks, [str(tick) for tick in ticks])
        on.minorticks_off()
        on.set_title(f"{figures[0].data}\n{figures[0].classes} classes", fontsize=9)
        on.set_xlabel(_CURVES[prefix])
        on.legend(fontsize=7, frameon=False)
        _finish(on)

    return panel


def _bars(group: Group) -> Callable[[Axes], None]:
    def panel(on: Axes) -> None:
        sets = {data for data, _ in group}
        names = [p if len(sets) == 1 else f"{data}\n{p}" for data, p in group]
        methods = next(iter(group.values()))
        series = {m: [_bounds(row[m]) for row in group.values()] for m in methods}
        grouped_bars(on, names, series)
        if len(sets) == 1:
            on.set_title(next(iter(sets)), fontsize=9)
        _finish(on)

    return panel


def _bounds(accuracy: Accuracy) -> Bounds:
    return accuracy.value, accuracy.low, accuracy.high


def _finish(on: Axes) -> None:
    on.set_ylabel("accuracy, %")
    on.grid(axis="y", alpha=0.3)
