"""What executes an encoder. `open_runtime` is the way in; it checks the golden vectors first."""

from zoo.runtimes.golden import Golden, check_golden, read_golden
from zoo.runtimes.onnx import open_onnx
from zoo.runtimes.protocol import Runtime, open_runtime

__all__ = ["Golden", "Runtime", "check_golden", "open_onnx", "open_runtime", "read_golden"]
