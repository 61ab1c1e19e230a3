"""What an encoder is and how it runs: packages, images, runtimes, and where packages live."""

import os
import sys

# ONNX Runtime's builds report what they run to its maker, and keep an identifier of the machine,
# unless this is set before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# OpenVINO reports every import to its maker, and keeps an identifier in the home, unless the
# package that does so cannot be imported; it then goes on without.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
