"""What an encoder is and how it runs: packages, images, runtimes, and where packages live."""

import os

# ONNX Runtime's builds report what they run to its maker, and keep an identifier of the machine,
# unless this is set before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
