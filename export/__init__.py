"""A training run or a public checkpoint -> a package, proven. Needs the `export` extra."""

from export.build import write_manifest
from export.package import Serving, export_run

__all__ = ["Serving", "export_run", "write_manifest"]
