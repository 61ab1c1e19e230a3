"""Every precision on every runtime: speed, agreement, size and memory, in one table and picture.

    python benchmarks/variants.py MODEL [--picture FILE] [--batch 32]

MODEL is an installed model; make its variants with `zoo export variants`. Prints one JSON line for
each, with its speed as a multiple of ONNX Runtime in fp32 in the same run, and what it costs in
neighbours and few-label accuracy where the package says so.
"""

import argparse
import json
import os
import statistics
from pathlib import Path

from zoo.runtimes.bench import Figures, bench, executions
from zoo.store import find_package


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("model")
    arguments.add_argument("--batch", type=int, default=32)
    arguments.add_argument("--seconds", type=float, default=3.0, help="of one measurement")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--picture", type=Path)
    given = arguments.parse_args()
    package = find_package(given.model)
    ways = list(executions(package))
    rounds = [list(bench(package, ways, given.batch, given.seconds)) for _ in range(given.rounds)]
    lines = []
    for results in zip(*rounds, strict=True):
        figures = [result for result in results if isinstance(result, Figures)]
        if not figures:
            print(json.dumps({"way": str(results[0].execution), "error": results[0].reason}))
            continue
        first, cost = figures[0], package.manifest.variants.get(figures[0].execution.precision)
        line = {
            "model": package.manifest.reference,
            "cores": os.cpu_count(),
            "batch": given.batch,
            "variant": first.variant,
            "images_per_second": statistics.median(f.images_per_second for f in figures),
            "cosine_min": first.parity.cosine_min,
            "cosine_mean": first.parity.cosine_mean,
            "mixes": package.manifest.mixes(first.execution.precision),
            "file_bytes": first.file_bytes,
            "memory_bytes": max(f.memory for f in figures),
        }
        if cost:
            line |= {
                "recall_at_10": cost.cost.recall_at_10,
                "few_label_points": 100 * cost.cost.few_label_lead,
            }
        lines.append(line)
    base = next(row for row in lines if row["variant"] == "onnxruntime-fp32")
    for line in lines:
        line["speed"] = round(line["images_per_second"] / base["images_per_second"], 2)
        print(json.dumps(line))
    if given.picture:
        draw(lines, given.picture)


def draw(lines: list[dict], path: Path) -> None:
    import matplotlib.pyplot as plt  # noqa: PLC0415

    lines = sorted(lines, key=lambda line: line["speed"])
    names = [f"{line['variant']}{'' if line['mixes'] else ' *'}" for line in lines]
    figure, axes = plt.subplots(1, 4, figsize=(13, 0.45 * len(lines) + 1.4), sharey=True)
    columns = (
        ("speed", "times ONNX Runtime fp32", [line["speed"] for line in lines], "{:.2f}"),
        ("1 - cosine (mean)", "golden images, log scale",
         [max(1 - line["cosine_mean"], 1e-13) for line in lines], "{:.0e}"),
        ("files", "MB", [line["file_bytes"] / 1e6 for line in lines], "{:.0f}"),
        ("memory", "MB of the process", [line["memory_bytes"] / 1e6 for line in lines], "{:.0f}"),
    )  # fmt: skip
    for axis, (title, unit, values, form) in zip(axes, columns, strict=True):
        bars = axis.barh(names, values, color="#4477aa")
        axis.bar_label(bars, [form.format(value) for value in values], padding=3)
        axis.set_title(title, loc="left")
        axis.set_xlabel(unit)
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.2)
    axes[1].set_xscale("log")
    model, batch = lines[0]["model"], lines[0]["batch"]
    figure.suptitle(f"{model}, batches of {batch}   (* a space of its own)", x=0.01, ha="left")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
