"""Static int8: ranges from real images, weights a channel, and the layers that suffer left alone.

ONNX Runtime's quantiser does the arithmetic (QDQ format); which layers it leaves is measured here.
"""

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

from zoo.arrays import Pixels, Vectors
from zoo.progress import Progress
from zoo.runtimes.golden import agreement

MOST_KEPT = 0.25
"""Share of the convolutions that may stay in float32; more would cost the speed."""
_GAIN = 0.1
"""By how much leaving one more convolution alone must lower the error."""
_JUDGED = 64
_BATCH = 16


def quantise(
    whole: Path,
    target: Path,
    images: Pixels,
    symmetric: bool = False,
    progress: Progress | None = None,
) -> tuple[str, ...]:
    """Write the int8 graph of a float32 graph whose norms are folded.

    Every convolution is first quantised alone and the change of the embeddings measured. The worst
    ones then stay in float32, one after the other, as long as each lowers the mean error (one minus
    the cosine) of the whole by a tenth, and at most a quarter of them.

    Args:
        images: uint8 (n, size, size, 3), for the ranges; some of them judge the layers.
        progress: of the layers that are tried.
        symmetric: activations around zero and biases in float32, which TensorRT wants; unsigned
            ones, which are more exact behind a ReLU and faster on processors, otherwise.

    Returns:
        The names of the convolutions that stayed in float32, the most sensitive first.
    """
    judged = images[:: -(-len(images) // _JUDGED)]
    reference = _run(whole, judged)
    names = [node.name for node in onnx.load(whole).graph.node if node.op_type == "Conv"]
    with tempfile.TemporaryDirectory() as work:
        ranges = Path(work) / "ranges.json"

        def error(kept: Sequence[str] = (), only: Sequence[str] | None = None) -> float:
            trial = Path(work) / "trial.onnx"
            _quantise(whole, trial, images, ranges, symmetric, kept, only)
            return 1 - agreement(_run(trial, judged), reference).cosine_mean

        least = error()  # first: it finds the ranges of all tensors, for the trials that follow
        alone = {}
        for number, name in enumerate(names):
            alone[name] = error(only=[name])
            if progress:
                progress(number + 1, len(names))
        worst = sorted(names, key=lambda name: -alone[name])
        kept: tuple[str, ...] = ()
        for name in worst[: int(MOST_KEPT * len(names))]:
            further = error(kept=(*kept, name))
            if further > (1 - _GAIN) * least:
                break
            kept, least = (*kept, name), further
        _quantise(whole, target, images, ranges, symmetric, kept)
    onnx.checker.check_model(str(target))
    return kept


def _quantise(
    whole: Path,
    target: Path,
    images: Pixels,
    ranges: Path,
    symmetric: bool,
    kept: Sequence[str] = (),
    only: Sequence[str] | None = None,
) -> None:
    with _quiet():
        quantize_static(
            str(whole),
            str(target),
            _Reader(images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["Conv", "Add", "MaxPool"],
            nodes_to_quantize=only,
            nodes_to_exclude=list(kept),
            # A few outliers would take the digits from all other values.
            calibrate_method=CalibrationMethod.Percentile,
            calibration_cache_path=str(ranges),
            # TensorRT has no int32 for biases, nor zero points.
            extra_options={"ActivationSymmetric": symmetric, "QuantizeBias": not symmetric},
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser prints its progress, and warns of norms that it would fold: they are folded."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


class _Reader:
    """Calibration images, as the quantiser asks for them."""

    def __init__(self, images: Pixels) -> None:
        # Whole batches alone: the quantiser stacks what it collects.
        whole = len(images) // _BATCH * _BATCH or len(images)
        starts = range(0, whole, _BATCH)
        self._batches: Iterator[dict[str, Any]] = (
            {"images": images[start : start + _BATCH][:whole]} for start in starts
        )

    def get_next(self) -> dict[str, Any] | None:
        return next(self._batches, None)


def _run(graph: Path, images: Pixels) -> Vectors:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    batches = [images[start : start + 32] for start in range(0, len(images), 32)]
    return np.concatenate([session.run(["embedding"], {"images": batch})[0] for batch in batches])
