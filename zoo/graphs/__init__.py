"""ONNX graphs without PyTorch: rewritten, written and checked, and quantised."""
