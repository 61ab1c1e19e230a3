"""From a trained encoder to a package: ONNX, parity, golden vectors. Needs the `export` extra."""
