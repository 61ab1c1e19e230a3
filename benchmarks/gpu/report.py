"""The results as Markdown, a table a device."""

from collections.abc import Iterable
from pathlib import Path

from benchmarks.gpu.results import Result, last, read


def markdown(home: Path) -> str:
    """A table of the newest results of each device, and how each part ended that is not done."""
    found = list(last(read(home / "results.jsonl")).values())
    if not found:
        return f"no results in {home}\n"
    sections = dict.fromkeys((result.device, result.toy) for result in found)
    return "\n".join(
        _section(device, toy, [r for r in found if (r.device, r.toy) == (device, toy)])
        for device, toy in sections
    )


def _section(device: str, toy: bool, results: list[Result]) -> str:
    values = [r for r in results if r.name != r.part]
    rows = [["part", "result", "value", "settings"], ["---"] * 4, *map(_row, values)]
    ended = [r for r in results if r.name == r.part and r.status != "done"]
    lines = [f"{device}{' (toy sizes: a rehearsal, no measurement)' if toy else ''}", ""]
    if values:
        lines += [f"| {' | '.join(row)} |" for row in rows] + [""]
    lines += [f"- {r.name}: {r.status}{f', {r.note}' if r.note else ''}" for r in ended]
    return "\n".join(lines) + "\n"


def _row(result: Result) -> list[str]:
    what = result.name.partition(": ")[2]
    if result.value is None:
        value = f"**failed: {result.note}**"
    else:
        value = f"{_number(result.value)} {result.unit}".strip()
        value = f"**{value}, {result.note}**" if result.status == "failed" else value
    bounds = [("at least", result.least), ("at most", result.most)]
    wanted = "".join(f" ({text} {bound:g})" for text, bound in bounds if bound is not None)
    settings = _settings(result.settings.items())
    return [_cell(cell) for cell in (result.part, what, value + wanted, settings)]


def _settings(settings: Iterable[tuple[str, object]]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
