"""An evaluation as Markdown."""

from collections.abc import Iterable

from training.evaluation.results import Accuracy, Difference, Evaluation


def markdown(evaluation: Evaluation) -> str:
    """Tables of accuracy in per cent: a row a set and protocol, a column a method.

    Rows of other methods begin another table. Few-label differences to the first method have a
    table of their own, with their 95% interval; those that exclude 0 are bold.
    """
    parts = [accuracy_table(group) for group in same_methods(evaluation.accuracies)]
    parts.append(_caption(evaluation))
    if evaluation.differences:
        parts.append(_differences(evaluation))
    if evaluation.unreadable:
        parts.append(
            f"{len(evaluation.unreadable)} images could not be read and were left out: "
            + ", ".join(sorted(evaluation.unreadable)[:5])
            + (", ..." if len(evaluation.unreadable) > 5 else "")
        )
    return "\n\n".join(parts) + "\n"


Group = dict[tuple[str, str], dict[str, Accuracy]]
"""By set and protocol, then by method; every row has the same methods."""


def same_methods(accuracies: Iterable[Accuracy]) -> list[Group]:
    """Accuracies in groups of which each makes one table or one chart."""
    rows: Group = {}
    for accuracy in accuracies:
        rows.setdefault((accuracy.data, accuracy.protocol), {})[accuracy.method] = accuracy
    groups: dict[tuple[str, ...], Group] = {}
    for key, row in rows.items():
        groups.setdefault(tuple(row), {})[key] = row
    return list(groups.values())


def accuracy_table(group: Group) -> str:
    """One table, with a column of notes where methods were trained."""
    methods = list(next(iter(group.values())))
    noted = any(a.note for row in group.values() for a in row.values())
    lines = [["data", "protocol", *methods, *(["notes"] if noted else [])]]
    for (data, protocol), row in group.items():
        cells = [interval_text(a) for a in row.values()]
        notes = "; ".join(dict.fromkeys(a.note for a in row.values() if a.note))
        lines.append([data, protocol, *cells, *([notes] if noted else [])])
    return table(lines)


def interval_text(accuracy: Accuracy) -> str:
    """`value (low-high)` in per cent; the value alone where it is exact."""
    if accuracy.low == accuracy.high:
        return _percent(accuracy.value)
    return f"{_percent(accuracy.value)} ({_percent(accuracy.low)}-{_percent(accuracy.high)})"


def table(lines: list[list[str]]) -> str:
    """Markdown of rows, the first of which is the heading."""
    ruled = [lines[0], ["---"] * len(lines[0]), *lines[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in ruled)


def _caption(evaluation: Evaluation) -> str:
    few = [a.protocol.startswith("few-label") for a in evaluation.accuracies]
    over = [] if all(few) else ["over test images"]
    if any(few):
        over.append(f"over {evaluation.draws} draws of the labels for few-label")
    return f"Accuracy in %, with its 95% interval: {', and '.join(over)}. Seed {evaluation.seed}."


def _differences(evaluation: Evaluation) -> str:
    first = evaluation.differences[0].method
    others = list(dict.fromkeys(d.other for d in evaluation.differences))
    rows: dict[tuple[str, str], dict[str, Difference]] = {}
    for difference in evaluation.differences:
        rows.setdefault((difference.data, difference.protocol), {})[difference.other] = difference
    lines = [["data", "protocol", *(f"{first} - {other}" for other in others)]]
    for (data, protocol), found in rows.items():
        lines.append([data, protocol, *(_signed(d) for d in found.values())])
    return f"{table(lines)}\n\nPoints, with the 95% interval of the paired difference over draws."


def _signed(difference: Difference) -> str:
    value, low, high = (100 * x for x in (difference.value, difference.low, difference.high))
    text = f"{value:+.1f} ({low:+.1f} to {high:+.1f})"
    certain = difference.low > 0 or difference.high < 0
    return f"**{text}**" if certain else text


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
