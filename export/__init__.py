"""From a trained encoder to a package: ONNX, parity, golden vectors. Needs the `export` extra."""

from export.package import Serving, export_run, write_manifest

__all__ = ["Serving", "export_run", "write_manifest"]
