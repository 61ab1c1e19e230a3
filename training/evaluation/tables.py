"""An evaluation as Markdown."""

from training.evaluation.evaluate import Accuracy, Difference, Evaluation


def markdown(evaluation: Evaluation) -> str:
    """Tables of accuracy in per cent: a row a set and protocol, a column a method.

    Few-label differences to the first method have a table of their own, with their 95% interval;
    those that exclude 0 are bold.
    """
    parts = [_accuracies(evaluation)]
    if evaluation.differences:
        parts.append(_differences(evaluation))
    if evaluation.unreadable:
        parts.append(
            f"{len(evaluation.unreadable)} images could not be read and were left out: "
            + ", ".join(sorted(evaluation.unreadable)[:5])
            + (", ..." if len(evaluation.unreadable) > 5 else "")
        )
    return "\n\n".join(parts) + "\n"


def _accuracies(evaluation: Evaluation) -> str:
    methods = list(dict.fromkeys(a.method for a in evaluation.accuracies))
    rows: dict[tuple[str, str], dict[str, Accuracy]] = {}
    for accuracy in evaluation.accuracies:
        rows.setdefault((accuracy.data, accuracy.protocol), {})[accuracy.method] = accuracy
    lines = [["data", "protocol", *methods]]
    for (data, protocol), found in rows.items():
        cells = [
            f"{_percent(a.value)} ({_percent(a.low)}-{_percent(a.high)})" for a in found.values()
        ]
        lines.append([data, protocol, *cells])
    note = "Accuracy in %, with its 95% interval: over test images for knn and linear"
    if any(a.protocol.startswith("few-label") for a in evaluation.accuracies):
        note += f", over {evaluation.draws} draws of the labels for few-label"
    return f"{_table(lines)}\n\n{note}."


def _differences(evaluation: Evaluation) -> str:
    first = evaluation.differences[0].method
    others = list(dict.fromkeys(d.other for d in evaluation.differences))
    rows: dict[tuple[str, str], dict[str, Difference]] = {}
    for difference in evaluation.differences:
        rows.setdefault((difference.data, difference.protocol), {})[difference.other] = difference
    lines = [["data", "protocol", *(f"{first} - {other}" for other in others)]]
    for (data, protocol), found in rows.items():
        lines.append([data, protocol, *(_signed(d) for d in found.values())])
    return f"{_table(lines)}\n\nPoints, with the 95% interval of the paired difference over draws."


def _signed(difference: Difference) -> str:
    value, low, high = (100 * x for x in (difference.value, difference.low, difference.high))
    text = f"{value:+.1f} ({low:+.1f} to {high:+.1f})"
    certain = difference.low > 0 or difference.high < 0
    return f"**{text}**" if certain else text


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _table(lines: list[list[str]]) -> str:
    ruled = [lines[0], ["---"] * len(lines[0]), *lines[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in ruled)
