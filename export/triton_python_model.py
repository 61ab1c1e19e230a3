"""Triton's Python backend over a package's ONNX graph; `zoo export triton` copies it in.

It runs in Triton's own Python, which needs NumPy and ONNX Runtime and nothing of this project.
"""

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it is read when ONNX Runtime is loaded

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb_utils  # of Triton's Python backend


class TritonPythonModel:
    """The names are Triton's: it makes one object an instance and calls `execute`."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the graph that lies beside this file."""
        folder = Path(args["model_repository"]) / args["model_version"]
        options = ort.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(
            str(folder / "encoder.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def execute(self, requests: list[Any]) -> list[Any]:
        """One run of the encoder for all requests that Triton has gathered."""
        images = [pb_utils.get_input_tensor_by_name(r, "images").as_numpy() for r in requests]
        (rows,) = self._session.run(["embedding"], {"images": np.concatenate(images)})
        ends = np.cumsum([len(part) for part in images])
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("embedding", part)])
            for part in np.split(rows, ends[:-1])
        ]
