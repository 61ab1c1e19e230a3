"""Five labels a class, over HTTP, as a user would: fit, classify the rest, look at neighbours.

    python benchmarks/few_labels_over_http.py --url http://127.0.0.1:8000 --data photos.tar

Prints one JSON line: accuracy on the images that were not labelled, its 95% interval (Wilson), what
the head's own report expected, and images a second. `--sheet FILE` draws ten photos with their five
nearest neighbours, as the gateway's search finds them.
"""

import argparse
import csv
import io
import json
import math
import tarfile
import time
from pathlib import Path

import httpx
import numpy as np
from PIL import Image, ImageDraw

PREFIX, LABELS_A_CLASS, BATCH = "caltech/", 5, 64


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", default="http://127.0.0.1:8000")
    arguments.add_argument("--data", type=Path, required=True, help="a tar with labels.csv")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--sheet", type=Path)
    given = arguments.parse_args()
    photos = read_photos(given.data)
    with httpx.Client(base_url=given.url, timeout=120) as client:
        print(json.dumps(classify(client, photos, given.seed)))
        if given.sheet:
            neighbours(client, photos, given.seed).save(given.sheet)


def read_photos(data: Path) -> list[tuple[str, str, bytes]]:
    """(path, label, bytes) of the Caltech classes."""
    with tarfile.open(data) as archive:
        files = {m.name: archive.extractfile(m) for m in archive if m.isfile()}
        table = csv.DictReader(io.TextIOWrapper(files["labels.csv"]))
        return [
            (row["path"], row["label"], files[row["path"]].read())
            for row in table
            if row["path"].startswith(PREFIX)
        ]


def classify(client: httpx.Client, photos: list[tuple[str, str, bytes]], seed: int) -> dict:
    order = np.random.default_rng(seed).permutation(len(photos))
    taken: dict[str, int] = {}
    labelled, rest = [], []
    for photo in (photos[i] for i in order):
        taken[photo[1]] = taken.get(photo[1], 0) + 1
        (labelled if taken[photo[1]] <= LABELS_A_CLASS else rest).append(photo)
    started = time.perf_counter()
    head = client.put(
        "/v1/heads/benchmark",
        data={"labels": [label for _, label, _ in labelled]},
        files=[("images", (path, data)) for path, _, data in labelled],
    )
    head.raise_for_status()
    fitted = time.perf_counter()
    correct = 0
    for start in range(0, len(rest), BATCH):
        batch = rest[start : start + BATCH]
        answer = client.post(
            "/v1/heads/benchmark/classify",
            files=[("images", (path, data)) for path, _, data in batch],
        )
        answer.raise_for_status()
        results = answer.json()["data"]
        correct += sum(
            r.get("label") == label for r, (_, label, _) in zip(results, batch, strict=True)
        )
    seconds = time.perf_counter() - fitted
    low, high = wilson(correct, len(rest))
    return {
        "model": head.json()["model"],
        "classes": len(taken),
        "labelled": len(labelled),
        "tested": len(rest),
        "accuracy": round(correct / len(rest), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "report": head.json()["report"]["accuracy"],
        "fit_seconds": round(fitted - started, 2),
        "classified_per_second": round(len(rest) / seconds, 1),
    }


def wilson(correct: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """The Wilson score interval of a proportion."""
    share, spread = correct / total, z * z / total
    centre = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return centre - half, centre + half


def neighbours(
    client: httpx.Client, photos: list[tuple[str, str, bytes]], seed: int
) -> Image.Image:
    client.put("/v1/collections/benchmark", json={"keep": "nothing"}).raise_for_status()
    content = {path.replace("/", "-"): (label, data) for path, label, data in photos}
    names = list(content)
    for start in range(0, len(names), BATCH):
        batch = names[start : start + BATCH]
        client.post(
            "/v1/collections/benchmark/items",
            data={"ids": batch, "labels": [content[name][0] for name in batch]},
            files=[("images", (name, content[name][1])) for name in batch],
        ).raise_for_status()
    side, shown = 110, 6
    queries = np.random.default_rng(seed).permutation(len(names))[:10]
    sheet = Image.new("RGB", (shown * side, len(queries) * (side + 14)), "white")
    draw = ImageDraw.Draw(sheet)
    for row, query in enumerate(names[i] for i in queries):
        found = client.post("/v1/collections/benchmark/search", json={"id": query, "k": shown - 1})
        found.raise_for_status()
        matches = [(m["id"], f"{m['score']:.2f} {m['label']}") for m in found.json()["matches"]]
        for column, (name, text) in enumerate([(query, content[query][0]), *matches]):
            photo = Image.open(io.BytesIO(content[name][1])).convert("RGB")
            photo.thumbnail((side - 4, side - 4))
            sheet.paste(photo, (column * side, row * (side + 14)))
            draw.text((column * side, row * (side + 14) + side - 2), text[:18], fill="black")
    return sheet


if __name__ == "__main__":
    main()
