"""The graph as it came, run by ONNX Runtime on pixels that NumPy prepares.

It is what the package is compared with, so it shares nothing with the graph that is made of it:
not the normalisation, not the averaging, and not the file of weights.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from zoo.arrays import Pixels, Vectors
from zoo.errors import ImportRefusedError
from zoo.graphs.serve import Ends
from zoo.images import InputBlock
from zoo.importing.rule import Rule

Array = npt.NDArray[Any]


class Reference:
    """A pruned graph in ONNX Runtime, whose weights may lie in `folder`.

    Raises:
        ImportRefusedError: ONNX Runtime refuses the graph; its reason is given.
    """

    def __init__(self, model: onnx.ModelProto, folder: Path, rule: Rule) -> None:
        self._rule = rule
        self._type = helper.tensor_dtype_to_np_dtype(rule.kind)
        self._session = _session(model.SerializeToString(), folder)

    def run(self, images: Pixels, block: InputBlock | None = None) -> Array:
        """The output of uint8 (n, size, size, 3) as float32, each image on its own, (n, ...).

        Args:
            block: its mean and standard deviation; without it, the right ones.

        Raises:
            ImportRefusedError: the graph fails, or gives several rows for an image.
        """
        block = block or self._rule.block
        values: Array = images
        if self._type != np.uint8:
            values = (images / 255 - np.array(block.mean)) / np.array(block.std)
        if self._rule.layout == "nchw":
            values = values.transpose(0, 3, 1, 2)
        values = np.ascontiguousarray(values, self._type)
        batch = self._rule.batch or 1
        return np.stack([self._one(np.repeat(image[None], batch, 0)) for image in values])

    def _one(self, image: Array) -> Array:
        (output,) = _explained(lambda: self._session.run(None, {self._rule.input: image}))
        if not isinstance(output, np.ndarray) or output.shape[:1] != image.shape[:1]:
            shape = " x ".join(map(str, np.shape(output))) or "no shape"
            raise ImportRefusedError(
                f"its output is {shape} for {len(image)} image(s), and one row an image is needed: "
                "choose another with --output"
            )
        first: Array = output[0].astype(np.float32)
        return first


def run_graph(path: Path, images: Pixels) -> Vectors:
    """The embeddings that a package's graph gives, all images at once.

    Raises:
        ImportRefusedError: ONNX Runtime refuses it, or it fails.
    """
    session = _session(str(path))
    (embeddings,) = _explained(lambda: session.run(["embedding"], {"images": images}))
    found: Vectors = embeddings
    return found


def rows_of(output: Array, ends: Ends) -> Vectors:
    """One row an image, in NumPy: what `zoo.graphs.serve` does in the graph."""
    rows: Vectors = output
    if ends.first:
        rows = output[:, 0]
    elif ends.axes:
        rows = output.mean(axis=ends.axes, dtype=np.float64).astype(np.float32)
    return rows


def _session(model: str | bytes, weights: Path | None = None) -> Any:
    import onnxruntime as ort  # noqa: PLC0415 - after the check, whose message says what to install

    options = ort.SessionOptions()
    options.log_severity_level = 4  # what fails is raised too
    if weights:
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(weights.resolve())
        )
    providers = ["CPUExecutionProvider"]
    return _explained(lambda: ort.InferenceSession(model, options, providers=providers))


def _explained(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:  # the library raises types of its own, without a common base
        reason = re.sub(r"\s+", " ", str(error)).strip()
        raise ImportRefusedError(f"ONNX Runtime refuses it: {reason[:400]}") from None
