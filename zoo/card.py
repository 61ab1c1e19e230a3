"""The model card: a manifest in prose and tables, for people."""

from collections.abc import Iterable

from zoo.images import InputBlock
from zoo.licences import described
from zoo.manifest import GRAPH, WEIGHTS, Conversion, Layer, Manifest, Metric, OutputLayer

USAGE = (
    "images: uint8 RGB (n, size, size, 3), the centre square of side crop * short side (where it "
    "has squash, the share crop of both sides), resized to size; the graph itself computes "
    "(value / 255 - mean) / std. embedding: float32 (n, dim), not of unit length: divide by its "
    "norm for cosine similarity."
)
"""What whoever has nothing but the graph must know; the names are of the metadata `input`."""


def render_card(manifest: Manifest) -> str:
    """Markdown; everything in it comes from the manifest."""
    return (
        "\n\n".join(
            section
            for section in (
                f"# {manifest.name} {manifest.version}",
                _summary(manifest),
                _figures(manifest.metrics),
                _parity(manifest),
                _variants(manifest),
                _training(manifest),
                _elsewhere(manifest),
                _provenance(manifest),
            )
            if section
        )
        + "\n"
    )


def _summary(m: Manifest) -> str:
    return (
        f"{m.method.upper() if len(m.method) < 5 else m.method}, {m.architecture.summary}. "
        f"{m.dim} values an image: {_layer(m.layer)}. Input: {_input(m.input)}.\n\n"
        f"Space `{m.space}`."
    )


def _input(block: InputBlock) -> str:
    share = "whole" if block.crop == 1 else f"{block.crop:g} of the"
    part = f"the {share} photo squeezed into a" if block.squash else f"the {share} centre"
    return f"{part} square at {block.size} x {block.size} pixels, {block.interpolation}"


def _layer(layer: Layer | OutputLayer) -> str:
    if isinstance(layer, OutputLayer):
        return layer.summary
    stages = " and ".join(", ".join(layer.stages).rsplit(", ", 1))
    average = f"{layer.grid} x {layer.grid} averages of" if layer.grid > 1 else "average of"
    steps = f", then {', '.join(layer.steps)}" if layer.steps else ""
    return f"the {average} {stages}{steps}"


def _figures(metrics: Iterable[Metric]) -> str:
    rows = [
        (m.data, m.protocol, _interval(m.value, m.low, m.high, "%"), m.source, m.note)
        for m in metrics
    ]
    if not rows:
        return ""
    head = ("data", "protocol", "accuracy", "source", "note")
    figures = f"## Figures\n\n{_table(head, rows)}"
    beside = [
        (
            m.data,
            m.protocol,
            b.method,
            f"{100 * b.value:.1f}%",
            _interval(b.difference, b.low, b.high, ""),
        )
        for m in metrics
        for b in m.baselines
    ]
    if not beside:
        return figures
    head = ("data", "protocol", "beside", "its accuracy", "the encoder's lead, points")
    return f"{figures}\n\nOn the same images and draws:\n\n{_table(head, beside)}"


def _interval(value: float, low: float | None, high: float | None, unit: str) -> str:
    text = f"{100 * value:.1f}{unit}"
    return text if low is None or high is None else f"{text} ({100 * low:.1f} to {100 * high:.1f})"


def _parity(m: Manifest) -> str:
    rows = [
        (variant, f"{p.cosine_min:.7f}", f"{p.cosine_mean:.7f}", f"{p.max_relative_error:.1e}")
        for variant, p in sorted(m.parity.items())
    ]
    if not rows:
        return ""
    head = ("variant", "cosine min", "cosine mean", "max relative error")
    text = (
        "Against the reference on the golden images; "
        f"from {m.tolerance:g} on a variant mixes with it."
    )
    return f"## Parity\n\n{text}\n\n{_table(head, rows)}"


def _variants(m: Manifest) -> str:
    rows = [
        (
            precision,
            "yes" if m.mixes(precision) else "no",
            f"{v.cost.cosine_min:.6f}",
            f"{v.cost.cosine_mean:.6f}",
            f"{100 * v.cost.recall_at_10:.1f}%",
            f"{100 * v.cost.few_label:.1f}%",
            _interval(v.cost.few_label_lead, v.cost.low, v.cost.high, ""),
            f"{v.cost.images:,} of {', '.join(v.cost.data)}",
        )
        for precision, v in m.variants.items()
    ]
    if not rows:
        return ""
    head = (
        "precision",
        "mixes",
        "cosine min",
        "mean",
        "recall@10",
        "5 labels",
        "over fp32, points",
        "images",
    )
    text = "Against fp32. What mixes may be compared with it; what does not has a space of its own."
    kept = [
        f"{precision} leaves {len(v.kept)} convolutions in fp32."
        for precision, v in m.variants.items()
        if v.kept
    ]
    return "\n\n".join(["## Variants", text, _table(head, rows), *kept])


def _training(m: Manifest) -> str:
    rows = [(key.replace("_", " "), str(value)) for key, value in m.provenance.run.items()]
    if not rows:
        return ""
    recipe = f"Recipe `{m.provenance.recipe}`; " if m.provenance.recipe else ""
    text = f"{recipe}settings and log are in `training.json`."
    return f"## Training\n\n{text}\n\n{_table(('figure', 'value'), rows)}"


def _elsewhere(m: Manifest) -> str:
    resample = m.input.interpolation.upper()
    sampling = (
        ""
        if m.input.antialias
        else "\nThis is close to what is served, and not the same: there, the square has whole "
        "pixels and is sampled\nwithout antialiasing, by the NumPy of `zoo/sampling.py`, which can "
        "be copied.\n"
    )
    return f"""## Elsewhere

`{GRAPH}` runs in any ONNX runtime, with `{WEIGHTS}` beside it. It takes uint8 RGB and normalises
by itself; what it gives is not of unit length. Its metadata has `space` and, as `input`, size,
crop, interpolation, mean and std.
{sampling}
```python
import numpy as np, onnxruntime
from PIL import Image, ImageOps

photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")
{_sides(m.input)}
left, top = (photo.width - width) / 2, (photo.height - height) / 2
box = (left, top, left + width, top + height)
size = ({m.input.size}, {m.input.size})
pixels = np.asarray(photo.resize(size, Image.Resampling.{resample}, box))
session = onnxruntime.InferenceSession("{GRAPH}")
(embedding,) = session.run(["embedding"], {{"images": pixels[None]}})
embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)  # then a dot product is the cosine
```"""


def _sides(block: InputBlock) -> str:
    if block.squash:
        return f"width, height = {block.crop!r} * photo.width, {block.crop!r} * photo.height"
    return f"width = height = {block.crop!r} * min(photo.size)"


def _provenance(m: Manifest) -> str:
    p = m.provenance
    rows = [(s.name, "" if s.images is None else f"{s.images:,}", s.terms) for s in p.sources]
    return (
        f"## Provenance\n\n{_table(('made from', 'images', 'terms'), rows)}\n\n"
        f"Code: {p.code_licence}. Weights: {described(p.weights_licence)}. Made {p.created}."
        f"{_conversion(p.conversion)}{_whitened(m)}\n\n{p.citation}."
    )


def _whitened(m: Manifest) -> str:
    w = m.provenance.whitened
    if w is None:
        return ""
    return (
        f"\n\nWhitened: the {w.width:,} values of {w.model} (space `{w.space[:8]}`) on the "
        f"{m.dim:,} leading directions of {w.images:,} images, which hold {w.share:.1%} of the "
        "variance; each divided by sqrt(l + mean l), where l is its variance."
    )


def _conversion(c: Conversion | None) -> str:
    if c is None:
        return ""
    dropped = ", ".join(f"`{pattern}` ({count})" for pattern, count in c.dropped.items()) or "none"
    crc = f"; CRC32C agreed for {c.crc32c} tensors" if c.crc32c is not None else ""
    return (
        f"\n\nConverted from the layout {c.layout} (mapping {c.mapping}): {c.tensors} tensors "
        f"used{crc}. Left out on purpose: {dropped}."
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
